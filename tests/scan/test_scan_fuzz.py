"""A hundred damaged captures: an error of the family or a scan that keeps its laws; nothing else."""

from __future__ import annotations

import gzip
from importlib.util import find_spec

import numpy as np
import pytest
import trimesh
from cloud_files import UTM, geokeys, las_bytes, vlr, write_e57, write_laz
from scan_files import columns_of, pcd_bytes, ply_bytes, room_points, scan

from r2s.core.errors import R2SError

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
    return clouds + meshes + surveys(folder)


def surveys(folder) -> list[tuple[str, bytes]]:
    text = "".join(f"{x:.4f},{y:.4f},{z:.4f},90,90,91\n" for x, y, z in POINTS)
    pts = f"{len(POINTS)}\n" + "".join(f"{x:.4f} {y:.4f} {z:.4f} 7\n" for x, y, z in POINTS)
    found = [
        ("csv", b"x,y,z,r,g,b\n" + text.encode()),
        ("pts", pts.encode()),
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
    """Return the bytes with one of seven damages; most hit the header, where the decisions are."""
    head = min(len(data), 420)
    work = bytearray(data)
    match rng.integers(7):
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
        case _:  # a block of ones: NaN, huge numbers, -1
            a = int(rng.integers(0, len(data)))
            work[a : a + 64] = b"\xff" * len(work[a : a + 64])
    return bytes(work)


def check(path, data: bytes) -> str:
    """Return `error` or `scan`; anything else is a failure."""
    path.write_bytes(data)
    try:
        result = scan(path, unit="m", voxel_m=0.02)
    except R2SError as error:
        assert error.code.startswith(("R2S-SCAN-", "R2S-FILE-", "R2S-CHILD-")), error
        assert error.what and error.where and error.why and error.remedy, error
        assert path.name in error.where, error
        return "error"
    assert np.isfinite(result.points).all() and len(result.points) >= 50
    assert np.isfinite(result.normals).all()
    assert np.ptp(result.points, axis=0).max() < 10_000
    assert (result.mesh_faces < max(1, len(result.mesh_vertices))).all()
    return "scan"


def run(folder, count: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    originals = seeds(folder)
    seen = {"error": 0, "scan": 0}
    for i in range(count):
        suffix, data = originals[i % len(originals)]
        seen[check(folder / f"damaged.{suffix}", damaged(data, rng))] += 1
    return seen


def test_undamaged_captures_are_read(tmp_path):
    for suffix, data in seeds(tmp_path):
        assert check(tmp_path / f"whole.{suffix}", data) == "scan"


def test_a_hundred_damaged_captures(tmp_path):
    seen = run(tmp_path, 100, seed=0)
    assert seen["error"] >= 40


@pytest.mark.campaign
def test_a_thousand_damaged_captures(tmp_path):
    seen = run(tmp_path, 1000, seed=1)
    assert seen["error"] >= 400


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
