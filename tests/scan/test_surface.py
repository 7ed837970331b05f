"""Normals, planes and stray points against shapes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import room_points

from r2s.scan.planes import find_planes
from r2s.scan.surface import facing, local_surface, stray
from r2s.scan.viewpoints import layered_share

RNG = np.random.default_rng(0)


def test_normals_of_a_sphere_are_its_radii():
    rays = RNG.normal(size=(20_000, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    normals = facing(rays, local_surface(rays, 16).normals, np.zeros(3))
    assert np.median(np.einsum("ij,ij->i", normals, -rays)) > 0.999


def test_the_six_sides_of_a_room_are_found_once_each():
    points = room_points(noise_m=0.003)
    planes = find_planes(points, local_surface(points, 14).normals, tolerance=0.01, seed=0)
    assert len(planes) == 6
    axes = [int(np.argmax(np.abs(p.normal))) for p in planes]
    found = sorted((a, p.offset * p.normal[a]) for a, p in zip(axes, planes, strict=True))
    expected = [(0, -2.2), (0, 2.8), (1, -1.9), (1, 2.1), (2, -1.1), (2, 1.5)]
    for (axis, at), (true_axis, true_at) in zip(found, expected, strict=True):
        assert axis == true_axis
        assert at == pytest.approx(true_at, abs=0.011)
    assert sum(p.share for p in planes) > 0.9


def test_planes_depend_on_the_seed_only():
    points = room_points(count=5000)
    normals = local_surface(points, 14).normals
    runs = [find_planes(points, normals, tolerance=0.02, seed=4) for _ in range(2)]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a.normal, b.normal)
        np.testing.assert_array_equal(a.members, b.members)


def test_stray_points_go_and_a_thinning_floor_stays():
    # A LiDAR's floor: rings ever farther apart, which no global threshold survives.
    radius = np.repeat(np.geomspace(1, 10, 60), 200)
    angle = np.tile(np.linspace(0, 2 * np.pi, 200, endpoint=False), 60)
    floor = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(len(angle))])
    lost = RNG.uniform([-8, -8, 4], [8, 8, 20], (30, 3))
    points = np.concatenate([floor, lost])
    mask = stray(points, local_surface(points, 12).spacing, np.zeros(3), 4.0)
    assert mask[-30:].all()
    assert not mask[:-30].any()


def test_lines_of_sight_tell_the_sensor_from_another_place():
    points = room_points()
    assert layered_share(points) < 0.02
    inner = points * 0.4  # a second surface before the first
    assert layered_share(np.concatenate([points, inner])) > 0.5
