"""E57: every scan at its pose, invalid points out, checksums and lies told before libe57 runs."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from scan_files import room_points, scan

pytest.importorskip("pye57")
from cloud_files import write_e57

from r2s.core.errors import R2SError
from r2s.core.rigid import matrix_to_quat, rpy_to_matrix
from r2s.scan.readers import read
from r2s.scan.readers.e57 import cartesian
from r2s.scan.readers.e57_header import page_checksums, read_header

SITE = np.array([515368.0, 4918340.0, 2300.0])
YAW = rpy_to_matrix([0, 0, 0.7])


def box_seen_from(eye, count: int, seed: int) -> np.ndarray:
    """Points of the room of `room_points`, seen from `eye`, in the room's frame."""
    rng = np.random.default_rng(seed)
    rays = rng.normal(size=(count, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    low, high = np.array([-2.2, -1.9, -1.1]) - eye, np.array([2.8, 2.1, 1.5]) - eye
    reach = np.where(rays > 0, high / rays, low / rays).min(axis=1)
    return eye + rays * (reach + rng.normal(0, 0.002, count))[:, None]


def test_pages_have_the_checksum_of_the_standard():
    data = np.frombuffer(b"123456789", np.uint8)[None]
    assert page_checksums(data).tolist() == [0xE3069283]  # CRC-32C's check value


def test_the_real_scanner(shared_data):
    path = shared_data / "scans/tls_pump_e57/pumpAVisualReferenceImage.e57"
    capture = read(path)
    assert capture.count == 155_201 and capture.has_colors and capture.declared_unit == "m"
    np.testing.assert_allclose(np.ptp(capture.points, axis=0), [4.63, 4.51, 3.74], atol=0.01)
    np.testing.assert_allclose(capture.points.min(axis=0), [-2.904, -5.301, -1.900], atol=0.001)
    import pye57

    theirs = pye57.E57(str(path)).read_scan(0, colors=True)
    np.testing.assert_array_equal(capture.points[:, 0], theirs["cartesianX"])
    rows = capture.rows(slice(0, None, 1000))
    np.testing.assert_array_equal(rows.colors[:, 1], theirs["colorGreen"][::1000])
    result = scan(path, voxel_m=0.04)
    assert result.info.viewpoints_source == "file" and len(result.viewpoints) == 1
    assert result.viewpoints[0, 2] == pytest.approx(1.85, abs=0.05)
    small = scan(shared_data / "scans/tls_pump_e57/tinyCartesianFloatRgb.e57")
    assert small.info.raw_points == 2090 and "+z up" in small.info.up_evidence


def test_two_scans_are_one_place_and_each_point_knows_its_scanner(tmp_path):
    eyes = np.array([[-1.5, -1.0, 0.2], [2.0, 1.2, 0.4]])
    turns = [np.eye(3), YAW]
    seen = [box_seen_from(eye, 15_000, i) for i, eye in enumerate(eyes)]
    path = tmp_path / "two.e57"
    write_e57(path, [
        {"points": (points - eye) @ turn, "translation": eye + SITE, "rotation": matrix_to_quat(turn)}
        for points, eye, turn in zip(seen, eyes, turns, strict=True)
    ])  # fmt: skip
    capture = read(path)
    np.testing.assert_allclose(capture.points, np.concatenate(seen) + SITE, atol=2e-6)
    np.testing.assert_array_equal(capture.viewpoints, eyes + SITE)
    assert capture.rows(slice(14_000, 16_000, 100)).views.tolist() == [0] * 10 + [1] * 10
    result = scan(path)
    info, T = result.info, np.asarray(result.info.T_world_source)
    assert info.viewpoints_source == "file" and "2 sensor positions" in info.viewpoint_evidence
    back = (result.viewpoints - T[:3, 3]) @ T[:3, :3]
    np.testing.assert_allclose(back, eyes + SITE, atol=1e-3)
    assert set(result.viewpoint_of.tolist()) == {0, 1}
    ways = result.viewpoints[result.viewpoint_of] - result.points
    assert (np.einsum("ij,ij->i", ways, result.normals) >= -1e-4).all()
    assert scan(path).encode() == result.encode()


def test_a_pose_that_is_no_scanner_is_told(tmp_path):
    points = np.concatenate([room_points(count=9000), room_points(count=9000) * 0.4])
    path = tmp_path / "shifted.e57"
    write_e57(path, [{"points": points, "translation": SITE}] * 2)
    capture = read(path)
    assert capture.viewpoints is None
    assert "not where the sensor stood" in capture.facts[0]


def test_invalid_points_are_holes(tmp_path):
    points = room_points(count=9000)
    invalid = np.arange(9000) % 3
    path = tmp_path / "a.e57"
    write_e57(path, [{"points": points, "invalid": invalid}])
    found = read(path).points
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), invalid > 0)
    np.testing.assert_allclose(found[::3], points[::3], atol=1e-6)
    assert scan(path).info.dropped["non_finite"] == 6000


