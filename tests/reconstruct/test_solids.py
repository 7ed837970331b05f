"""Laws of closed-form solids: oracles are trimesh and Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from r2s.core.rigid import rpy_to_matrix
from r2s.reconstruct.hulls import MAX_VERTICES, convex_hull
from r2s.reconstruct.solids import (
    combined_moments,
    make_geom,
    moments,
    sample_inside,
    signed_distance,
    triangles,
    volume,
)

R = rpy_to_matrix((0.3, -0.5, 1.1))
AT = np.array([0.4, -0.2, 0.7])


def solids():
    rng = np.random.default_rng(1)
    hull = convex_hull(rng.normal(size=(60, 3)) * [0.2, 0.1, 0.15], 24)
    return [
        (make_geom("box", (0.2, 0.1, 0.05), AT, R), ()),
        (make_geom("sphere", (0.15,), AT, R), ()),
        (make_geom("cylinder", (0.1, 0.2), AT, R), ()),
        (make_geom("capsule", (0.1, 0.2), AT, R), ()),
        (make_geom("hull", (), AT, R, hull=0), (hull,)),
    ]


@pytest.mark.parametrize("geom, hulls", solids(), ids=lambda v: getattr(v, "shape", ""))
def test_moments_agree_with_a_triangle_mesh(geom, hulls):
    mesh = trimesh.Trimesh(*triangles(geom, hulls))
    mesh.merge_vertices()
    trimesh.repair.fix_normals(mesh)
    v, centre, inertia = moments(geom, hulls)
    coarse = 0.02 if geom.shape in ("sphere", "cylinder", "capsule") else 1e-9
    assert v == volume(geom, hulls) == pytest.approx(mesh.volume, rel=coarse)
    assert centre == pytest.approx(mesh.center_mass, abs=1e-4)
    assert inertia == pytest.approx(mesh.moment_inertia, rel=3 * coarse, abs=2 * coarse * v * 0.04)


@pytest.mark.parametrize("geom, hulls", solids(), ids=lambda v: getattr(v, "shape", ""))
def test_signed_distance_is_zero_on_the_surface_and_negative_inside(geom, hulls):
    vertices, faces = triangles(geom, hulls)
    on = vertices[faces].mean(axis=1)
    slack = 0.002 if geom.shape in ("sphere", "cylinder", "capsule") else 1e-9
    assert np.abs(signed_distance(geom, hulls, on)).max() < slack
    inside = sample_inside(geom, hulls, 0.02, limit=10**6)
    assert (signed_distance(geom, hulls, inside) <= 0).all()
    assert len(inside) * 0.02**3 == pytest.approx(volume(geom, hulls), rel=0.2)


def test_glued_boxes_weigh_like_one_box():
    halves = tuple(make_geom("box", (0.1, 0.1, 0.1), (x, 0, 0), np.eye(3)) for x in (-0.1, 0.1))
    one = make_geom("box", (0.2, 0.1, 0.1), (0, 0, 0), np.eye(3))
    v, centre, inertia = combined_moments(halves, ())
    v1, _, inertia1 = moments(one, ())
    assert v == pytest.approx(v1)
    assert centre == pytest.approx(np.zeros(3), abs=1e-12)
    assert inertia == pytest.approx(inertia1, abs=1e-12)


def test_a_hull_keeps_its_vertex_budget_and_most_of_its_volume():
    points = np.random.default_rng(0).normal(size=(4000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    vertices, faces = convex_hull(points, MAX_VERTICES)
    assert len(vertices) <= MAX_VERTICES
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert mesh.volume > 0.80 * 4 / 3 * np.pi  # qhull's own truncation keeps 81 % at 32 vertices


def test_a_box_needs_only_its_corners():
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 2) for z in (0, 3)], float)
    inside = np.random.default_rng(0).random((500, 3)) * [1, 2, 3]
    vertices, faces = convex_hull(np.concatenate([inside, corners]))
    assert len(vertices) == 8
    assert trimesh.Trimesh(vertices, faces).volume == pytest.approx(6)


def test_flat_points_have_no_hull():
    flat = np.random.default_rng(0).random((50, 3)) * [1, 1, 0]
    assert convex_hull(flat) is None
