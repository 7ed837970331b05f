"""Laws of height fields; the oracle of where the surface is, is MuJoCo."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from r2s.core.heightfield import grid_heights, grid_mesh, signed_distance_to, surface_at

HALF = (2.0, 1.5)


def rough(rows: int = 5, columns: int = 7) -> np.ndarray:
    heights = np.random.default_rng(0).random((rows, columns)).astype(np.float32)
    return heights - heights.min()


def test_a_field_is_its_heights():
    nodes, faces = grid_mesh(rough(), *HALF)
    np.testing.assert_array_equal(grid_heights(nodes), rough())
    assert len(faces) == 2 * 4 * 6
    corners = nodes[faces].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).all()
    assert normals[:, 2].sum() / 2 == pytest.approx(4 * HALF[0] * HALF[1])


def test_the_surface_is_where_rays_meet_mujocos():
    heights, nodes = rough(), grid_mesh(rough(), *HALF)[0]
    file = np.array(heights.shape, "<i4").tobytes() + heights.astype("<f4").tobytes()
    xml = f"""<mujoco><asset><hfield name="f" file="f.hfield" size="{HALF[0]} {HALF[1]}
        {heights.max()} 1"/></asset><worldbody><geom type="hfield" hfield="f"/></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml, {"f.hfield": file})
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    xy = np.random.default_rng(1).uniform(-np.array(HALF), HALF, (300, 2))
    hit, down = np.zeros(1, np.int32), np.array([0.0, 0.0, -1.0])
    z = [5 - mujoco.mj_ray(model, data, np.array([*p, 5.0]), down, None, 1, -1, hit) for p in xy]
    np.testing.assert_allclose(surface_at(nodes, xy)[0], z, atol=1e-6)


def test_distance_is_exact_over_an_even_slope_and_beside_the_solid():
    x = np.linspace(-HALF[0], HALF[0], 9)
    nodes = grid_mesh(np.tile(0.5 * (x + HALF[0]), (6, 1)).astype(np.float32), *HALF)[0]
    normal = np.array([-0.5, 0, 1]) / np.sqrt(1.25)
    on = np.array([[0.3, 0.2, 1.15], [-1.0, -1.0, 0.5]])
    for gap in (0.2, 0.0, -0.1):
        np.testing.assert_allclose(
            signed_distance_to(nodes, 1.0, on + gap * normal), gap, atol=1e-6
        )
    beside = np.array([[2.0 + 0.3, 0.0, 1.0], [0.0, -1.9, -0.4]])
    np.testing.assert_allclose(signed_distance_to(nodes, 1.0, beside), [0.3, 0.4], atol=1e-6)
    assert signed_distance_to(nodes, 1.0, np.array([[0.0, 0.0, -1.2]]))[0] == pytest.approx(0.2)


def test_beyond_the_border_there_is_no_surface():
    nodes = grid_mesh(rough(), *HALF)[0]
    height, _ = surface_at(nodes, np.array([[0.0, 0.0], [2.1, 0.0]]), inside=True)
    assert np.isfinite(height[0]) and np.isnan(height[1])
