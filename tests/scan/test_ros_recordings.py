"""ROS recordings: the real bag, and small rosbag2 and MCAP recordings of a rendered room."""

from __future__ import annotations

from pathlib import Path

import box_room as room
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore
from scan_files import scan

from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import apply, inverse, matrix_to_quat, rpy_to_matrix, transform
from r2s.scan.readers import read
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.ros import cloud, tf
from r2s.scan.stage import Config, source_files

WATERCAN = "rosbag1_watercan/watercan.bag"
ROS2 = get_typestore(Stores.ROS2_HUMBLE)
TYPES = ROS2.types
SECOND = 1_000_000_000
MOUNT = transform(rpy_to_matrix([np.pi, 0.1, 0.4]), (0.1, 0.0, 0.3))  # T_base_lidar, upside down


def stamp(t_ns: int):
    return TYPES["builtin_interfaces/msg/Time"](sec=t_ns // SECOND, nanosec=t_ns % SECOND)


def header(t_ns: int, frame: str):
    return TYPES["std_msgs/msg/Header"](stamp=stamp(t_ns), frame_id=frame)


def cloud_message(
    points: np.ndarray, frame: str, t_ns: int, *, big: bool = False, code: str = "f4", pad: int = 0,
    height: int = 1, colors: np.ndarray | None = None,
):  # fmt: skip
    """Return a PointCloud2 with gaps before, between and behind its fields, and behind its rows."""
    order = ">" if big else "<"
    datatype = {"f4": 7, "f8": 8}[code]
    size = int(code[1])
    names = ["x", "y", "z", *(["rgb"] if colors is not None else [])]
    offsets = [2 + i * (size + 1) for i in range(3)] + [2 + 3 * (size + 1)]
    step = offsets[3] + 4 + 3
    record = np.dtype({
        "names": names, "formats": [order + code] * 3 + [order + "f4"] * (len(names) - 3),
        "offsets": offsets[: len(names)], "itemsize": step,
    })  # fmt: skip
    table = np.zeros(len(points), record)
    for i, axis in enumerate("xyz"):
        table[axis] = points[:, i]
    if colors is not None:
        bits = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        table["rgb"] = bits.astype(np.uint32).view(np.float32)
    width = len(points) // height
    rows = np.frombuffer(table.tobytes(), np.uint8).reshape(height, width * step)
    data = np.concatenate([rows, np.full((height, pad), 7, np.uint8)], axis=1).ravel()
    field = TYPES["sensor_msgs/msg/PointField"]
    fields = [
        field(name=n, offset=o, datatype=7 if n == "rgb" else datatype, count=1)
        for n, o in zip(names, offsets, strict=False)
    ]
    return TYPES["sensor_msgs/msg/PointCloud2"](
        header=header(t_ns, frame), height=height, width=width, fields=fields, is_bigendian=big,
        point_step=step, row_step=width * step + pad, data=data, is_dense=True,
    )  # fmt: skip


def tf_message(T: np.ndarray, parent: str, child: str, t_ns: int):
    w, x, y, z = matrix_to_quat(T[:3, :3])
    moved = TYPES["geometry_msgs/msg/Transform"](
        translation=TYPES["geometry_msgs/msg/Vector3"](*(float(v) for v in T[:3, 3])),
        rotation=TYPES["geometry_msgs/msg/Quaternion"](
            x=float(x), y=float(y), z=float(z), w=float(w)
        ),
    )
    one = TYPES["geometry_msgs/msg/TransformStamped"](
        header=header(t_ns, parent), child_frame_id=child, transform=moved
    )
    return TYPES["tf2_msgs/msg/TFMessage"](transforms=[one])


def pose(t_s: float) -> np.ndarray:
    """Return T_room_base: a robot that drives and turns."""
    return transform(rpy_to_matrix([0, 0, 0.3 * t_s]), (1.2 + 0.2 * t_s, 1.0 + 0.1 * t_s, 0.3))


def lidar_points(T_room_lidar: np.ndarray, count: int = 4000, seed: int = 0) -> np.ndarray:
    """Return the room's walls as a LiDAR sees them, in its own frame."""
    rays = np.random.default_rng(seed).normal(size=(count, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    ahead = rays @ T_room_lidar[:3, :3].T
    with np.errstate(divide="ignore"):
        reach = np.where(
            ahead > 0, (room.ROOM - T_room_lidar[:3, 3]) / ahead, -T_room_lidar[:3, 3] / ahead
        )
    return rays * reach.min(axis=1, keepdims=True)


def drive(
    path: Path, plugin: StoragePlugin = StoragePlugin.SQLITE3, *, clouds: int = 4, moving: bool = True,
    static: bool = True, topics: tuple[str, ...] = ("/points",), root: str = "odom",
) -> Path:  # fmt: skip
    """Write a rosbag2 of a robot in the room: tf at 10 Hz, clouds in between."""
    with Writer2(path, version=9, storage_plugin=plugin) as writer:

        def sender(topic: str, kind: str):
            connection = writer.add_connection(topic, kind, typestore=ROS2)
            return lambda t, m: writer.write(connection, t, ROS2.serialize_cdr(m, kind))

        send_tf = sender("/tf", "tf2_msgs/msg/TFMessage")
        send_static = sender("/tf_static", "tf2_msgs/msg/TFMessage")
        if static:
            send_static(SECOND, tf_message(MOUNT, "base_link", "lidar", SECOND))
        for k in range(10 * clouds + 1 if moving else 0):
            t = SECOND + k * SECOND // 10
            send_tf(t, tf_message(pose(k / 10), root, "base_link", t))
        for topic in topics:
            send = sender(topic, "sensor_msgs/msg/PointCloud2")
            for k in range(clouds):
                t = SECOND + k * SECOND + SECOND // 4  # between two transforms
                points = lidar_points(pose(k + 0.25) @ MOUNT, seed=k)
                grey = np.full((len(points), 3), 10 * k + 5, np.uint8)
                send(t + 1000, cloud_message(points, "lidar", t, big=k % 2 == 1, pad=5 * k, height=4,
                                             code="f8" if k == 2 else "f4", colors=grey))  # fmt: skip
    return path


@pytest.mark.parametrize("plugin", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_clouds_of_a_moving_lidar_are_put_together(tmp_path, plugin):
    path = drive(tmp_path / "drive", plugin)
    capture = read(path)
    rows = capture.rows(slice(0, capture.count))
    assert capture.count == 4 * 4000
    walls = np.minimum(np.abs(rows.points), np.abs(rows.points - room.ROOM)).min(axis=1)
    assert walls.max() < 0.002  # interpolation between two transforms 0.1 s apart
    wanted = [(pose(k + 0.25) @ MOUNT)[:3, 3] for k in range(4)]
    np.testing.assert_allclose(capture.viewpoints, wanted, atol=1e-3)
    np.testing.assert_array_equal(rows.colors[:, 0], 10 * rows.views + 5)
    assert any("frame 'odom'" in fact for fact in capture.facts)
    assert any("topic /points" in fact for fact in capture.facts)
    assert any("4 clouds are merged" in fact for fact in capture.facts)
    data = next(p for p in path.iterdir() if p.suffix != ".yaml")
    assert source_files("capture", path, Config()) == [path / "metadata.yaml", data]
    bare = read(data)
    np.testing.assert_array_equal(bare.points, rows.points)
    data.rename(tmp_path / "named.otherwise")
    np.testing.assert_array_equal(read(tmp_path / "named.otherwise").points, rows.points)


def test_a_drive_becomes_a_room_with_its_viewpoints(tmp_path):
    result = scan(drive(tmp_path / "drive"), voxel_m=0.05)
    low, high = np.asarray(result.info.bounds_m)
    np.testing.assert_allclose(high - low, room.ROOM, atol=0.02)
    assert low[2] == pytest.approx(0, abs=0.01)
    assert result.info.unit == "m" and "REP 103" in result.info.unit_evidence
    assert result.info.viewpoints_source == "file" and len(result.viewpoints) == 4
    ways = result.viewpoints[result.viewpoint_of] - result.points
    assert (np.einsum("ij,ij->i", ways, result.normals) >= -1e-4).all()


def test_slices_and_blocks_of_a_recording_are_the_same_rows(tmp_path):
    capture = read(drive(tmp_path / "drive"))
    whole = capture.points
    for part in (slice(0, 10), slice(3990, 4010), slice(5, 16_000, 999), slice(12_000, 16_000)):
        np.testing.assert_array_equal(capture.rows(part).points, whole[part])
    blocks = [rows.points for rows in capture.blocks(9000)]
    assert [len(block) for block in blocks] == [8000, 8000]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_several_clouds_without_motion_are_refused_by_name(tmp_path):
    for i, settings in enumerate(({"moving": False}, {"moving": False, "static": False})):
        path = drive(tmp_path / f"still{i}", **settings)
        with pytest.raises(R2SError, match="4 clouds of /points") as caught:
            read(path)
        assert caught.value.code == "R2S-SCAN-038" and "--message 0" in caught.value.remedy
        alone = read(path, Asked(message=1))
        assert alone.count == 4000 and any("1 of 4 clouds" in fact for fact in alone.facts)
        assert read(path, Asked(frame="lidar")).count == 16_000  # the user's word


def test_a_topic_is_asked_for_where_there_are_two(tmp_path):
    path = drive(tmp_path / "two", topics=("/points", "/more"))
    with pytest.raises(R2SError, match="2 topics") as caught:
        read(path)
    assert "/points (4)" in caught.value.why and "--topic" in caught.value.remedy
    assert any("topic /more: given" in fact for fact in read(path, Asked(topic="/more")).facts)
    for wrong in (
        Asked(topic="/tf"),
        Asked(topic="/points", frame="mars"),
        Asked(topic="/points", message=9),
    ):
        with pytest.raises((UsageError, R2SError)):
            read(path, wrong)


def test_clouds_outside_the_time_of_tf_are_skipped_and_counted(tmp_path):
    path = tmp_path / "late"
    with Writer2(path, version=9) as writer:
        tfs = writer.add_connection("/tf", "tf2_msgs/msg/TFMessage", typestore=ROS2)
        points = writer.add_connection("/points", "sensor_msgs/msg/PointCloud2", typestore=ROS2)
        for k in range(5):
            t = SECOND + k * SECOND // 10
            message = tf_message(pose(k / 10), "map", "lidar", t)
            writer.write(tfs, t, ROS2.serialize_cdr(message, tfs.msgtype))
        for t in (SECOND + SECOND // 4, 9 * SECOND):
            message = cloud_message(lidar_points(pose(0.25)), "lidar", t)
            writer.write(points, t, ROS2.serialize_cdr(message, points.msgtype))
    capture = read(path)
    assert capture.count == 4000
    assert any("1 of 2 clouds have no transform" in fact for fact in capture.facts)
    with pytest.raises(R2SError, match="no transform") as caught:
        read(path, Asked(message=1))
    assert "1.400 s" in caught.value.why and "9.000 s" in caught.value.why


def test_the_real_bag(shared_data):
    capture = read(shared_data / "scans" / WATERCAN)
    points = capture.points
    assert points.shape == (13_966, 3) and capture.has_colors
    np.testing.assert_allclose(points.min(axis=0), (0.682, 0.003, 0.748), atol=6e-4)
    np.testing.assert_allclose(points.max(axis=0), (0.881, 0.340, 0.934), atol=6e-4)
    assert any("'ground'" in fact for fact in capture.facts)
    result = scan(shared_data / "scans" / WATERCAN)
    assert result.info.unit == "m" and result.info.up_axis == "+z"
    assert result.info.raw_points == 13_966 and len(result.colors) == len(result.points)


def test_ros1_and_ros2_give_the_same_points(tmp_path):
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    points = lidar_points(pose(0))
    with Writer1(tmp_path / "one.bag") as writer:
        connection = writer.add_connection("/points", "sensor_msgs/msg/PointCloud2", typestore=ros1)
        message = cloud_message(points, "/map", SECOND)
        kind = ros1.types["std_msgs/msg/Header"]
        message.header = kind(seq=0, stamp=message.header.stamp, frame_id="/map")
        raw = ros1.serialize_ros1(message, "sensor_msgs/msg/PointCloud2")
        writer.write(connection, SECOND, raw)
    capture = read(tmp_path / "one.bag")
    np.testing.assert_array_equal(capture.points, points.astype(np.float32).astype(float))
    assert capture.in_place and capture.declared_up == "+z"


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("code", ["f4", "f8"])
def test_a_cloud_decodes_to_what_was_encoded(big, code):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(60, 3))
    colors = rng.integers(0, 256, (60, 3)).astype(np.uint8)
    message = cloud_message(points, "f", 1, big=big, code=code, pad=11, height=6, colors=colors)
    found, found_colors = cloud.points_of(message)
    np.testing.assert_array_equal(found, points.astype(code).astype(float))
    np.testing.assert_array_equal(found_colors, colors)


@pytest.mark.parametrize("change", [
    {"width": 1 << 31}, {"point_step": 0}, {"row_step": 3}, {"height": 7}, {"fields": []},
    {"data": np.zeros(5, np.uint8)}, {"point_step": 1 << 20},
])  # fmt: skip
def test_a_cloud_that_lies_is_refused(change):
    message = cloud_message(np.ones((60, 3)), "f", 1, height=6)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(cloud.CloudError):
        cloud.points_of(message)


def test_a_tree_of_frames_composes_both_ways():
    poses = {name: transform(rpy_to_matrix(rpy), xyz) for name, rpy, xyz in (
        ("b", (0.1, 0.2, 0.3), (1, 2, 3)), ("c", (0.3, -0.2, 1.3), (-1, 0, 3)), ("d", (1, 0, 0), (0, 0, 9)),
    )}  # fmt: skip
    seven = {
        n: np.array([*T[:3, 3], *matrix_to_quat(T[:3, :3])[[1, 2, 3, 0]]]) for n, T in poses.items()
    }
    tree = tf.tree_of(
        ["a", "b", "a", "x"], ["b", "c", "d", "b"], np.arange(4), np.full(4, SECOND),
        np.array([seven["b"], seven["c"], seven["d"], seven["d"]]), np.ones(4, bool),
    )  # fmt: skip
    T_d_c = tree.lookup("d", "c", 5)
    np.testing.assert_allclose(T_d_c, inverse(poses["d"]) @ poses["b"] @ poses["c"], atol=1e-12)
    np.testing.assert_allclose(tree.lookup("c", "d", 5) @ T_d_c, np.eye(4), atol=1e-12)
    assert tree.lookup("a", "nobody", 5) is None
    loop = tf.tree_of(["a", "b"], ["b", "a"], np.arange(2), np.full(2, 1),
                      np.array([seven["b"], seven["c"]]), np.ones(2, bool))  # fmt: skip
    assert loop.chain("a") == ["a", "b"]
    assert apply(T_d_c, np.zeros((1, 3))).shape == (1, 3)


@pytest.mark.parametrize("carrier", ["bag", "mcap", "db3"])
def test_damaged_recordings_are_errors(tmp_path, shared_data, carrier):
    if carrier == "bag":
        whole = (shared_data / "scans" / WATERCAN).read_bytes()
    else:
        plugin = StoragePlugin.MCAP if carrier == "mcap" else StoragePlugin.SQLITE3
        folder = drive(tmp_path / "drive", plugin, clouds=1)
        whole = next(p for p in folder.iterdir() if p.suffix == f".{carrier}").read_bytes()
    rng = np.random.default_rng(5)
    errors = 0
    for i in range(16):
        data = bytearray(whole[: rng.integers(14, len(whole))] if i % 2 else whole)
        for at in rng.integers(14, len(data), 400 if i % 4 == 0 else 4):
            data[at] = rng.integers(256)
        path = tmp_path / f"hurt.{carrier}"
        path.write_bytes(data)
        try:
            capture = read(path, Asked(message=0))
            assert len(capture.points) == capture.count
        except R2SError as error:
            errors += 1
            assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-")), error
            assert error.what and error.why and error.remedy
    assert errors >= 4


def test_a_damaged_folder_is_an_error(tmp_path):
    path = drive(tmp_path / "drive", clouds=1)
    manifest = path / "metadata.yaml"
    good = manifest.read_text()
    cases = {
        "no manifest of a rosbag2": "a: [1, 2",
        "no such file": good.replace("drive.db3", "gone.db3"),
        "binary": "\x00\x01",
        "compressed as a whole": good.replace(
            "compression_mode: ''", "compression_mode: file"
        ).replace('compression_mode: ""', "compression_mode: FILE"),
    }
    for said, content in cases.items():
        manifest.write_text(content)
        with pytest.raises(R2SError) as caught:
            read(path)
        assert said in str(caught.value), str(caught.value)
        with pytest.raises(R2SError):
            source_files("capture", path, Config())
