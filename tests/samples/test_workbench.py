"""The simulated workbench: the scan is what its program writes, and its twin is the known truth."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import mujoco
import numpy as np
import pytest

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Body, Reconstruction
from r2s.artifacts.scan import Scan
from r2s.core import rigid
from r2s.core.context import StageContext
from r2s.reconstruct import stage as reconstruct
from r2s.scan import stage as scan

SAMPLES = Path(__file__).parents[2] / "samples"
TABLE_TOP_M = 0.74
# name: (height above the table, horizontal extents sorted) [m]; the truth is workbench.xml.
CONVEX = {
    "carton": (0.20, (0.07, 0.07)),
    "toolbox": (0.09, (0.12, 0.20)),
    "can": (0.12, (0.068, 0.068)),
    "ball": (0.08, (0.08, 0.08)),
}
COMPOUND = {"mug": 0.09, "bracket": 0.12}


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_scan", SAMPLES / "simulate_scan.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def truth() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(SAMPLES / "workbench.xml"))


@pytest.fixture(scope="module")
def twin(tmp_path_factory) -> tuple[Scan, Reconstruction]:
    scratch = tmp_path_factory.mktemp("workbench")
    context = StageContext(scratch=scratch, sources={"capture": SAMPLES / "workbench.pcd"})
    found = scan.run({}, scan.Config(), context)
    context = StageContext(scratch=scratch)
    return found, reconstruct.run({"scan": found}, reconstruct.Config(), context)


@pytest.fixture(scope="module")
def T_twin_truth(program, truth, twin) -> np.ndarray:
    """Maps the truth's frame to the twin's: the camera is known in both."""
    T_twin_camera = np.array(twin[0].info.T_world_source)
    return T_twin_camera @ rigid.inverse(program.camera_pose(truth, "depth"))


def objects(twin) -> list[Body]:
    return [body for body in twin[1].info.bodies if body.role == "object"]


def corners(body: Body, reconstruction: Reconstruction) -> np.ndarray:
    """Points whose bounds are those of a body's colliders, twin frame."""
    found = []
    for geom in body.geoms:
        T = rigid.transform(rigid.quat_to_matrix(geom.quaternion), geom.position)
        if geom.shape == "hull":
            local = np.asarray(reconstruction.hulls[geom.hull][0], dtype=float)
        else:
            x, y, z = geom.size
            half = {"box": (x, y, z), "sphere": (x, x, x), "cylinder": (x, x, y)}
            half["capsule"] = (x, x, x + y)
            grid = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
            local = grid * half[geom.shape]
        found.append(rigid.apply(T, local))
    return np.concatenate(found)


def nearest(twin, truth, T_twin_truth, name: str) -> tuple[Body, np.ndarray]:
    """Return the twin's object nearest to a body of the truth, and the true centre in the twin."""
    data = mujoco.MjData(truth)
    mujoco.mj_forward(truth, data)
    geoms = [g for g in range(truth.ngeom) if truth.geom_bodyid[g] == truth.body(name).id]
    centre = rigid.apply(T_twin_truth, data.geom_xpos[geoms].mean(axis=0, keepdims=True))[0]
    middle = {
        b.name: (c.min(axis=0) + c.max(axis=0)) / 2
        for b in objects(twin)
        for c in [corners(b, twin[1])]
    }
    best = min(objects(twin), key=lambda b: np.linalg.norm(middle[b.name][:2] - centre[:2]))
    return best, centre


def test_the_sample_is_what_the_program_writes(program, truth):
    points, colours = program.capture(truth, "depth", 0)
    data = (SAMPLES / "workbench.pcd").read_bytes()
    comment = "SIMULATED depth camera over workbench.xml by simulate_scan.py; not a real capture"
    again = program.pcd_bytes(points, colours, comment)
    head = data.index(b"DATA binary\n") + len(b"DATA binary\n")
    assert again[:head] == data[:head] and b"SIMULATED" in data[:head]
    assert len(data) < 3_000_000
    # The last bit of a tangent may differ between processors, and with it one disparity step.
    ours = np.frombuffer(again[head:], "<f4").reshape(-1, 4)[:, :3]
    theirs = np.frombuffer(data[head:], "<f4").reshape(-1, 4)[:, :3]
    same = np.isclose(ours, theirs, atol=1e-5, equal_nan=True).all(axis=1)
    assert same.mean() > 0.999


def test_simulated_points_lie_on_the_truth_within_the_sensors_noise(program, truth):
    points, _ = program.capture(truth, "depth", 1)
    pose = program.camera_pose(truth, "depth")
    seen = points[np.isfinite(points).all(axis=-1)]
    assert 0.95 < len(seen) / points[..., 0].size < 1
    data = mujoco.MjData(truth)
    mujoco.mj_forward(truth, data)
    length = np.linalg.norm(seen, axis=1)
    directions = (seen / length[:, None]) @ pose[:3, :3].T
    _, distance, _ = program.cast(truth, data, pose[:3, 3], directions)
    error = length - distance
    assert abs(np.median(error)) < 1e-3
    assert 1.5e-3 < np.quantile(np.abs(error), 0.68) < 6e-3
    # Flying pixels are there, and few.
    assert 1e-4 < (np.abs(error) > 0.03).mean() < 0.01


