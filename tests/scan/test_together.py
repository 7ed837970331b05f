"""Several clouds as one: poses are found, kept or used; what does not fit is refused by name."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scan_files import columns_of, pcd_bytes, ply_bytes, scan
from scipy.spatial import KDTree

from r2s.core.context import StageContext
from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import apply, inverse, matrix_to_quat, rpy_to_matrix, transform
from r2s.engine import graph
from r2s.scan import stage
from r2s.scan.readers import read, read_all
from r2s.scan.readers.asked import Asked
from r2s.scan.together.match import hypotheses, rigid_fit

# A room 6 x 4.4 x 2.6 m with a cupboard, a table top and a column; boxes as (low, high).
ROOM = ((-2.4, -1.9, -1.2), (3.6, 2.5, 1.4))
THINGS = (
    ((2.7, -1.9, -1.2), (3.6, -0.4, 0.9)),
    ((-0.6, 1.3, -0.5), (1.1, 2.2, -0.42)),
    ((-1.6, -1.2, -1.2), (-1.3, -0.9, 1.4)),
)
OTHER_ROOM = ((-1.1, -4.2, -0.9), (1.5, 3.9, 2.9))
EYES = {
    "a": transform(rpy_to_matrix([0, 0, 0]), [0.2, 0.1, 0.0]),
    "b": transform(rpy_to_matrix([0.02, -0.03, 0.9]), [1.4, 0.7, 0.1]),
}


def seen(T_room_sensor: np.ndarray, *, room=ROOM, things=THINGS, seed=0, count=8_000) -> np.ndarray:
    """Return what a LiDAR at a pose sees, points (count, 3) in its own frame, 3 mm of noise."""
    rng = np.random.default_rng(seed)
    rays = rng.normal(size=(count, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    way, eye = rays @ T_room_sensor[:3, :3].T, T_room_sensor[:3, 3]
    with np.errstate(divide="ignore"):
        reach = np.where(way > 0, (room[1] - eye) / way, (room[0] - eye) / way).min(axis=1)
        for low, high in things:
            a, b = (low - eye) / way, (high - eye) / way
            enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
            hit = (enter < leave) & (enter > 0)
            reach = np.where(hit, np.minimum(reach, enter), reach)
    return rays * (reach + rng.normal(0, 0.003, count))[:, None]


@pytest.fixture
def pair(tmp_path) -> list[Path]:
    """Two scans of the room, each in its sensor's frame."""
    paths = []
    for seed, (name, T) in enumerate(EYES.items()):
        paths.append(tmp_path / f"{name}.ply")
        paths[-1].write_bytes(ply_bytes(seen(T, seed=seed)))
    return paths


def test_rigid_fit_undoes_a_motion():
    points = np.random.default_rng(0).normal(size=(30, 3))
    T = transform(rpy_to_matrix([0.3, -1.0, 2.0]), [4.0, -5.0, 6.0])
    assert rigid_fit(apply(T, points), points) == pytest.approx(T, abs=1e-9)


def test_a_tenth_of_true_matches_is_enough():
    rng = np.random.default_rng(1)
    points, features = rng.uniform(-2, 2, (600, 3)), rng.normal(size=(600, 33))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    T = transform(rpy_to_matrix([0.1, 0.7, -2.0]), [1.0, 2.0, -0.5])
    elsewhere = rng.permutation(540)  # nine in ten features are at a wrong place
    moved = apply(inverse(T), points)
    moved[:540] = moved[:540][elsewhere]
    found = hypotheses(points, features, moved, features, 0.05, 3)
    assert found[0] == pytest.approx(T, abs=1e-6)


