"""The stage on real captures: units, up, viewpoint; and the laws every scan keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import columns_of, pcd_bytes, ply_bytes, room_points, scan

from r2s.artifacts.scan import Scan
from r2s.core.context import StageContext
from r2s.core.errors import Interrupted, R2SError, UsageError
from r2s.core.rigid import apply
from r2s.scan import stage
from r2s.scan.readers import read

TABLETOP = "kinect_tabletop/milk_cartoon_all_small_clorox.pcd"
MUG = "stereo_mug/table_scene_mug_stereo_textured.pcd"
ROOM = "lidar_room/room_scan1.pcd"


def angle_deg(a, b) -> float:
    a, b = np.asarray(a) / np.linalg.norm(a), np.asarray(b) / np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def keeps_its_laws(result: Scan, path) -> None:
    """What must hold for every scan of every file."""
    info, points = result.info, result.points
    assert points.dtype == np.float32 and np.isfinite(points).all()
    assert len(points) == len(result.normals) == len(result.counts) == len(result.viewpoint_of)
    assert len(result.colors) in (0, len(points))
    np.testing.assert_allclose(np.linalg.norm(result.normals, axis=1), 1, atol=1e-5)
    assert result.counts.min() >= 1
    assert result.counts.sum() + sum(info.dropped.values()) == read(path).count
    T = np.asarray(info.T_world_source)
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)
    cells = np.floor(points.astype(np.float64) / info.voxel_m + 0.5)
    order = np.lexsort(cells.T[::-1])
    inner = np.abs(points / info.voxel_m + 0.5 - cells - 0.5).max(axis=1) < 0.499  # not on an edge
    assert (np.diff(order) > 0)[inner[1:] & inner[:-1]].mean() > 0.999
    seen = result.viewpoint_of >= 0
    if seen.any():
        ways = result.viewpoints[result.viewpoint_of[seen]] - points[seen]
        assert (np.einsum("ij,ij->i", ways, result.normals[seen]) >= -1e-4).all()
    encoded = result.encode()
    again = Scan.decode(*encoded)
    assert again.encode() == encoded
    assert again.info == info


@pytest.mark.parametrize(
    ("name", "normal"), [(TABLETOP, (-0.005, 0.821, 0.570)), (MUG, (-0.016, 0.838, 0.546))]
)
def test_a_table_before_a_camera_is_level(shared_data, name, normal):
    path = shared_data / "scans" / name
    result = scan(path)
    keeps_its_laws(result, path)
    info = result.info
    assert angle_deg(np.asarray(info.T_world_source)[2, :3], -np.asarray(normal)) < 0.5
    assert info.up_confidence > 0.7 and info.unit == "m"
    assert 0.002 < info.voxel_m < 0.005
    assert info.viewpoints_source == "file"
    np.testing.assert_allclose(result.viewpoints[0, :2], 0, atol=1e-6)
    assert 0.4 < result.viewpoints[0, 2] < 0.6
    on_table = np.abs(result.points[:, 2]) < 0.015
    assert (result.normals[on_table, 2] > 0.9).mean() > 0.8
    assert 0.05 < np.quantile(result.points[:, 2], 0.9999) < 0.30  # a mug, a milk carton
    assert len(result.colors) and "support" in info.up_evidence


def test_a_lidar_room_has_its_floor_at_zero(shared_data):
    path = shared_data / "scans" / ROOM
    result = scan(path)
    keeps_its_laws(result, path)
    info = result.info
    assert 0.02 <= info.voxel_m <= 0.03 and info.unit == "m"
    assert "floor" in info.up_evidence and info.viewpoints_source == "estimated"
    assert result.viewpoints[0, 2] == pytest.approx(1.27, abs=0.06)
    floor = result.points[np.abs(result.points[:, 2]) < 0.1, 2]
    assert len(floor) > 3000 and abs(float(np.median(floor))) < 0.02
    assert 2.5 < result.points[:, 2].max() < 3.2
    assert 0.001 < info.noise_sigma_m < 0.04


def test_a_phone_mesh_is_turned_upright_and_seen_from_inside(shared_data):
    path = shared_data / "scans/polycam_room/poly.glb"
    result = scan(path, voxel_m=0.05)
    keeps_its_laws(result, path)
    info = result.info
    assert angle_deg(np.asarray(info.T_world_source)[2, :3], [0, 1, 0]) < 1
    assert result.mesh_faces.shape == (27560, 3) and len(result.colors)
    assert 2.3 < info.bounds_m[1][2] < 2.6 and info.up_confidence > 0.9
    assert info.viewpoints_source == "estimated" and len(result.viewpoints) >= 2
    assert (result.viewpoint_of >= 0).mean() > 0.9
    assert ((result.viewpoints[:, 2] > 1) & (result.viewpoints[:, 2] < 2)).all()
    floor = np.abs(result.points[:, 2]) < 0.02
    assert (result.normals[floor, 2] > 0.9).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "unit", "size"),
    [
        ("building_mm/region_growing_tutorial.pcd", "mm", 9.2),
        ("part_scan_mm/scan.ply", "mm", 0.65),
        ("velodyne_pair/source.ply", "m", 73.0),
    ],
)
def test_units_of_real_files(shared_data, name, unit, size):
    path = shared_data / "scans" / name
    result = scan(path)
    keeps_its_laws(result, path)
    assert result.info.unit == unit
    low, high = np.asarray(result.info.bounds_m)
    assert np.linalg.norm(high - low) == pytest.approx(size, rel=0.15)
    assert np.abs([low, high]).max() < 1.1 * size + 1  # moved near the origin


@pytest.mark.campaign
def test_every_readable_capture(shared_data):
    for path in sorted((shared_data / "scans").rglob("*")):
        if path.suffix in (".pcd", ".ply", ".glb"):
            keeps_its_laws(scan(path), path)


def test_the_same_bytes_every_time(shared_data):
    path = shared_data / "scans" / ROOM
    first = scan(path).encode()
    assert scan(path).encode() == first


def test_points_go_where_the_transform_says(tmp_path):
    points = room_points(count=20_000)
    path = tmp_path / "room.ply"
    path.write_bytes(ply_bytes(points * 1000))
    result = scan(path, unit="mm", outlier_strength=0)
    from scipy.spatial import KDTree

    world = apply(np.asarray(result.info.T_world_source), points)
    distance = KDTree(result.points).query(world)[0]
    assert distance.max() < result.info.voxel_m * np.sqrt(3)


def test_outliers_a_kilometre_away_are_counted_and_gone(tmp_path):
    points = room_points(count=20_000)
    points[:40] *= 1000
    points[40:45] = 0
    points[45:60] = np.nan
    path = tmp_path / "room.pcd"
    path.write_bytes(pcd_bytes(columns_of(points), "binary"))
    result = scan(path)
    keeps_its_laws(result, path)
    assert result.info.dropped["non_finite"] == 15
    assert result.info.dropped["origin"] == 5
    assert result.info.dropped["outlier"] >= 40
    assert np.abs(result.points).max() < 6


def test_crop_keeps_a_box(tmp_path):
    path = tmp_path / "room.ply"
    path.write_bytes(ply_bytes(room_points(count=20_000)))
    result = scan(path, crop=(-1, -1, -0.5, 1, 1, 0.5))
    assert np.abs(result.points).max() <= 1
    with pytest.raises(R2SError, match="voxels are left") as caught:
        scan(path, crop=(50, 50, 50, 51, 51, 51))
    assert "crop" in caught.value.why
    with pytest.raises(UsageError, match="too small"):
        scan(path, voxel_m=1e-7)


def test_config_refuses_nonsense():
    for wrong in ({"unit": "mile"}, {"voxel_m": -1}, {"crop": (1, 0, 0, 0, 1, 1)}, {"colour": 1}):
        with pytest.raises(ValueError, match="validation error"):
            stage.Config(**wrong)


def test_progress_is_told_and_a_stop_is_heard(tmp_path):
    path = tmp_path / "room.ply"
    path.write_bytes(ply_bytes(room_points(count=5000)))
    heard = []
    context = StageContext(
        tmp_path, {"capture": path}, progress=lambda label, *a, **k: heard.append(label)
    )
    stage.run({}, stage.Config(), context)
    assert list(dict.fromkeys(heard)) == ["reading", "looking", "voxels", "normals"]
    assert context.facts["seconds"] > 0
    with pytest.raises(Interrupted):
        stage.run(
            {}, stage.Config(), StageContext(tmp_path, {"capture": path}, cancelled=lambda: True)
        )


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_colours_that_are_all_zero_are_left_out_and_told(tmp_path, kind):
    points = room_points(count=5000)
    path = tmp_path / f"room.{kind}"
    black = np.zeros((5000, 3), np.uint8)
    if kind == "ply":
        path.write_bytes(ply_bytes(points, colors=black))
    else:
        rgb = dict.fromkeys("rgb", black[:, 0])
        path.write_bytes(pcd_bytes(columns_of(points) | rgb, "binary"))
    result = scan(path)
    assert len(result.colors) == 0
    assert any("colours are all zero" in warning for warning in result.info.warnings)
