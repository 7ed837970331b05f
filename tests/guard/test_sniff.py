"""A file is what its bytes are, whatever its name says."""

from __future__ import annotations

import struct

import pytest

from r2s.guard.sniff import HEAD_BYTES, sniff, sniff_bytes

CASES = {
    "pcd": b"# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n",
    "ply": b"ply\nformat ascii 1.0\n",
    "glb": b"glTF\x02\x00\x00\x00",
    "las": b"LASF" + bytes(100) + b"\x03",
    "laz": b"LASF" + bytes(100) + b"\x83",
    "e57": b"ASTM-E57\x01\x00",
    "bag": b"#ROSBAG V2.0\n",
    "mcap": b"\x89MCAP0\r\n",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff\xe0",
    "gz": b"\x1f\x8b\x08",
    "pcap": b"\xd4\xc3\xb2\xa1\x02\x00",
    "osf": struct.pack("<II", 0x34, 0x14) + b"OSF$",
    "usd": b"#usda 1.0\n",
    "gltf": b'{"asset": {"version": "2.0"}}',
    "json": b'{"a": 1}',
    "robot": b'<?xml version="1.0"?>\n<robot name="x">',
    "obj": b"# Blender\nmtllib a.mtl\no Cube\nv 1.0 2.0 -3.5e-1\n",
    "csv": b"x,y,z\n1.0,2,3\n",
    "xyz": b"1.0 2.0 3.0\n4 5 6\n",
    "unknown": b"hello, this is a letter\n",
}


@pytest.mark.parametrize("kind", CASES)
def test_bytes_decide(kind):
    assert sniff_bytes(CASES[kind], size=len(CASES[kind])) == kind


def test_binary_stl_is_known_by_its_size():
    data = bytes(80) + struct.pack("<I", 2) + bytes(100)
    assert sniff_bytes(data, size=len(data)) == "stl"
    assert sniff_bytes(data, size=len(data) + 1) != "stl"


def test_ascii_stl_is_known_by_its_words():
    assert sniff_bytes(b"solid a\n facet normal 0 0 1\n", size=30) == "stl"


def test_the_name_does_not_count(tmp_path):
    path = tmp_path / "scan.pcd"
    path.write_bytes(CASES["png"])
    assert sniff(path) == "png"


def test_real_captures_are_what_their_names_say(shared_data):
    for path in sorted((shared_data / "scans").rglob("*")):
        suffix = path.suffix.lstrip(".")
        if path.is_file() and suffix in {*CASES, "jpg"}:
            assert sniff(path) == suffix, path
    assert HEAD_BYTES == 4096
