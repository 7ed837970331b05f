"""Up: recovered from a camera at any pitch, invariant to how the file is turned."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import columns_of, depth_image, pcd_bytes, ply_bytes, room_points, scan

from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import rpy_to_matrix
from r2s.scan.gravity import AXES, find_up, parse_up
from r2s.scan.planes import Plane


def degrees(a, b) -> float:
    return float(
        np.degrees(np.arccos(np.clip(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))
    )


@pytest.mark.parametrize(("pitch", "roll"), [(15.0, 0.0), (35.0, 0.0), (55.0, 5.0), (20.0, -10.0)])
def test_a_cameras_pitch_and_roll_are_found(tmp_path, pitch, roll):
    points, up = depth_image(pitch=np.radians(pitch), roll=np.radians(roll))
    path = tmp_path / "frame.pcd"
    path.write_bytes(pcd_bytes(columns_of(points), "binary", height=120))
    info = scan(path).info
    found = np.asarray(info.T_world_source)[2, :3]
    assert degrees(found, up) < 0.6
    assert info.up_confidence > 0.5
    assert "160x120 depth image" in info.up_evidence


def test_the_floor_is_at_zero_and_the_camera_above_it(tmp_path):
    points, _ = depth_image(pitch=np.radians(30))
    path = tmp_path / "frame.pcd"
    path.write_bytes(pcd_bytes(columns_of(points), "binary", height=120))
    result = scan(path)
    np.testing.assert_allclose(result.viewpoints[0], [0, 0, 1.4], atol=0.03)
    assert "floor" in result.info.up_evidence
    floor = result.points[np.abs(result.points[:, 2]) < 0.05]
    assert len(floor) > 0.2 * len(result.points)
    assert abs(float(np.median(floor[:, 2]))) < 0.01
    # x is the direction of sight, so the wall at x = 3 is there
    wall = result.points[(result.points[:, 2] > 0.6) & (result.points[:, 1] < 1.4)]
    assert abs(float(np.median(wall[:, 0])) - 3.0) < 0.03


def test_a_wall_alone_gives_the_pitch_and_little_confidence(tmp_path):
    points, up = depth_image(pitch=np.radians(-10))  # no floor in sight
    path = tmp_path / "frame.pcd"
    path.write_bytes(pcd_bytes(columns_of(points), "binary", height=120))
    info = scan(path).info
    assert degrees(np.asarray(info.T_world_source)[2, :3], up) < 0.6
    assert info.up_confidence < 0.5
    assert "with little evidence" in info.warnings[0]


@pytest.mark.parametrize("tilt", [0.0, 2.0, 8.0])
def test_a_tilted_lidar_is_levelled(tmp_path, tilt):
    R = rpy_to_matrix([np.radians(tilt), 0, 0])
    path = tmp_path / "room.ply"
    path.write_bytes(ply_bytes(room_points() @ R.T))
    info = scan(path).info
    assert degrees(np.asarray(info.T_world_source)[2, :3], R @ [0, 0, 1]) < 0.2
    assert f"they lean {tilt:.1f} deg" in info.up_evidence


def test_the_users_word_is_taken_exactly(tmp_path):
    path = tmp_path / "room.ply"
    turned = room_points()[:, [0, 2, 1]] * [1, 1, -1]  # +y is up
    path.write_bytes(ply_bytes(turned))
    result = scan(path, up="+y")
    np.testing.assert_array_equal(np.asarray(result.info.T_world_source)[2, :3], [0, 1, 0])
    assert result.info.up_axis == "+y" and result.info.up_confidence == 1.0
    assert abs(float(result.points[:, 2].max()) - 2.6) < 0.05


@pytest.mark.parametrize("text", ["+z", "z", "0,0,1", "(0, 0, 2)", "0 0 1"])
def test_ways_to_say_up(text):
    np.testing.assert_array_equal(parse_up(text), [0, 0, 1])


@pytest.mark.parametrize("text", ["up", "0,0,0", "1,2", "nan,0,1", "", "+w"])
def test_wrong_words_for_up_are_told(text):
    with pytest.raises(UsageError, match="up cannot be"):
        parse_up(text)


def test_a_cloud_that_lies_on_its_side_is_warned_about(tmp_path):
    path = tmp_path / "phone.ply"
    turned = (room_points() * [1, 1.6, 1] + [30, 0, 0])[:, [0, 2, 1]] * [1, 1, -1]  # +y is up
    path.write_bytes(ply_bytes(turned))
    info = scan(path).info
    assert "lower along y than along z" in info.up_evidence
    assert info.up_confidence < 0.5 and "--up" in info.warnings[0]


@pytest.mark.parametrize(("axis", "order"), [("+y", [0, 2, 1]), ("+z", [0, 1, 2])])
def test_a_mesh_of_a_room_finds_its_own_axis(tmp_path, axis, order):
    import trimesh

    room = trimesh.creation.box(extents=(6.0, 5.0, 2.5))
    vertices = np.asarray(room.vertices)[:, order] * ([1, 1, -1] if axis == "+y" else [1, 1, 1])
    path = tmp_path / "room.obj"
    trimesh.Trimesh(vertices, room.faces[:, ::-1], process=False).export(path)
    info = scan(path, voxel_m=0.05).info
    np.testing.assert_allclose(np.asarray(info.T_world_source)[2, :3], parse_up(axis), atol=1e-6)
    assert info.up_confidence <= 0.6


def test_a_cube_asks_which_way_is_up(tmp_path):
    import trimesh

    path = tmp_path / "cube.obj"
    trimesh.creation.box(extents=(4.0, 3.0, 3.0)).export(path)
    with pytest.raises(R2SError, match=r"up cannot be told: \+z and \+y are as likely") as asked:
        scan(path, voxel_m=0.05)
    assert asked.value.code == "R2S-SCAN-047" and "--up +y" in asked.value.remedy
    assert scan(path, voxel_m=0.05, up="+z").info.up_axis == "+z"


@pytest.mark.parametrize(("floor_share", "floor_is_level"), [(0.12, True), (0.03, False)])
def test_a_floor_says_up_before_a_larger_ceiling_unless_little_of_it_is_seen(
    floor_share, floor_is_level
):
    hung = rpy_to_matrix([np.radians(1.0), 0, 0]) @ [0, 0, -1.0]
    far = np.array([4e5, 5e6, 0.0])  # heights are those of the planes, wherever the origin is
    ceiling = Plane(hung, np.add(far, [0, 0, 2.5]), np.arange(5), 0.2, 0.0)
    floor = Plane(np.array([0, 0, 1.0]), far, np.arange(5), floor_share, 0.0)
    found = find_up(
        [ceiling, floor],
        given=None,
        declared="",
        declared_by="",
        camera=None,
        extent=np.full(3, 4.0),
    )
    assert degrees(found.direction, AXES["+z"]) == pytest.approx(
        0 if floor_is_level else 1, abs=1e-6
    )
