"""Real objects on a table, scanned all around, beside the collision sets that their sources ship."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import object_fits

from r2s.reconstruct.hulls import MAX_HULLS, MAX_VERTICES
from r2s.reconstruct.solids import hull_planes

BALL_M = 0.012


@pytest.fixture(scope="module")
def objects() -> Path:
    folder = Path(__file__).parents[3] / "shared/data/objects"
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder}")
    return folder


def dropped(hulls, at, seconds: float = 1.5) -> np.ndarray:
    """Return where a ball of `BALL_M` is that fell from `at` (3,) onto the hulls, which stand on a floor."""
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    for k, (vertices, faces) in enumerate(hulls):
        mesh = spec.add_mesh(name=f"h{k}")
        mesh.uservert, mesh.userface = np.ravel(vertices), np.ravel(faces)
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"h{k}")
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1])
    ball = spec.worldbody.add_body(name="ball", pos=at)
    ball.add_freejoint()
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[BALL_M, 0, 0], mass=0.01)
    model = spec.compile()
    data = mujoco.MjData(model)
    while data.time < seconds:
        mujoco.mj_step(model, data)
    return data.body("ball").xpos.copy()


def test_a_ball_stays_inside_the_ramekin(objects, tmp_path):
    model = object_fits.placed(object_fits.load(objects / "gso_glazed_rim_porcelain_ramekin"))
    hulls, _, _ = object_fits.fitted(model, tmp_path)
    height = float(model.vertices[:, 2].max())
    at = dropped(hulls, [0.008, 0.0, height + 0.03])
    assert np.hypot(*at[:2]) < 0.03
    assert BALL_M < at[2] < height - BALL_M / 2  # in the bowl, not on a lid over it


@pytest.mark.campaign
def test_the_cups_handle_stays_open(objects, tmp_path):
    """12 mm wide and 16 mm high: a rod of 3 mm fits through its middle."""
    model = object_fits.placed(object_fits.load(objects / "chen_blue_cup"))
    hulls, _, _ = object_fits.fitted(model, tmp_path)
    assert len(hulls) <= MAX_HULLS and all(len(v) <= MAX_VERTICES for v, _ in hulls)
    hole, across = handle_hole(model)
    probes = hole + np.linspace(-0.03, 0.03, 25)[:, None] * across
    assert object_fits._depth(hulls, probes, hull_planes).min() > 0.0015


def handle_hole(model) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle (3,) of the hole between a cup's handle and its side, and the way through it (3,):
    of the gaps that level lines through the handle find, the place farthest from the mesh."""
    from r2s.core.native import open3d

    o3d = open3d()
    scene = object_fits._scene(o3d, [(model.vertices, model.faces)])
    middle = np.median(model.vertices[:, :2], axis=0)
    flat = model.vertices[:, :2] - middle
    out = np.array([*flat[np.argmax(np.linalg.norm(flat, axis=1))], 0.0])
    out /= np.linalg.norm(out)
    places = []
    for height in np.linspace(0.1, 0.9, 33) * model.vertices[:, 2].max():
        start = np.array([*middle, height]) + 0.2 * out
        ray = np.concatenate([start, -out])[None].astype(np.float32)
        hits = np.sort(scene.list_intersections(o3d.core.Tensor(ray))["t_hit"].numpy())
        if len(hits) >= 6:  # in and out of the handle, the near side and the far side
            places.append(start - 0.5 * (hits[1] + hits[2]) * out)
    away = scene.compute_distance(o3d.core.Tensor(np.array(places, np.float32))).numpy()
    assert away.max() > 0.005
    return places[int(np.argmax(away))], np.cross(out, [0, 0, 1.0])


@pytest.mark.campaign
def test_objects_beside_their_reference_sets(objects, tmp_path):
    found = object_fits.rows(objects, tmp_path)
    print("\n" + object_fits.table(found))
    if out := os.environ.get("R2S_BENCH_OBJECTS_OUT"):
        Path(out).write_text(json.dumps(found, indent=1))
    assert len(found) == 12
    assert all(row["most_parts"] <= MAX_HULLS and row["vertices"] <= MAX_VERTICES for row in found)
