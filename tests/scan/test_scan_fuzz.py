"""Damaged captures of every reader: an error of the family or a scan that keeps its laws; nothing else.

A sample runs with every test. The whole campaign, over 2,000 inputs: `nox -s campaign -- tests/scan` or
`pytest -m campaign tests/scan/test_scan_fuzz.py`; with another seed: R2S_FUZZ_SEED=7.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import multiprocessing
import os
import struct
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec

import lzfse
import numpy as np
import pytest
import trimesh
from cloud_files import UTM, geokeys, las_bytes, ptx_text, vlr, write_e57, write_laz
from PIL import Image
from scan_files import columns_of, pcd_bytes, ply_bytes, room_points, scan
from usd_files import picture_bytes, textured_usda, usdz_bytes

from r2s.core.errors import R2SError
from r2s.core.memory import peak_bytes

POINTS = room_points(count=1500)
COLORS = np.full((1500, 3), 90, np.uint8)


def seeds(folder) -> list[tuple[str, bytes]]:
    box = trimesh.creation.box(extents=(2.0, 0.03, 0.03))  # little area, so few samples
    meshes = []
    for suffix in ("glb", "obj", "stl"):
        box.export(folder / f"box.{suffix}")
        meshes.append((suffix, (folder / f"box.{suffix}").read_bytes()))
    clouds = [
        ("pcd", pcd_bytes(columns_of(POINTS), encoding, height=30))
        for encoding in ("ascii", "binary", "binary_compressed")
    ]
    clouds += [
        ("ply", ply_bytes(POINTS, encoding=encoding, colors=COLORS))
        for encoding in ("ascii", "binary_little_endian", "binary_big_endian")
    ]
    return clouds + meshes + surveys(folder) + pictures() + containers()


def pictures() -> list[tuple[str, bytes]]:
    """Return a depth picture [mm] of a wall and a floor, as PNG and PGM."""
    row = np.arange(60)[:, None]
    depth = np.where(row < 30, 2500, 45_000 / np.maximum(row - 12, 1)) + np.zeros((60, 80))
    stored = depth.astype(np.uint16)
    png = io.BytesIO()
    Image.fromarray(stored).save(png, "png")
    return [
        ("png", png.getvalue()),
        ("pgm", b"P5\n80 60\n65535\n" + stored.astype(">u2").tobytes()),
    ]


def containers() -> list[tuple[str, bytes]]:
    """Return carriers: a PCAP of no known maker, an OSF header, a USDZ package, a Record3D recording.

    Whole, the first three are read only where their optional library is here, and the made-up ones never.
    """
    packet = struct.pack("<IIII", 0, 0, 60, 60) + bytes(60)
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + packet * 50
    depth = np.frombuffer(pictures()[1][1][-9600:], ">u2").astype("<f4") / 1000
    metadata = {
        "w": 80, "h": 60, "dw": 80, "dh": 60, "K": [60.0, 0, 0, 0, 60.0, 0, 40.0, 30.0, 1],
        "poses": [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0.05, 0, 0]],
    }  # fmt: skip
    rgbd = {f"rgbd/{i}.depth": lzfse.compress(depth.tobytes()) for i in range(2)}
    record3d = usdz_bytes({"metadata": json.dumps(metadata), **rgbd})
    usdz = usdz_bytes({"scene.usda": textured_usda(), "tex/a.png": picture_bytes(times=4)})
    osf = struct.pack("<II4s4xQQQQQ", 52, 20, b"OSF$", 0, 0, 0, 0, 300) + bytes(300 - 56)
    return [("pcap", pcap), ("osf", osf), ("usdz", usdz), ("r3d", record3d)]


def surveys(folder) -> list[tuple[str, bytes]]:
    text = "".join(f"{x:.4f},{y:.4f},{z:.4f},90,90,91\n" for x, y, z in POINTS)
    pts = f"{len(POINTS)}\n" + "".join(f"{x:.4f} {y:.4f} {z:.4f} 7\n" for x, y, z in POINTS)
    found = [
        ("csv", b"x,y,z,r,g,b\n" + text.encode()),
        ("pts", pts.encode()),
        ("ptx", "".join(ptx_text(half, rows=30) for half in np.split(POINTS, 2)).encode()),
        ("csv.gz", gzip.compress(b"x,y,z,r,g,b\n" + text.encode(), mtime=0)),
        ("las", las_bytes(POINTS + UTM, records=vlr(34735, geokeys(k1024=1, k3072=32611)), record_count=1)),
    ]  # fmt: skip
    write_laz(folder / "seed.laz", POINTS + UTM)
    found.append(("laz", (folder / "seed.laz").read_bytes()))
    if find_spec("pye57"):
        write_e57(folder / "seed.e57", [{"points": POINTS, "translation": UTM}])
        found.append(("e57", (folder / "seed.e57").read_bytes()))
    return found


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one of eleven damages; most hit the header, where the decisions are."""
    head = min(len(data), 420)
    work = bytearray(data)
    match rng.integers(11):
        case 0:  # cut
            return data[: rng.integers(0, len(data))]
        case 1:  # flip bytes of the header
            for at in rng.integers(0, head, 3):
                work[at] ^= 1 << rng.integers(8)
        case 2:  # flip bytes anywhere
            for at in rng.integers(0, len(data), 20):
                work[at] = rng.integers(256)
        case 3:  # a digit becomes another
            digits = [i for i in range(head) if 48 <= work[i] < 58]
            for at in rng.choice(digits, 2) if digits else []:
                work[at] = 48 + rng.integers(10)
        case 4:  # a piece twice
            a, b = sorted(rng.integers(0, len(data), 2))
            return data[:b] + data[a:b] + data[b:]
        case 5:  # a piece missing
            a, b = sorted(rng.integers(0, len(data), 2))
            return data[:a] + data[b:]
        case 6:  # two blocks swapped
            size = max(1, min(len(data) // 4, 512))
            a, b = rng.integers(0, len(data) - size, 2)
            work[a : a + size], work[b : b + size] = data[b : b + size], data[a : a + size]
        case 7:  # a huge count: a number of the header, binary or text
            digits = [i for i in range(head) if 48 <= work[i] < 58]
            if data[:1].isalpha() and digits and rng.integers(2):
                at = int(rng.choice(digits))
                return data[:at] + b"9" * int(rng.integers(1, 20)) + data[at:]
            at = int(rng.integers(0, head - 8))
            huge = int(rng.choice([0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 10**9, 10**12]))
            work[at : at + 8] = huge.to_bytes(8, "little" if rng.integers(2) else "big")
        case 8:  # NaN and infinities where numbers are
            for at in rng.integers(0, max(1, len(data) - 8), 12):
                value = float(rng.choice([np.nan, np.inf, -np.inf, 1e300, -1e38, 5e-324]))
                work[at : at + 8] = struct.pack(rng.choice(["<d", ">d"]), value)
        case 9:  # a piece of zeros
            a, b = sorted(rng.integers(0, len(data), 2))
            work[a:b] = bytes(b - a)
        case _:  # a block of ones: NaN, huge numbers, -1
            a = int(rng.integers(0, len(data)))
            work[a : a + 64] = b"\xff" * len(work[a : a + 64])
    return bytes(work)


def check(path, data: bytes) -> str:
    """Return `error` or `scan`; anything else is a failure."""
    path.write_bytes(data)
    started = time.monotonic()
    try:
        result = scan(path, unit="m", voxel_m=0.02, intrinsics=(60.0, 60.0, 40.0, 30.0))
    except R2SError as error:
        assert time.monotonic() - started < MOST_SECONDS, error
        assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-", "R2S-CHILD-")), error
        assert error.what and error.where and error.why and error.remedy, error
        assert path.name in error.where, error
        return "error"
    assert time.monotonic() - started < MOST_SECONDS, path.name
    assert np.isfinite(result.points).all() and len(result.points) >= 50
    # A file of n bytes does not hold more points than that; a mesh or a packed cloud gives more.
    assert result.info.raw_points <= max(1_000_000, len(data))
    assert np.isfinite(result.normals).all()
    assert np.ptp(result.points, axis=0).max() < 10_000
    assert (result.mesh_faces < max(1, len(result.mesh_vertices))).all()
    return "scan"


# One damaged file of some kilobytes, on a busy machine; a first native reader starts within it too.
MOST_SECONDS = 60.0
MOST_BYTES = 2 << 30


def run(folder, count: int, seed: int) -> dict[str, int]:
    """Read `count` damaged files in a process of its own, whose memory is then theirs alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as own:
        seen, peak = own.submit(campaign, folder, count, seed).result()
    assert peak < MOST_BYTES
    return seen


def campaign(folder, count: int, seed: int) -> tuple[dict[str, int], int]:
    """Return how many ended in what, and the most memory [B] this process ever had."""
    rng = np.random.default_rng(seed)
    originals = seeds(folder)
    seen = {"error": 0, "scan": 0}
    for i in range(count):
        suffix, data = originals[i % len(originals)]
        bad = damaged(data, rng)
        try:
            seen[check(folder / f"damaged.{suffix}", bad)] += 1
        except BaseException:
            with contextlib.suppress(OSError):  # kept, so that it can be looked at
                (folder / f"case-{seed}-{i}.{suffix}").write_bytes(bad)
            raise
    return seen, peak_bytes()


def test_undamaged_captures_are_read(tmp_path):
    refused = {"pcap", "osf"} | ({"usdz"} if find_spec("pxr") is None else set())
    for suffix, data in seeds(tmp_path):
        expected = "error" if suffix in refused else "scan"
        assert check(tmp_path / f"whole.{suffix}", data) == expected, suffix


def test_a_hundred_damaged_captures(tmp_path):
    seen = run(tmp_path, 100, seed=0)
    assert seen["error"] >= 40


@pytest.mark.campaign
def test_two_thousand_damaged_captures(tmp_path):
    seen = run(tmp_path, 2000, seed=int(os.environ.get("R2S_FUZZ_SEED", "1")))
    assert seen["error"] >= 800


UGLY = {
    "one point": ply_bytes(POINTS[:1]),
    "all NaN": pcd_bytes(columns_of(POINTS * np.nan), "binary"),
    "all zero": pcd_bytes(columns_of(POINTS * 0), "binary"),
    "all at one place": ply_bytes(POINTS * 0 + 3.0),
    "infinite": ply_bytes(POINTS * np.inf),
    "enormous": ply_bytes(POINTS * 1e300),
    "tiny": ply_bytes(POINTS * 1e-300),
    "text": b"dear r2s, please scan my kitchen\n" * 20,
    "only a magic": b"ply\n",
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("case", UGLY)
def test_ugly_files_are_errors(tmp_path, case):
    assert check(tmp_path / "ugly.ply", UGLY[case]) == "error"
