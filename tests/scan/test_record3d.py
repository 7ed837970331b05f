"""Record3D's recordings, files and folders: a rendered room, packed by an independent encoder (Apple's)."""

from __future__ import annotations

import json
import struct
import time
import zipfile
from pathlib import Path

import box_room as room
import lzfse
import numpy as np
import pytest
from scan_files import scan
from test_rgbd_folders import write_record3d

from r2s.core.errors import R2SError
from r2s.core.rigid import apply, inverse
from r2s.guard import archive
from r2s.guard.sniff import sniff
from r2s.scan.readers import read
from r2s.scan.readers.rgbd.packed import depth_of, trusted, unpacked_bytes


def pack(folder: Path, path: Path, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as package:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            package.write(file, file.relative_to(folder).as_posix())
    return path


def change(root: Path, **entries) -> None:
    top = json.loads((root / "metadata").read_text())
    top.update(entries)
    gone = [name for name, value in top.items() if value is None]
    (root / "metadata").write_text(json.dumps({k: v for k, v in top.items() if k not in gone}))


@pytest.mark.parametrize("name", ["kitchen.r3d", "kitchen.zip"])
def test_the_file_and_the_folder_are_the_same_capture(tmp_path, name):
    T_world_room = write_record3d(tmp_path / "folder")
    path = pack(tmp_path / "folder", tmp_path / name, zipfile.ZIP_DEFLATED)
    assert sniff(path) == "r3d"
    one, other = read(path), read(tmp_path / "folder")
    a, b = one.rows(slice(0, one.count)), other.rows(slice(0, other.count))
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.colors, b.colors)
    assert one.facts == other.facts and "8 of the 9 frames" in one.facts[0]
    good = np.isfinite(a.points).all(axis=1)
    assert room.off_surface(apply(inverse(T_world_room), a.points[good])).max() < 1e-5


def test_a_scanned_recording_stands_on_its_floor_although_its_first_camera_looked_down(tmp_path):
    write_record3d(tmp_path / "folder")
    result = scan(pack(tmp_path / "folder", tmp_path / "kitchen.r3d"), voxel_m=0.05)
    low, high = np.asarray(result.info.bounds_m)
    assert (low[2], high[2]) == pytest.approx((0, 2.4), abs=0.03)
    assert result.info.source_format == "record3d" and result.info.unit == "m"
    assert result.info.floor_tilt_deg == pytest.approx(0, abs=0.05)


def test_only_what_the_sensor_was_sure_of_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 3, room.SHAPE).astype(np.uint8)
    path = tmp_path / "0.conf"
    path.write_bytes(lzfse.compress(confidence.tobytes()))
    np.testing.assert_array_equal(trusted(path, room.SHAPE), confidence == 2)
    path.write_bytes(lzfse.compress(np.minimum(confidence, 1).tobytes()))
    np.testing.assert_array_equal(trusted(path, room.SHAPE), confidence >= 1)


@pytest.mark.parametrize("kind", ["constant", "noise", "ramp", "tiny", "large"])
def test_every_kind_of_block_is_measured_before_it_is_decoded(tmp_path, kind):
    rng = np.random.default_rng(1)
    values = {
        "constant": np.ones((192, 256)),
        "noise": rng.random((192, 256)),
        "ramp": np.linspace(0, 4, 192 * 256).reshape(192, 256),
        "tiny": rng.random((2, 3)),
        "large": rng.integers(0, 99, (480, 640)) / 100,
    }[kind].astype("<f4")
    data = lzfse.compress(values.tobytes())
    path = tmp_path / "0.depth"
    path.write_bytes(data)
    assert unpacked_bytes(path, data) == values.nbytes
    np.testing.assert_array_equal(depth_of(path, values.shape), values)


def test_each_frame_has_its_own_camera_where_the_app_says_it(tmp_path):
    write_record3d(tmp_path)
    top = json.loads((tmp_path / "metadata").read_text())
    fx, fy, cx, cy = top["K"][0], top["K"][4], top["K"][6], top["K"][7]
    change(
        tmp_path,
        perFrameIntrinsicCoeffs=[[fx, fy, cx, cy]] * 9,
        K=[1e3, 0, 0, 0, 1e3, 0, 60, 40, 1],
    )
    T_room_world = room.poses()[0] @ room.OPENGL
    points = read(tmp_path).points
    assert (
        room.off_surface(apply(T_room_world, points[np.isfinite(points).all(axis=1)])).max() < 1e-5
    )


def test_older_recordings_do_not_say_the_size_of_their_depth(tmp_path):
    (tmp_path / "rgbd").mkdir()
    z = np.ones((256, 192), "<f4")
    (tmp_path / "rgbd/0.depth").write_bytes(lzfse.compress(z.tobytes()))
    top = {
        "w": 720,
        "h": 960,
        "K": [700, 0, 0, 0, 700, 0, 360, 480, 1],
        "poses": [[0, 0, 0, 1, 0, 0, 0]],
    }
    (tmp_path / "metadata").write_text(json.dumps(top))
    points = read(tmp_path).points.reshape(256, 192, 3)
    assert points[0, 0, 0] == pytest.approx(
        (0.5 * 192 / 720 - 0.5 - 359.5 * 192 / 720) / (700 * 192 / 720), abs=0.01
    )
    assert (
        points[0, :, 1] > points[-1, :, 1]
    ).all()  # the first row is the upper one: OpenGL's y is up
    assert points[..., 2] == pytest.approx(-1)