def test_clouds_without_poses_are_registered(pair):
    capture = read_all(pair)
    assert capture.viewpoints is not None
    first = np.linalg.inv(EYES["a"])
    assert capture.viewpoints == pytest.approx(
        apply(first, [T[:3, 3] for T in EYES.values()]), abs=0.01
    )
    rows = capture.rows(slice(0, capture.count))
    assert rows.views is not None and np.bincount(rows.views).tolist() == [8_000, 8_000]
    true = apply(first @ EYES["b"], read(pair[1]).points)
    assert np.abs(rows.points[8_000:] - true).max() < 0.03
    assert "registered to a.ply" in capture.facts[1]
    # Rows of a slice are the rows of the whole, across clouds and at a stride.
    some = capture.rows(slice(7_000, 9_000, 7))
    assert np.array_equal(some.points, rows.points[7_000:9_000:7])


def test_equal_clouds_give_equal_poses(pair):
    script = (
        "import sys, hashlib; from pathlib import Path; from r2s.scan.readers import read_all\n"
        "points = read_all([Path(p) for p in sys.argv[1:]]).points\n"
        "print(hashlib.sha256(points.tobytes()).hexdigest())"
    )
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", script, *map(str, pair)], capture_output=True, text=True, check=True,
        env={**os.environ, **one_thread},
    ).stdout.strip()  # fmt: skip
    assert said == hashlib.sha256(read_all(pair).points.tobytes()).hexdigest()


def test_a_scan_of_two_clouds_knows_who_saw_what(pair, tmp_path):
    context = StageContext(tmp_path, {"capture": pair[0], "capture 002": pair[1]})
    result = stage.run({}, stage.Config(), context)
    assert result.info.viewpoints_source == "file" and len(result.viewpoints) == 2
    assert result.info.notes[0] == "2 clouds put together" and not result.info.warnings
    eyes = result.viewpoints[result.viewpoint_of]
    assert (np.einsum("ij,ij->i", eyes - result.points, result.normals) >= 0).all()
    apart = np.linalg.norm(result.viewpoints[0] - result.viewpoints[1])
    assert apart == pytest.approx(np.linalg.norm(EYES["a"][:3, 3] - EYES["b"][:3, 3]), abs=0.01)


def test_a_folder_of_clouds_is_their_list(pair, tmp_path):
    folder = tmp_path / "clouds"
    folder.mkdir()
    shutil.copy(pair[0], folder / "scan_2.ply")
    shutil.copy(pair[1], folder / "scan_10.ply")
    (folder / "readme.txt").write_text("two scans")
    files = stage.source_files("capture", folder, stage.Config())
    assert [f.name for f in files] == ["scan_2.ply", "scan_10.ply"]
    as_is = Asked(registered=True)
    assert np.array_equal(read(folder, as_is).points, read_all(pair, as_is).points)


def test_clouds_of_one_frame_keep_their_bytes(tmp_path):
    paths = [tmp_path / "a.ply", tmp_path / "b.ply"]
    for seed, (path, T) in enumerate(zip(paths, EYES.values(), strict=True)):
        on_a_map = apply(T, seen(T, seed=seed)) + np.array([400_000.0, 5_600_000.0, 90.0])
        path.write_bytes(ply_bytes(on_a_map))
    capture = read_all(paths)
    assert np.array_equal(capture.points, np.concatenate([read(p).points for p in paths]))
    assert "as they are, in one frame" in capture.facts[1]


@pytest.mark.parametrize("kind", ["pcd", "ply"])
def test_poses_of_the_files_are_used(tmp_path, kind):
    paths = []
    for seed, (name, T) in enumerate(EYES.items()):
        points = seen(T, seed=seed)
        paths.append(tmp_path / f"{name}.{kind}")
        if kind == "pcd":
            words = " ".join(
                f"{v!r}" for v in [*T[:3, 3].tolist(), *matrix_to_quat(T[:3, :3]).tolist()]
            )
            data = pcd_bytes(columns_of(points, "<f8"), "binary", viewpoint=words)
        else:
            names = [f"view_p{a}" for a in "xyz"] + [f"{v}_axis{a}" for v in "xyz" for a in "xyz"]
            head = "element camera 1\n" + "".join(f"property double {n}\n" for n in names)
            plain = ply_bytes(points)
            numbers = np.concatenate([T[:3, 3], T[:3, :3].T.ravel()]).astype("<f8")
            data = (
                plain.replace(b"end_header\n", head.encode() + b"end_header\n") + numbers.tobytes()
            )
        paths[-1].write_bytes(data)
    capture = read_all(paths)
    assert "in the poses their files state" in capture.facts[1]
    assert capture.viewpoints == pytest.approx(
        np.array([T[:3, 3] for T in EYES.values()]), abs=1e-9
    )
    true = np.concatenate(
        [apply(T, read(p).points) for p, T in zip(paths, EYES.values(), strict=True)]
    )
    assert capture.points == pytest.approx(true, abs=1e-9)


