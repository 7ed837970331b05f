"""What no primitive explains: closed, within its budgets, and open where the sensor saw through."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_places import box, capture, looks

from r2s.reconstruct.coacd_worker import decompose, surface
from r2s.reconstruct.hulls import MAX_HULLS, MAX_VERTICES
from r2s.reconstruct.solids import nearest_distance


def u_shape(n=24):
    solid = np.zeros((n, n, n), bool)
    solid[2:-2, 2:-2, 2:-2] = True
    solid[n // 3 : -n // 3, :, n // 3 :] = False
    return solid


def test_the_surface_of_a_grid_is_closed_and_has_its_volume():
    import trimesh

    solid = u_shape()
    mesh = trimesh.Trimesh(*surface(solid, np.zeros(3), 0.01), process=False)
    assert mesh.is_watertight
    assert abs(mesh.volume) == pytest.approx(solid.sum() * 1e-6, rel=0.06)


def test_decomposition_is_repeatable_and_respects_its_budgets():
    parts, again = (
        decompose(u_shape(), np.zeros(3), 0.01, 0.01, MAX_VERTICES, MAX_HULLS, 1) for _ in "ab"
    )
    assert 3 <= len(parts) <= MAX_HULLS
    assert all(len(p) <= MAX_VERTICES for p in parts)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_a_gate_on_a_table_stays_open(reconstruct):
    """Two posts and a lintel: no primitive explains it, one hull would close it."""
    table = box((0, 0, -0.02), (0.8, 0.8, 0.04))
    gate = [box((0, y, 0.09), (0.06, 0.05, 0.18)) for y in (-0.12, 0.12)]
    gate += [box((0, 0, 0.205), (0.06, 0.29, 0.05))]
    eyes = [(x, y, z) for x in (-0.9, 0.9) for y, z in ((-0.5, 0.15), (0.5, 0.15), (0.0, 0.8))]
    views = [(np.array(eye), looks(eye, (0, 0, 0.1), 0.4, 22_000)) for eye in eyes]
    result = reconstruct(capture([table, *gate], views, voxel=0.007, sigma=0.0005))
    body = max((b for b in result.info.bodies if b.role == "object"), key=lambda b: b.volume_m3)
    assert body.fit == "hulls"
    assert 2 <= len(body.geoms) <= MAX_HULLS
    assert all(len(vertices) <= MAX_VERTICES for vertices, _ in result.hulls)
    truth = sum(8 * g.size[0] * g.size[1] * g.size[2] for g in gate)
    assert body.volume_m3 == pytest.approx(truth, rel=0.5)
    passage = np.column_stack([np.zeros(9), np.linspace(-0.05, 0.05, 9), np.full(9, 0.08)])
    depth, _ = nearest_distance(body.geoms, result.hulls, passage, 1.0)
    assert (depth > 0).all()