def spoil(root: Path, case: str) -> None:
    depth = root / "rgbd/0.depth"
    match case:
        case "K of zeros":
            change(root, K=[0] * 9)
        case "K of words":
            change(root, K=["a"] * 9)
        case "K too short":
            change(root, K=[1, 2, 3])
        case "no K":
            change(root, K=None)
        case "poses of NaN":
            change(root, poses=[[float("nan")] * 7] * 8)
        case "huge poses":
            change(root, poses=[[0, 0, 0, 1, 1e300, 0, 0]] * 8)
        case "poses of huge integers":
            change(root, poses=[[10**400] * 7] * 8)
        case "ragged poses":
            change(root, poses=[[1, 2], [3]])
        case "no poses":
            change(root, poses=[])
        case "no pictures":
            for file in (root / "rgbd").iterdir():
                file.unlink()
        case "size of nothing":
            change(root, w=0)
        case "huge size":
            change(root, dw=10**9, dh=10**9)
        case "another size":
            change(root, dw=63)
        case "no JSON":
            (root / "metadata").write_bytes(b"\x00\x01")
        case "a list":
            (root / "metadata").write_text("[]")
        case "cut depth":
            depth.write_bytes(depth.read_bytes()[:-900])
        case "no LZFSE":
            depth.write_bytes(b"dear phone, where is it")
        case "LZFSE that lies of its size":
            depth.write_bytes(b"bvxn" + struct.pack("<II", 2**32 - 1, 8) + bytes(8) + b"bvx$")
        case "LZFSE bomb":  # eight bytes that repeat for ever
            depth.write_bytes(
                b"bvxn"
                + struct.pack("<II", 64 * 48 * 4, 8)
                + b"\xe1a\xf0\xff\xf0\xff\xf0\xff"
                + b"bvx$"
            )
        case "damaged LZFSE":
            data = bytearray(depth.read_bytes())
            data[60:] = bytes(b ^ 0x5A for b in data[60:-4]) + data[-4:]
            depth.write_bytes(data)
        case "damaged JPEG":
            (root / "rgbd/0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        case "all far":
            for file in (root / "rgbd").glob("*.depth"):
                file.write_bytes(lzfse.compress(np.full(room.SHAPE, 60, "<f4").tobytes()))


CASES = [
    "K of zeros", "K of words", "K too short", "no K", "poses of NaN", "huge poses", "poses of huge integers",
    "ragged poses", "no poses", "no pictures", "size of nothing", "huge size", "another size", "no JSON",
    "a list", "cut depth", "no LZFSE", "LZFSE that lies of its size", "LZFSE bomb", "damaged LZFSE",
    "damaged JPEG", "all far",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_recording_is_an_error_that_names_the_file(tmp_path, case):
    write_record3d(tmp_path / "folder")
    spoil(tmp_path / "folder", case)
    path = pack(tmp_path / "folder", tmp_path / "kitchen.r3d")
    for target in (path, tmp_path / "folder"):
        with pytest.raises(R2SError) as caught:
            scan(target, voxel_m=0.1)
        error = caught.value
        assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-")), error
        assert error.where.startswith(str(target)) and error.why and error.remedy


def test_absent_confidence_and_pictures_are_told_and_missed(tmp_path):
    write_record3d(tmp_path)
    for i in range(8):
        (tmp_path / f"rgbd/{i}.conf").unlink()
    (tmp_path / "rgbd/3.depth").unlink()
    capture = read(tmp_path)
    assert capture.count == 7 * 48 * 64 and len(capture.viewpoints) == 7
    assert any("7 of the 9 frames" in f for f in capture.facts)
    assert any("nothing of their confidence" in f for f in capture.facts)


def test_hostile_archives_are_refused_fast(tmp_path):
    write_record3d(tmp_path / "folder")
    whole = pack(tmp_path / "folder", tmp_path / "a.r3d").read_bytes()
    bomb = tmp_path / "bomb.r3d"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr("rgbd/0.depth", b"")
        package.writestr("metadata", bytes(80 << 20))
    encrypted = bytearray(whole)
    for at in (i for i in range(len(whole)) if whole[i : i + 4] == b"PK\x01\x02"):
        encrypted[at + 8] |= 1
    many = bytearray(whole)
    end = whole.rindex(b"PK\x05\x06")
    many[end + 12 : end + 16] = struct.pack("<I", 2**31)
    cases = {
        "cut": whole[: len(whole) // 2],
        "encrypted": bytes(encrypted),
        "long list": bytes(many),
    }
    for name, data in cases.items():
        (tmp_path / f"{name}.r3d").write_bytes(data)
    for name in (*cases, "bomb"):
        started = time.monotonic()
        with pytest.raises(R2SError) as caught:
            read(tmp_path / f"{name}.r3d")
        assert time.monotonic() - started < 5
        assert caught.value.code in ("R2S-FILE-005", "R2S-FILE-007"), name
        assert f"{name}.r3d" in caught.value.where


def test_an_archive_that_changes_is_read_anew(tmp_path):
    path = tmp_path / "a.zip"
    for names in (["a"], ["a", "b"]):
        with zipfile.ZipFile(path, "w") as package:
            for name in names:
                package.writestr(name, "x" * len(names))
        assert archive.names(path) == set(names)
        assert archive.content(path / "a", 10) == b"x" * len(names)
    with pytest.raises(R2SError, match="damaged") as caught:
        archive.content(path / "c", 10)
    assert "no file c" in caught.value.why
    assert archive.archive_of(tmp_path / "other" / "a") is None