def test_what_does_not_fit_is_refused_by_name(pair, tmp_path):
    odd = tmp_path / "another room.ply"
    odd.write_bytes(ply_bytes(seen(np.eye(4), room=OTHER_ROOM, things=(), seed=5)))
    with pytest.raises(R2SError, match=r"another room\.ply does not fit [ab]\.ply") as caught:
        read_all([*pair, odd])
    assert caught.value.code == "R2S-SCAN-045"
    assert "--registered" in caught.value.remedy
    assert "to be empty" in caught.value.why
    told = read_all([*pair, odd], Asked(registered=True))
    assert told.count == 24_000


def test_a_room_that_looks_the_same_both_ways_is_ambiguous(tmp_path):
    paths = [tmp_path / "a.ply", tmp_path / "b.ply"]
    for seed, (path, T) in enumerate(zip(paths, EYES.values(), strict=True)):
        path.write_bytes(ply_bytes(seen(T, seed=seed, things=())))
    with pytest.raises(R2SError, match="fit") as caught:
        read_all(paths)
    assert "two ways" in caught.value.why


def test_what_cannot_be_one_capture_is_refused(pair, tmp_path):
    with pytest.raises(UsageError, match="named twice"):
        read_all([pair[0], pair[0]])
    mesh = tmp_path / "mesh.ply"
    mesh.write_bytes(ply_bytes(np.eye(3), faces=np.array([[0, 1, 2]])))
    with pytest.raises(UsageError, match="mesh"):
        read_all([pair[0], mesh])


@pytest.fixture
def mixed(tmp_path) -> list[Path]:
    """Two scans in the room's frame, the second in millimetres, as its columns say."""
    one, other = (apply(T, seen(T, seed=i)) for i, T in enumerate(EYES.values()))
    (tmp_path / "a.ply").write_bytes(ply_bytes(one))
    lines = "".join(f"{x!r},{y!r},{z!r}\n" for x, y, z in (other * 1000).tolist())
    (tmp_path / "b.csv").write_text("x_mm,y_mm,z_mm\n" + lines)
    return [tmp_path / "a.ply", tmp_path / "b.csv"]


def test_clouds_of_different_units_are_brought_to_the_first(mixed):
    capture = read_all(mixed, Asked(unit=("m", "mm")))
    assert "as they are, in one frame" in capture.facts[1]  # so they fit
    np.testing.assert_array_equal(capture.points[8_000:], read(mixed[1]).points * 0.001)
    assert "b.csv is in mm, says the user (--unit), and was multiplied by 0.001" in capture.facts
    turned = read_all(mixed[::-1], Asked(unit=("mm", "m"), registered=True))
    np.testing.assert_array_equal(turned.points[:8_000], read(mixed[1]).points)
    np.testing.assert_allclose(turned.points[8_000:], read(mixed[0]).points * 1000)


def test_differing_units_are_refused_with_the_command_that_says_them(mixed):
    with pytest.raises(R2SError, match="none stated and mm") as caught:
        read_all(mixed)
    a, b = mixed
    assert f"r2s scan '{a}' '{b}' --unit UNIT,mm " in caught.value.remedy
    assert read_all(mixed, Asked(unit="mm", registered=True)).count == 16_000  # his word for all


