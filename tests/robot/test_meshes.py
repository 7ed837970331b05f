"""Mesh files of every format become the same triangles in metres."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from r2s.core.errors import R2SError
from r2s.robot.inertia import mesh_moments, nearest_possible
from r2s.robot.meshes import (
    MAX_VISUAL_FACES,
    convex_hull,
    few_vertices,
    for_pictures,
    load_mesh,
    stl_bytes,
)

BOX = (0.1, 0.2, 0.4)


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply", "glb", "dae", "off", "ascii.stl"])
def test_every_format_gives_the_same_box(tmp_path, suffix):
    path = tmp_path / f"box.{suffix}"
    kind = "stl_ascii" if suffix == "ascii.stl" else suffix
    trimesh.creation.box(BOX).export(path, file_type=kind)
    (part,) = load_mesh(path, np.ones(3))
    assert len(part.mesh.faces) == 12 and len(part.mesh.vertices) == 8
    np.testing.assert_allclose(np.ptp(part.mesh.vertices, axis=0), BOX, rtol=1e-6)


@pytest.mark.parametrize("scale", [(0.001, 0.001, 0.001), (1, -1, 1), (-1, -2, -1)])
def test_scales_are_baked_and_mirrors_keep_normals_outside(tmp_path, scale):
    path = tmp_path / "box.stl"
    trimesh.creation.box(BOX).export(path)
    (part,) = load_mesh(path, np.array(scale))
    volume = mesh_moments(part.mesh)[0]
    assert volume == pytest.approx(np.prod(BOX) * abs(np.prod(scale)), rel=1e-5)


def test_garbage_is_an_error_with_the_file_name(tmp_path):
    path = tmp_path / "bad.stl"
    path.write_bytes(b"solid nothing at all")
    with pytest.raises(R2SError) as caught:
        load_mesh(path, np.ones(3))
    assert caught.value.code == "R2S-ROBOT-011" and "bad.stl" in caught.value.where


def test_moments_of_an_off_centre_box_are_the_closed_form():
    box = trimesh.creation.box(BOX)
    hull = convex_hull(box.vertices + np.array([0.5, -0.2, 0.1]))
    volume, centre, inertia = mesh_moments(hull)
    x, y, z = BOX
    assert volume == pytest.approx(x * y * z)
    np.testing.assert_allclose(centre, [0.5, -0.2, 0.1], atol=1e-12)
    expected = np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) * volume / 12
    np.testing.assert_allclose(inertia, expected, atol=1e-12)


def test_a_flat_set_of_points_still_has_a_hull():
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float)
    assert mesh_moments(convex_hull(flat))[0] == pytest.approx(1e-3, rel=0.01)


def test_a_hull_of_few_vertices_lies_inside_and_is_nearly_as_large():
    ball = trimesh.creation.icosphere(subdivisions=4)
    small = few_vertices(convex_hull(ball.vertices), 64)
    assert len(small.vertices) <= 64
    assert np.linalg.norm(small.vertices, axis=1).max() <= 1 + 1e-9
    assert mesh_moments(small)[0] > 0.85 * 4 / 3 * np.pi


def test_pictures_get_fewer_triangles_of_the_same_shape():
    ball = trimesh.creation.uv_sphere(count=[120, 120])
    from r2s.robot.description import Mesh

    thin = for_pictures(Mesh("ball", ball.vertices, ball.faces))
    assert len(thin.faces) <= MAX_VISUAL_FACES < len(ball.faces)
    assert mesh_moments(thin)[0] == pytest.approx(ball.volume, rel=0.02)


def test_stl_bytes_come_back_as_the_same_mesh(tmp_path):
    box = convex_hull(trimesh.creation.box(BOX).vertices)
    path = tmp_path / "again.stl"
    path.write_bytes(stl_bytes(box))
    again = trimesh.load_mesh(path)
    assert again.is_watertight and again.volume == pytest.approx(np.prod(BOX), rel=1e-6)


def test_possible_inertias_are_left_alone_and_impossible_ones_become_possible():
    random = np.random.default_rng(0)
    for _ in range(50):
        points = random.standard_normal((6, 3)) * 0.1
        second = points.T @ points
        good = np.trace(second) * np.eye(3) - second
        assert nearest_possible(good, 1.0) is None
        bad = good + np.diag([0, 0, 3 * np.trace(good)])
        fixed = nearest_possible(bad, 1.0)
        assert fixed is not None
        a, b, c = np.linalg.eigvalsh(fixed)
        assert a > 0 and a + b >= c * (1 - 1e-9)