def test_spherical_coordinates():
    points = np.random.default_rng(0).normal(size=(50, 3))
    reach = np.linalg.norm(points, axis=1)
    rae = np.stack(
        [reach, np.arctan2(points[:, 1], points[:, 0]), np.arcsin(points[:, 2] / reach)], axis=1
    )
    np.testing.assert_allclose(cartesian(rae), points, atol=1e-12)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("e57") / "good.e57"
    write_e57(path, [{"points": room_points(count=3000), "translation": [1.0, 2.0, 3.0]}])
    return path.read_bytes()


def sealed(data: bytes) -> bytes:
    """Return the file with the checksums its pages should have, so that only its lie is wrong."""
    pages = np.frombuffer(data, np.uint8).reshape(-1, 1024).copy()
    pages[:, 1020:] = page_checksums(pages[:, :1020]).astype(">u4")[:, None].view(np.uint8)
    return pages.tobytes()


def refused(folder, data: bytes) -> R2SError:
    path = folder / "lie.e57"
    path.write_bytes(data)
    with pytest.raises(R2SError) as caught:
        read(path)
    assert caught.value.why and caught.value.remedy and "lie.e57" in caught.value.where
    return caught.value


def test_sealing_an_honest_file_changes_nothing(good):
    assert sealed(good) == good


XML_LIES = {
    "more points": (b'recordCount="3000"', b'recordCount="9000"', "R2S-SCAN-004"),
    "odd count": (b'recordCount="3000"', b'recordCount="-300"', "R2S-SCAN-003"),
    "far away": (b'fileOffset="48"', b'fileOffset="9999999"', "R2S-SCAN-004"),
    "no coordinates": (b"cartesianX", b"cartesianQ", "R2S-SCAN-003"),
    "broken": (b"</data3D>", b"</data4D>", "R2S-SCAN-003"),
    "entities": (b"<e57Root", b"<!DOCTYPE a><e57Root", "R2S-SCAN-003"),
}


@pytest.mark.parametrize("lie", XML_LIES)
def test_a_lying_tree_is_caught(tmp_path, good, lie):
    old, new, code = XML_LIES[lie]
    at = struct.unpack_from("<Q", good, 24)[0]
    length = struct.unpack_from("<Q", good, 32)[0]
    pages = np.frombuffer(good, np.uint8).reshape(-1, 1024)
    logical = pages[:, :1020].tobytes()
    start = at // 1024 * 1020 + at % 1024
    xml = logical[start : start + length]
    assert old in xml
    body = logical[:start] + xml.replace(old, new)
    body += bytes(-len(body) % 1020)
    count = len(body) // 1020
    data = bytearray(b"".join(body[i * 1020 : (i + 1) * 1020] + bytes(4) for i in range(count)))
    struct.pack_into("<QQQ", data, 16, len(data), at, len(xml.replace(old, new)))
    assert refused(tmp_path, sealed(bytes(data))).code == code


def test_damage_is_caught_by_its_page(tmp_path, good):
    damaged = bytearray(good)
    damaged[2000] ^= 1
    error = refused(tmp_path, bytes(damaged))
    assert error.code == "R2S-SCAN-004" and "checksum" in error.why and "1,024" in error.why


HEADERS = {
    "cut": (lambda d: d[:-1024], "R2S-SCAN-004"),
    "cut inside a page": (lambda d: d[:-100], "R2S-SCAN-004"),
    "only a magic": (lambda d: d[:20], "R2S-SCAN-004"),
    "big pages": (lambda d: d[:40] + struct.pack("<Q", 1 << 40) + d[48:], "R2S-SCAN-003"),
    "huge tree": (lambda d: d[:32] + struct.pack("<Q", 1 << 60) + d[40:], "R2S-SCAN-003"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_lying_header_is_caught(tmp_path, good, case):
    change, code = HEADERS[case]
    assert refused(tmp_path, change(good)).code == code


def test_scans_without_points_are_none(tmp_path, good):
    path = tmp_path / "a.e57"
    path.write_bytes(good)
    (entry,) = read_header(path, len(good))
    assert (entry.count, entry.is_single, entry.has_pose) == (3000, True, True)
    np.testing.assert_array_equal(entry.T_file_scan[:3, 3], [1, 2, 3])
