"""Capsules cover a link without swallowing it, and say how far off they are."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from r2s.core import rigid
from r2s.robot.colliders import fit_link
from r2s.robot.description import Body, Mesh, Shape


def mesh_shape(mesh: trimesh.Trimesh, T=None) -> Shape:
    return Shape(
        "mesh",
        np.eye(4) if T is None else T,
        mesh=Mesh("m", np.asarray(mesh.vertices), np.asarray(mesh.faces)),
    )


def fit(*shapes: Shape):
    return fit_link(Body("b", None, np.eye(4)), list(shapes))


def distance(points: np.ndarray, colliders) -> np.ndarray:
    """Signed distance to spheres, capsules and boxes, written apart from the fit."""
    found = []
    for c in colliders:
        local = rigid.apply(rigid.inverse(c.T_body_geom), points)
        if c.kind == "box":
            q = np.abs(local) - c.size
            outside = np.linalg.norm(np.maximum(q, 0), axis=1)
            found.append(outside + np.minimum(q.max(axis=1), 0))
            continue
        half = c.size[1] if c.kind == "capsule" else 0.0
        local[:, 2] -= np.clip(local[:, 2], -half, half)
        found.append(np.linalg.norm(local, axis=1) - c.size[0])
    return np.min(found, axis=0)


def test_a_capsule_mesh_becomes_that_capsule():
    T = rigid.transform(rigid.rpy_to_matrix([0.3, 1.0, 2.0]), [0.1, -0.2, 0.3])
    link = fit(mesh_shape(trimesh.creation.capsule(height=0.2, radius=0.03, count=[24, 24]), T))
    (capsule,) = link.train
    assert capsule.kind == "capsule"
    assert capsule.size[0] == pytest.approx(0.03, abs=1e-3)
    assert capsule.size[1] == pytest.approx(0.1, abs=2e-3)
    # trimesh's capsule is centred at the origin of its axis; so is ours after T.
    centre = rigid.apply(T, np.zeros((1, 3)))[0]
    np.testing.assert_allclose(capsule.T_body_geom[:3, 3], centre, atol=2e-3)
    assert link.fit.surface_m < 2e-3 and link.fit.within_bound
    assert link.fit.volume_ratio == pytest.approx(1, abs=0.1) and link.fit.shape == "capsule"


def test_a_ball_becomes_a_sphere():
    link = fit(mesh_shape(trimesh.creation.icosphere(radius=0.05)))
    (ball,) = link.train
    assert ball.kind == "sphere" and ball.size[0] == pytest.approx(0.05, abs=1e-3)


def test_round_primitives_stay_what_they_are():
    capsule = Shape("capsule", np.eye(4), (0.02, 0.1, 0.0))
    link = fit(capsule)
    # The link is measured as a polyhedron of the capsule.
    assert link.fit.surface_m < 1e-3 and link.train[0].size == (0.02, 0.1, 0.0)


def test_a_foot_stays_a_sphere_beside_a_mesh_shin():
    shin = mesh_shape(trimesh.creation.box((0.02, 0.03, 0.2)))
    foot = Shape("sphere", rigid.transform(None, [0, 0, -0.12]), (0.02, 0, 0))
    link = fit(shin, foot)
    assert [c for c in link.train if c.kind == "sphere" and c.size[0] == 0.02]


@pytest.mark.parametrize(
    "extents", [(0.3, 0.05, 0.05), (0.2, 0.1, 0.05), (0.1, 0.1, 0.1), (0.4, 0.3, 0.02)]
)
def test_the_stated_error_bounds_what_is_bare_and_what_bulges(extents):
    mesh = trimesh.creation.box(extents)
    link = fit(mesh_shape(mesh))
    error = max(link.fit.surface_m, link.fit.outside_m)
    surface = trimesh.sample.sample_surface(mesh, 4000, seed=0)[0]
    bare = np.abs(distance(surface, link.train))
    assert np.quantile(bare, 0.95) <= 1.15 * error + 1e-3
    air = np.random.default_rng(0).uniform(-0.6, 0.6, (20_000, 3))
    inside = air[distance(air, link.train) < 0]
    q = np.abs(inside) - np.array(extents) / 2
    bulge = np.linalg.norm(np.maximum(q, 0), axis=1)
    assert len(bulge) == 0 or bulge.max() <= 3 * error + 1e-3


@pytest.mark.parametrize("extents", [(0.3, 0.05, 0.05), (0.2, 0.1, 0.05), (0.4, 0.3, 0.02)])
def test_a_link_of_the_bound_is_as_large_and_as_near_as_the_bound_says(extents):
    """Written apart from the fit: volumes by Monte Carlo, the box's own distance."""
    link = fit(mesh_shape(trimesh.creation.box(extents)))
    assert link.fit.within_bound
    air = np.random.default_rng(1).uniform(-1, 1, (200_000, 3)) * np.array(extents)
    volume = (distance(air, link.train) < 0).mean() * 8  # in units of the box's
    assert volume == pytest.approx(link.fit.volume_ratio, rel=0.1)
    assert 1 / 1.5 <= volume <= 1.5
    assert max(link.fit.surface_m, link.fit.outside_m) <= 0.08 * np.linalg.norm(extents)


def test_what_neither_capsules_nor_a_box_fit_becomes_a_hull_of_few_vertices_inside_it():
    cone = trimesh.creation.cone(radius=0.1, height=0.08, sections=64)
    link = fit_link(Body("b", "parent", np.eye(4)), [mesh_shape(cone)])
    assert link.fit.shape == "hull" and link.fit.within_bound
    (hull,) = link.train
    assert hull.mesh is not None and len(hull.mesh.vertices) <= 32
    x, y, z = hull.mesh.vertices.T
    assert (z > -1e-6).all() and (np.hypot(x, y) < 0.1 * (1 - z / 0.08) + 1e-6).all()


def test_fitting_moves_with_the_link():
    mesh = trimesh.creation.box((0.2, 0.06, 0.04))
    T = rigid.transform(rigid.rpy_to_matrix([0.1, 0.2, 0.3]), [1.0, 2.0, 3.0])
    here, there = fit(mesh_shape(mesh)), fit(mesh_shape(mesh, T))
    points = np.random.default_rng(0).uniform(-0.15, 0.15, (500, 3))
    difference = distance(points, here.train) - distance(rigid.apply(T, points), there.train)
    # Samples move with the surface only up to the hull's triangulation.
    assert np.abs(difference).max() < 0.012


def test_hulls_have_at_most_64_vertices():
    link = fit(mesh_shape(trimesh.creation.icosphere(subdivisions=4, radius=0.1)))
    (hull,) = link.exact
    assert hull.kind == "hull" and hull.mesh is not None and len(hull.mesh.vertices) <= 64