def test_as_many_units_as_clouds(pair, tmp_path):
    wrong = Asked(unit=("m", "m", "mm"))
    with pytest.raises(UsageError, match="3 units for 2 clouds") as caught:
        read_all(pair, wrong)
    assert "--unit m,m " in caught.value.remedy
    with pytest.raises(UsageError, match="3 units for one capture"):
        read(pair[0], wrong)
    folder = tmp_path / "clouds"
    folder.mkdir()
    for path in pair:
        shutil.copy(path, folder)
    with pytest.raises(UsageError, match="3 units for 2 clouds"):
        read(folder, wrong)
    config = stage.Config.model_validate({"unit": ["mm", "m"]})
    assert (config.first_unit, config.asked.unit) == ("mm", ("mm", "m"))
    with pytest.raises(ValueError, match="name a unit"):
        stage.Config(unit=())


def test_a_scaled_cloud_is_the_cloud_in_another_unit(tmp_path):
    columns = columns_of(seen(EYES["a"], count=500), "<f8")
    path = tmp_path / "a.pcd"
    path.write_bytes(pcd_bytes(columns, "binary", viewpoint="1 2 3 1 0 0 0"))
    one, other = read(path), read(path).scaled(1000)
    np.testing.assert_array_equal(other.points, one.points * 1000)
    np.testing.assert_array_equal(other.viewpoint, np.array([1000.0, 2000.0, 3000.0]))
    np.testing.assert_array_equal(other.pose, transform(None, [1000.0, 2000.0, 3000.0]))
    np.testing.assert_array_equal(one.pose[:3, 3], [1, 2, 3])


def test_the_remedy_names_every_cloud(tmp_path):
    paths = [tmp_path / "a.ply", tmp_path / "b.ply"]
    for seed, path in enumerate(paths):  # 700 units across: the unit cannot be told
        path.write_bytes(ply_bytes(seen(EYES["a"], seed=seed) * 100))
    context = StageContext(tmp_path, {"capture": paths[0], "capture 002": paths[1]})
    with pytest.raises(R2SError, match="unit") as caught:
        stage.run({}, stage.Config(), context)
    assert f"r2s scan '{paths[0]}' '{paths[1]}' --unit" in caught.value.remedy


def test_clouds_enter_the_key_in_order(pair):
    step = graph.scan(pair, "room", graph.Settings())
    assert step.sources == {"capture": pair[0], "capture 002": pair[1]}
    assert graph.scan(pair[0], "room", graph.Settings()).sources == {"capture": pair[0]}


def test_two_steps_of_a_car(shared_data):
    folder = shared_data / "scans" / "velodyne_pair"
    result = scan(folder)
    assert len(result.viewpoints) == 2
    apart = np.linalg.norm(np.subtract(*result.viewpoints.astype(float)))
    assert apart == pytest.approx(0.512, abs=0.02)  # small_gicp's own result: 0.51 m


@pytest.mark.campaign
def test_a_real_pair_agrees_with_odometry(shared_data):
    """The odometry is that of PCL's NDT tutorial: 0.6931 rad and (1.79387, 0.720047, 0)."""
    folder = shared_data / "scans" / "lidar_room"
    capture = read(folder)
    odometry = transform(rpy_to_matrix([0, 0, 0.6931]), [1.79387, 0.720047, 0])
    assert capture.viewpoints is not None
    assert np.linalg.norm(capture.viewpoints[1] - odometry[:3, 3]) < 0.5
    one, two = read(folder / "room_scan1.pcd").points, capture.points[-112_624:]
    distance = KDTree(one[np.isfinite(one).all(axis=1)]).query(two[np.isfinite(two).all(axis=1)])[0]
    assert np.median(distance) < 0.05


@pytest.mark.campaign
def test_a_real_sequence_goes_one_way(shared_data):
    capture = read(shared_data / "scans" / "kinect_sequence")
    assert capture.viewpoints is not None
    along = capture.viewpoints[:, 0]
    assert (np.diff(along) < 0).all() and along[-1] == pytest.approx(-0.9, abs=0.05)