def test_the_projectors_shadow_is_missing(program, truth):
    points, _ = program.capture(truth, "depth", 0)
    data = mujoco.MjData(truth)
    mujoco.mj_forward(truth, data)
    pose = program.camera_pose(truth, "depth")
    seen = points[np.isfinite(points).all(axis=-1)] @ pose[:3, :3].T + pose[:3, 3]
    projector = pose[:3, 3] + program.BASELINE_M * pose[:3, 0]
    towards = seen - projector
    length = np.linalg.norm(towards, axis=1)
    _, hit, _ = program.cast(truth, data, projector, towards / length[:, None])
    assert (hit < length - 0.05).mean() < 2e-3


def test_several_cameras_agree_on_one_world(program, truth):
    heights = []
    for name in ("depth", "left", "right"):
        points, _ = program.capture(truth, name, 0)
        pose = program.camera_pose(truth, name)
        world = points[np.isfinite(points).all(axis=-1)] @ pose[:3, :3].T + pose[:3, 3]
        free = (np.abs(world[:, 0]) < 0.2) & (world[:, 1] > -0.35) & (world[:, 1] < -0.1)
        heights.append(np.median(world[free, 2]))
    np.testing.assert_allclose(heights, TABLE_TOP_M, atol=2e-3)


def test_gravity_and_the_table_are_found(T_twin_truth):
    tilt = np.degrees(np.arccos(np.clip(T_twin_truth[2, 2], -1, 1)))
    assert tilt < 0.3
    table = rigid.apply(
        T_twin_truth, np.array([[x, y, TABLE_TOP_M] for x in (-0.4, 0.4) for y in (-0.2, 0.3)])
    )
    assert np.abs(table[:, 2]).max() < 4e-3


def test_every_object_is_found_once_and_none_is_invented(twin, truth, T_twin_truth):
    names = {
        name: nearest(twin, truth, T_twin_truth, name)[0].name for name in (*CONVEX, *COMPOUND)
    }
    assert len(set(names.values())) == len(names) == 6
    assert len(objects(twin)) == 6
    assert all(body.mobility == "movable" for body in objects(twin))


@pytest.mark.parametrize("name", CONVEX)
def test_convex_objects_have_their_size_and_place(twin, truth, T_twin_truth, name):
    height, extents = CONVEX[name]
    body, centre = nearest(twin, truth, T_twin_truth, name)
    points = corners(body, twin[1])
    assert np.ptp(points[:, 2]) == pytest.approx(height, abs=0.008)
    (geom,) = body.geoms
    x, y, _ = geom.size
    found = {"box": sorted((2 * x, 2 * y)), "sphere": (2 * x, 2 * x), "cylinder": (2 * x, 2 * x)}
    # Half of an object is never seen: its depth follows from its top or its symmetry.
    np.testing.assert_allclose(found[geom.shape], extents, atol=0.014)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    assert np.linalg.norm(middle[:2] - centre[:2]) < 0.010
    assert abs(middle[2] - centre[2]) < 0.006


@pytest.mark.parametrize("name", COMPOUND)
def test_other_objects_are_where_they_are_and_as_high(twin, truth, T_twin_truth, name):
    body, centre = nearest(twin, truth, T_twin_truth, name)
    points = corners(body, twin[1])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    assert np.linalg.norm(middle[:2] - centre[:2]) < 0.04
    assert points[:, 2].max() == pytest.approx(COMPOUND[name], abs=0.010)
    assert points[:, 2].min() == pytest.approx(0.0, abs=0.010)


def signed_distance(geom: Geom, points: np.ndarray) -> np.ndarray:
    """Signed distance of (n, 3) points to a box or a plane, twin frame."""
    T = rigid.transform(rigid.quat_to_matrix(geom.quaternion), geom.position)
    local = rigid.apply(rigid.inverse(T), points)
    if geom.shape == "plane":
        return local[:, 2]
    q = np.abs(local) - geom.size
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


def test_the_wall_is_solid_and_starts_where_it_does(twin, T_twin_truth):
    static = [g for b in twin[1].info.bodies if b.mobility == "static" for g in b.geoms]
    grid = [[x, 0.40, z] for x in np.linspace(-0.5, 0.5, 9) for z in np.linspace(0.80, 1.0, 5)]
    surface = rigid.apply(T_twin_truth, np.array(grid))
    distance = np.min([signed_distance(g, surface) for g in static], axis=0)
    assert np.abs(distance).max() < 0.010
    air = rigid.apply(T_twin_truth, np.array(grid) - [0, 0.05, 0])
    assert np.min([signed_distance(g, air) for g in static], axis=0).min() > 0.03


def test_the_twins_own_audit_agrees(twin):
    audit = twin[1].info.audit
    assert audit.twin_median_m is not None and audit.twin_median_m < 0.005
    assert audit.blocked_5cm is not None and audit.blocked_5cm < 0.005
    assert audit.missed_2cm < 0.05
