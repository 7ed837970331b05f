"""Folders of depth pictures: the real TUM frames, and every other layout on a rendered box room."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import box_room as room
import lzfse
import numpy as np
import pytest
from scan_files import scan

from r2s.core.errors import R2SError
from r2s.core.rigid import apply, inverse, matrix_to_quat
from r2s.engine import catalog
from r2s.engine.key import source_digests
from r2s.scan.readers import read
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.rgbd import pixels, tum
from r2s.scan.stage import Config, source_files

TUM = "rgbd_tum_fr1_desk"
K = np.array([[room.FX, 0, room.CX], [0, room.FY, room.CY], [0, 0, 1]])


def xyzw(T: np.ndarray) -> np.ndarray:
    return matrix_to_quat(T[:3, :3])[[1, 2, 3, 0]]


def words(*values) -> str:
    return " ".join(f"{float(v):.9f}" for v in values)


def matrix_text(M: np.ndarray) -> str:
    return "\n".join(words(*row) for row in M) + "\n"


def pictures(i: int, T: np.ndarray, depth: Path, color: Path | None, per_m=1000.0) -> None:
    z = room.depth_of(T)
    room.write_depth(depth, z, per_m)
    if color:
        room.write_color(color, room.color_of(z))


def write_tum(root: Path) -> np.ndarray:
    """Poses at other times than the pictures, associations left to the reader."""
    lists: dict[str, list[str]] = {"rgb": [], "depth": [], "groundtruth": []}
    lists["depth"].append("# file: 'rgbd_dataset_of_a_box_room.bag'")
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i}.png", root / f"rgb/{i}.png", 5000)
        lists["depth"].append(f"{100 + i:.3f} depth/{i}.png")
        lists["rgb"].append(f"{100 + i + 0.012:.3f} rgb/{i}.png")
        for at in (-0.01, 0.01):
            lists["groundtruth"].append(f"{100 + i + at:.3f} {words(*T[:3, 3], *xyzw(T))}")
    for name, found in lists.items():
        (root / f"{name}.txt").write_text("\n".join(found) + "\n")
    return np.eye(4)


def write_redwood(root: Path) -> np.ndarray:
    text = ""
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i:05d}.png", root / f"color/{i:05d}.png")
        text += f"{i} {i} {i + 1}\n{matrix_text(T)}"
    (root / "trajectory.log").write_text(text)
    intrinsic = {"width": 64, "height": 48, "intrinsic_matrix": K.T.ravel().tolist()}
    (root / "intrinsic.json").write_text(json.dumps(intrinsic))
    return np.eye(4)


def write_open3d(root: Path) -> np.ndarray:
    parameters = []
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i}.png", root / f"color/{i}.jpg")
        intrinsic = {"width": 64, "height": 48, "intrinsic_matrix": K.T.ravel().tolist()}
        parameters.append({"extrinsic": inverse(T).T.ravel().tolist(), "intrinsic": intrinsic})
    (root / "trajectory.json").write_text(json.dumps({"parameters": parameters}))
    return np.eye(4)


def write_scannet(root: Path) -> np.ndarray:
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i}.png", root / f"color/{i}.jpg")
        (root / "pose").mkdir(exist_ok=True)
        (root / f"pose/{i}.txt").write_text(matrix_text(T if i != 3 else np.full((4, 4), -np.inf)))
    (root / "intrinsic").mkdir()
    K4 = np.eye(4)
    K4[:3, :3] = K
    (root / "intrinsic/intrinsic_depth.txt").write_text(matrix_text(K4))
    return np.eye(4)


def write_7scenes(root: Path) -> np.ndarray:
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"frame-{i:06d}.depth.png", root / f"frame-{i:06d}.color.png")
        (root / f"frame-{i:06d}.pose.txt").write_text(matrix_text(T))
    (root / "camera-intrinsics.txt").write_text(matrix_text(K))
    return np.eye(4)


def write_nerfstudio(root: Path) -> np.ndarray:
    frames = []
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i}.png", root / f"images/{i}.png")
        frames.append({
            "file_path": f"images/{i}.png", "depth_file_path": f"depth/{i}.png",
            "transform_matrix": (T @ room.OPENGL).tolist(),
        })  # fmt: skip
    camera = {"fl_x": room.FX, "fl_y": room.FY, "cx": room.CX + 0.5, "cy": room.CY + 0.5}
    size = {"w": 64, "h": 48, "camera_model": "OPENCV", "frames": frames}
    (root / "transforms.json").write_text(json.dumps(camera | size))
    return np.eye(4)


def twice(intrinsics: np.ndarray) -> tuple[float, ...]:
    """Intrinsics of the same view in a picture twice as wide and high."""
    fx, fy, cx, cy = intrinsics
    return 2 * fx, 2 * fy, 2 * (cx + 0.5) - 0.5, 2 * (cy + 0.5) - 0.5


def write_polycam(root: Path) -> np.ndarray:
    fx, fy, cx, cy = twice(np.array([room.FX, room.FY, room.CX, room.CY]))
    for i, T in enumerate(room.poses()):
        keyframes = root / "keyframes"
        pictures(i, T, keyframes / f"depth/{i}.png", keyframes / f"corrected_images/{i}.png")
        sure = np.full(room.SHAPE, 255, np.uint8)
        sure[:5] = 0
        room.write_color(keyframes / f"confidence/{i}.png", sure)
        A = room.ROOM_TO_ARKIT @ T @ room.OPENGL
        camera = {f"t_{r}{c}": A[r, c] for r in range(3) for c in range(4)}
        camera |= {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": 128, "height": 96}
        (keyframes / "corrected_cameras").mkdir(exist_ok=True)
        (keyframes / f"corrected_cameras/{i}.json").write_text(json.dumps(camera))
    return room.ROOM_TO_ARKIT


def write_stray(root: Path) -> np.ndarray:
    """The depth camera of 64 x 48 pixels beside a video of 1920 x 1440, thirty times as fine."""
    fx, fy, cx, cy = 30 * room.FX, 30 * room.FY, 30 * (room.CX + 0.5) - 0.5, 30 * room.CY + 14.5
    (root / "camera_matrix.csv").write_text(f"{fx},0,{cx}\n0,{fy},{cy}\n0,0,1\n")
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for i, T in enumerate(room.poses()):
        pictures(i, T, root / f"depth/{i:06d}.png", None)
        A = room.ROOM_TO_ARKIT @ T
        rows.append(f"{i / 60}, {i:06d}, " + words(*A[:3, 3], *xyzw(A)).replace(" ", ", "))
    (root / "odometry.csv").write_text("\n".join(rows) + "\n")
    (root / "rgb.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42 a video nobody decodes")
    return room.ROOM_TO_ARKIT


def write_record3d(root: Path) -> np.ndarray:
    """The world of the first camera, OpenGL axes; colours twice as fine; null where there is no pose."""
    T_world_room = inverse(room.poses()[0] @ room.OPENGL)
    fx, fy, cx, cy = twice(np.array([room.FX, room.FY, room.CX, room.CY]))
    poses: list[list] = []
    for i, T in enumerate(room.poses()):
        z = room.depth_of(T)
        sure = np.full(room.SHAPE, 2, np.uint8)
        sure[:5], z[20, 20:24] = 1, np.nan
        picture = np.repeat(np.repeat(room.color_of(np.nan_to_num(z)), 2, axis=0), 2, axis=1)
        room.write_color(root / f"rgbd/{i}.jpg", picture)
        (root / f"rgbd/{i}.depth").write_bytes(lzfse.compress(z.astype("<f4").tobytes()))
        (root / f"rgbd/{i}.conf").write_bytes(lzfse.compress(sure.tobytes()))
        C = T_world_room @ T @ room.OPENGL
        poses.append([*xyzw(C), *C[:3, 3]])
    top = {
        "w": 128, "h": 96, "dw": 64, "dh": 48, "fps": 60, "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1],
        "poses": [*poses, [None] * 7], "initPose": [0, 0, 0, 1, 0, 0, 0],
    }  # fmt: skip
    (root / "metadata").write_text(json.dumps(top))
    return T_world_room


LAYOUTS: dict[str, Callable[[Path], np.ndarray]] = {
    "tum": write_tum, "redwood": write_redwood, "open3d": write_open3d, "scannet": write_scannet,
    "7scenes": write_7scenes, "nerfstudio": write_nerfstudio, "polycam": write_polycam,
    "stray": write_stray, "record3d": write_record3d,
}  # fmt: skip
TOLD = Asked(intrinsics=(room.FX, room.FY, room.CX, room.CY))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_points_lie_on_the_walls_of_a_rendered_room(tmp_path, layout):
    T_source_room = LAYOUTS[layout](tmp_path)
    capture = read(tmp_path, TOLD if layout == "tum" else Asked())
    rows = capture.rows(slice(0, capture.count))
    good = np.isfinite(rows.points).all(axis=1)
    assert 0.7 < good.mean() < 0.999
    points = apply(inverse(T_source_room), rows.points[good])
    assert room.off_surface(points).max() < 0.003  # a millimetre of depth along a slanted ray
    assert np.ptp(points, axis=0) == pytest.approx(room.ROOM, abs=0.01)
    assert capture.viewpoints is not None and rows.views is not None
    eyes = apply(inverse(T_source_room), capture.viewpoints)
    wanted = np.array([T[:3, 3] for T in room.poses()])
    wanted = np.delete(wanted, 3, axis=0) if layout == "scannet" else wanted
    np.testing.assert_allclose(eyes, wanted, atol=1e-6)
    if layout == "stray":
        assert any("videos are not decoded" in fact for fact in capture.facts)
        return
    # Red falls with depth: a colour of another pixel or frame would not fit.
    assert rows.colors is not None
    poses = [T for i, T in enumerate(room.poses()) if layout != "scannet" or i != 3]
    for i, T in enumerate(poses):
        mine = rows.views[good] == i
        z = apply(inverse(T), points[mine])[:, 2]
        off = np.abs(rows.colors[good][mine, 0] - np.clip(255 - 50 * z, 0, 255))
        assert np.median(off) < 3 and (off < 40).mean() > 0.98


@pytest.mark.parametrize("layout", ["redwood", "polycam", "nerfstudio"])
def test_a_scanned_room_stands_on_its_floor_and_knows_who_saw_what(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    result = scan(tmp_path, voxel_m=0.05)
    low, high = np.asarray(result.info.bounds_m)
    assert low[2] == pytest.approx(0, abs=0.02)
    assert high[2] == pytest.approx(2.4, abs=0.03)
    assert sorted(high[:2] - low[:2]) == pytest.approx([3, 4], abs=0.03)
    assert result.info.unit == "m" and result.info.viewpoints_source == "file"
    assert len(result.viewpoints) == 8 and result.viewpoint_of.min() >= 0
    np.testing.assert_allclose(result.viewpoints[:, 2], 1.5, atol=0.03)
    ways = result.viewpoints[result.viewpoint_of] - result.points
    assert (np.einsum("ij,ij->i", ways, result.normals) >= -1e-4).all()
    away = np.linalg.norm(result.viewpoints[None] - result.points[:, None], axis=2)
    mine = away[np.arange(len(away)), result.viewpoint_of]
    assert np.median(mine) < np.median(away)  # the nearest that saw it, not any
    assert result.counts.sum() + sum(result.info.dropped.values()) == read(tmp_path).count


def test_every_slice_of_a_folder_is_the_same_rows(tmp_path):
    LAYOUTS["redwood"](tmp_path)
    capture = read(tmp_path)
    whole = capture.points
    for part in (
        slice(0, 5),
        slice(3000, 3100),
        slice(100, 20_000, 777),
        slice(0, capture.count, 13),
    ):
        np.testing.assert_array_equal(capture.rows(part).points, whole[part])
    blocks = [rows.points for rows in capture.blocks(5000)]
    assert all(len(block) % (48 * 64) == 0 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_the_real_tum_frames(shared_data):
    folder = shared_data / "scans" / TUM
    capture = read(folder)
    assert len(capture.viewpoints) == 9
    assert any("9 of the 573 frames" in fact and "564" in fact for fact in capture.facts)
    assert any("freiburg1" in fact and "convention" in fact for fact in capture.facts)
    points, views, ends = [], [], []
    for rows in capture.blocks():
        good = np.isfinite(rows.points).all(axis=1)
        points.append(rows.points[good])
        views.append(rows.views[good])
        ends.append(len(rows.points))
    points, views = np.concatenate(points), np.concatenate(views)
    assert sum(ends) == capture.count == 9 * 640 * 480
    # 2,270,938 points within 4 m, less the pixels at edges
    assert 0.97 < len(points) / 2_270_938 < 1.0
    np.testing.assert_allclose(points.min(axis=0), (-0.87, 0.92, 0.00), atol=0.02)
    np.testing.assert_allclose(points.max(axis=0), (1.72, 2.52, 1.25), atol=0.02)
    from scipy.spatial import KDTree

    first, last = points[views == 0][::20], points[views == 1]
    assert np.median(KDTree(last).query(first)[0]) < 0.004


def test_the_real_tum_scan_keeps_the_frame_of_the_motion_capture(shared_data):
    result = scan(shared_data / "scans" / TUM, voxel_m=0.02)
    T = np.asarray(result.info.T_world_source)
    np.testing.assert_allclose(T[:3, :3], np.eye(3), atol=1e-12)
    assert result.info.up_axis == "+z" and "lean" in result.info.up_evidence
    (missing,) = result.info.warnings  # the rest is as it should be
    assert "564" in missing and any("freiburg1" in note for note in result.info.notes)
    assert len(result.viewpoints) == 9 and set(result.viewpoint_of) == set(range(9))
    np.testing.assert_allclose(np.ptp(result.viewpoints, axis=0), (0.07, 0.08, 0.04), atol=0.04)


def test_the_user_overrides_the_convention(shared_data):
    folder = shared_data / "scans" / TUM
    capture = read(folder, Asked(intrinsics=(525, 525, 319.5, 239.5), depth_max_m=1.0))
    assert any("given by the user" in fact for fact in capture.facts)
    rows = capture.rows(slice(0, 640 * 480))
    good = np.isfinite(rows.points).all(axis=1)
    assert np.linalg.norm(rows.points[good] - capture.viewpoints[0], axis=1).max() < 1.3
    with pytest.raises(R2SError, match="intrinsics") as caught:
        read(folder, Asked(intrinsics=(0, 525, 1, 1)))
    assert "--intrinsics" in caught.value.remedy


def test_poses_are_interpolated_within_the_bound_only():
    stamps = np.array([0.0, 0.05, 1.0])
    turned = np.array([0, 0, np.sin(0.2), np.cos(0.2)])
    poses = np.array([[0, 0, 0, 0, 0, 0, 1], [1, 0, 0, *-turned], [9, 9, 9, 0, 0, 0, 1.0]])
    T, between = tum.pose_at(0.025, stamps, poses)
    assert between and T is not None
    np.testing.assert_allclose(T[:3, 3], (0.5, 0, 0))
    np.testing.assert_allclose(T[:2, 0], (np.cos(0.2), np.sin(0.2)), atol=1e-12)  # half of 0.4 rad
    assert tum.pose_at(0.5, stamps, poses) == (None, False)
    T, between = tum.pose_at(0.065, stamps, poses)
    assert not between and T is not None and T[0, 3] == 1
    assert tum.pose_at(-0.03, stamps, poses)[0] is None


def test_flying_pixels_go_and_slanted_floors_stay():
    z = np.full((20, 40), 1.0)
    z[:, 20:] = 2.0
    z[:, 20] = 1.5  # what a lens makes of an edge
    found = pixels.grazing(z, 50.0)
    assert found[:, 19:22].all() and not found[:, :19].any() and not found[:, 22:].any()
    rows = np.arange(4, 40)[:, None] + np.zeros(10)
    floor = 50.0 * 1.5 / rows  # seen from 1.5 m, at up to 85 degrees from its normal
    assert not pixels.grazing(floor[floor[:, 0] < 15], 50.0).any()


def test_a_folder_capture_is_exactly_the_files_it_uses(shared_data, tmp_path):
    folder = shared_data / "scans" / TUM
    names = {p.relative_to(folder).as_posix() for p in source_files("capture", folder, Config())}
    assert {"associate.txt", "groundtruth.txt", "depth.txt"} <= names
    assert len(names) == 3 + 18 and "rgb.txt" not in names
    write_redwood(tmp_path)
    key = source_digests(catalog.STAGES["scan"], "capture", tmp_path, Config())
    assert len(key) == 18 and "depth/00000.png" in key
    (tmp_path / "notes.txt").write_text("not of the capture")
    assert source_digests(catalog.STAGES["scan"], "capture", tmp_path, Config()) == key
    moved = tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert source_digests(catalog.STAGES["scan"], "capture", moved, Config()) == key
    room.write_depth(moved / "depth/00000.png", np.ones(room.SHAPE))
    assert source_digests(catalog.STAGES["scan"], "capture", moved, Config()) != key


def test_an_unknown_folder_is_refused_before_it_is_hashed(tmp_path, monkeypatch):
    (tmp_path / "film.bin").write_bytes(b"x" * 100)
    from r2s.engine import key

    def never(path):
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr(key, "digest_file", never)
    with pytest.raises(R2SError, match="no layout r2s knows") as caught:
        source_digests(catalog.STAGES["scan"], "capture", tmp_path, Config())
    assert caught.value.code == "R2S-FILE-002" and "Polycam" in caught.value.why


def test_a_depth_picture_needs_its_camera(shared_data):
    path = shared_data / "scans/iphone_depth_frame/arkit_depth.png"
    for target in (path, path.parent):
        with pytest.raises(R2SError, match="intrinsics") as caught:
            read(target)
        assert "arkit_depth.png' --intrinsics" in caught.value.remedy
    capture = read(path, Asked(intrinsics=(213, 213, 127.5, 95.5)))
    assert capture.organized == (192, 256)
    z = capture.points[:, 2]
    assert np.nanmin(z) == pytest.approx(1.566, abs=0.01)
    assert np.nanmax(z) == pytest.approx(3.512, abs=0.01)
    with pytest.raises(R2SError, match=r"JPEG"):
        read(path.with_name("image.jpg"))


def test_a_pgm_is_the_same_depth(tmp_path):
    z = room.depth_of(room.poses()[0])
    png = room.write_depth(tmp_path / "a.png", z)
    stored = np.rint(z * 1000).astype(">u2")
    pgm = tmp_path / "a.pgm"
    pgm.write_bytes(b"P5\n# made\n64 48\n10000\n" + stored.tobytes())
    np.testing.assert_array_equal(read(pgm, TOLD).points, read(png, TOLD).points)
    pgm.write_bytes(pgm.read_bytes()[:-2])
    with pytest.raises(R2SError, match="damaged"):
        read(pgm, TOLD)


def hurt(root: Path, case: str) -> None:
    """Damage a Redwood folder in one way."""
    first = root / "depth/00000.png"
    match case:
        case "cut picture":
            first.write_bytes(first.read_bytes()[:-900])
        case "empty picture":
            first.write_bytes(b"")
        case "8-bit depth":
            room.write_color(first, np.zeros(room.SHAPE, np.uint8))
        case "huge header":
            data = bytearray(first.read_bytes())
            data[16:24] = b"\x00\x0f\xff\xff" * 2
            first.write_bytes(data)
        case "another thing":
            first.write_bytes(b"GIF89a and so on")
        case "cut trajectory":
            path = root / "trajectory.log"
            path.write_text(path.read_text()[:-60])
        case "words for numbers":
            (root / "trajectory.log").write_text("0 0 1\n" + "a b c d\n" * 4)
        case "nan poses":
            (root / "trajectory.log").write_text("0 0 1\n" + "nan nan nan nan\n" * 4)
        case "sheared poses":
            (root / "trajectory.log").write_text("0 0 1\n" + matrix_text(np.triu(np.ones((4, 4)))))
        case "empty trajectory":
            (root / "trajectory.log").write_text("")
        case "binary trajectory":
            (root / "trajectory.log").write_bytes(bytes(range(256)))
        case "no pictures":
            for path in (root / "depth").iterdir():
                path.unlink()
        case "intrinsic is a list":
            (root / "intrinsic.json").write_text("[1, 2]")
        case "intrinsic of nothing":
            (root / "intrinsic.json").write_text(
                '{"width": 0, "height": 48, "intrinsic_matrix": []}'
            )
        case "deep json":
            (root / "intrinsic.json").write_text("[" * 200_000)
        case "all far":
            for path in (root / "depth").iterdir():
                room.write_depth(path, np.full(room.SHAPE, 60.0))


@pytest.mark.parametrize("case", [
    "cut picture", "empty picture", "8-bit depth", "huge header", "another thing", "cut trajectory",
    "words for numbers", "nan poses", "sheared poses", "empty trajectory", "binary trajectory", "no pictures",
    "intrinsic is a list", "intrinsic of nothing", "deep json", "all far",
])  # fmt: skip
def test_a_damaged_folder_is_an_error_that_names_the_file(tmp_path, case):
    write_redwood(tmp_path)
    hurt(tmp_path, case)
    with pytest.raises(R2SError) as caught:
        scan(tmp_path, voxel_m=0.1)
    error = caught.value
    assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-")), error
    assert error.where.startswith(str(tmp_path)) and error.why and error.remedy


@pytest.mark.parametrize(("names", "said"), [
    (["EXR_RGBD/", "metadata.json"], "Record3D"),
    (["seq-01/", "seq-02/"], "seq-01"),
    (["depth/", "color/"], "without camera poses"),
    (["rgb.txt", "depth.txt"], "without camera poses"),
])  # fmt: skip
def test_folders_that_are_not_read_are_refused_by_name(tmp_path, names, said):
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text("x")
    with pytest.raises(R2SError) as caught:
        read(tmp_path)
    assert said in str(caught.value)


def test_a_manifest_cannot_reach_outside_its_folder(tmp_path):
    root = tmp_path / "capture"
    write_nerfstudio(root)
    secret = room.write_depth(tmp_path / "outside.png", np.ones(room.SHAPE))
    top = json.loads((root / "transforms.json").read_text())
    for i, frame in enumerate(top["frames"]):
        frame["depth_file_path"] = str(secret) if i % 2 else "../outside.png"
    (root / "transforms.json").write_text(json.dumps(top))
    with pytest.raises(R2SError, match="no frame"):
        read(root)


def test_a_wrong_depth_scale_is_told(tmp_path):
    write_redwood(tmp_path)
    for i, T in enumerate(room.poses()):
        room.write_depth(tmp_path / f"depth/{i:05d}.png", room.depth_of(T), 10_000)
    with pytest.raises(R2SError, match="per metre") as caught:
        read(tmp_path)
    assert caught.value.code == "R2S-SCAN-028" and "--depth-per-m" in caught.value.remedy
    rows = read(tmp_path, Asked(depth_per_m=10_000)).rows(slice(0, 3072))
    good = np.isfinite(rows.points).all(axis=1)
    assert room.off_surface(rows.points[good]).max() < 0.003


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_manifests_are_read_or_refused(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    rng = np.random.default_rng(11)
    manifests = sorted(
        p
        for p in tmp_path.rglob("*")
        if p.suffix in (".txt", ".log", ".json", ".csv", "") and p.is_file()
    )
    for i in range(24):
        path = manifests[i % len(manifests)]
        whole = path.read_bytes()
        data = bytearray(whole[: rng.integers(1, len(whole))] if i % 3 == 0 else whole)
        for at in rng.integers(0, len(data), 1 + i % 5):
            data[at] = rng.choice(list(b"9-.,e:[]{} \nx\x00\xff"))
        path.write_bytes(data)
        try:
            capture = read(tmp_path, TOLD)
            assert len(capture.rows(slice(0, 3072)).points) == 3072
        except R2SError as error:
            assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-")), error
            assert error.what and error.where and error.why and error.remedy
        path.write_bytes(whole)
