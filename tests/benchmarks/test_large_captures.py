"""Large surveys within bounded time and memory: `nox -s bench -- -k large` or, smaller, R2S_BENCH_POINTS=1e7.

The aim is 100 M points in 120 s on two idle cores and 1.5 GB a process; a busy machine takes longer, so time
is printed, and only memory and twice the aim are asserted.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

POINTS = int(float(os.environ.get("R2S_BENCH_POINTS", "1e8")))
BLOCK, SCAN = 1_000_000, 10_000_000
ORIGIN = np.array([515_368.0, 4_918_340.0, 2_300.0])
AIM_S, AIM_BYTES = 120.0, 1.5e9


def hall() -> Iterator[np.ndarray]:
    """Yield blocks (BLOCK, 3) of a hall 50 x 40 x 7.6 m as a turning scanner sees it, 5 mm of noise."""
    low, high = np.array([-22.0, -19.0, -1.1]), np.array([28.0, 21.0, 6.5])
    for seed in range(max(1, POINTS // BLOCK)):
        rng = np.random.default_rng(seed)
        rays = rng.normal(size=(BLOCK, 3))
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        rays = rays[np.argsort(np.arctan2(rays[:, 1], rays[:, 0]))]
        with np.errstate(divide="ignore"):
            reach = np.where(rays > 0, high / rays, low / rays).min(axis=1)
        yield rays * (reach + rng.normal(0, 0.005, BLOCK))[:, None]


def write_survey(path: Path) -> None:
    import laspy

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.001), ORIGIN
    with laspy.open(path, mode="w", header=header) as out:
        for block in hall():
            record = laspy.ScaleAwarePointRecord.zeros(len(block), header=header)
            record.x, record.y, record.z = (block + ORIGIN).T
            record.gps_time = np.arange(len(block)) * 1e-6
            out.write_points(record)


def write_ply(path: Path) -> None:
    count = max(1, POINTS // BLOCK) * BLOCK
    names = "".join(f"property float {axis}\n" for axis in "xyz")
    with path.open("wb") as out:
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{names}end_header\n"
        out.write(head.encode())
        for block in hall():
            out.write(block.astype("<f4").tobytes())


def write_e57(path: Path) -> None:
    import pye57

    with pye57.E57(str(path), mode="w") as out:
        blocks = hall()
        for _ in range(max(1, POINTS // SCAN)):
            some = np.concatenate([b for b, _ in zip(blocks, range(SCAN // BLOCK), strict=False)])
            data = {f"cartesian{axis}": some[:, i].copy() for i, axis in enumerate("XYZ")}
            out.write_scan_raw(data, rotation=np.array([1.0, 0, 0, 0]), translation=np.zeros(3))


WRITERS = {"las": write_survey, "laz": write_survey, "ply": write_ply, "e57": write_e57}


@pytest.mark.campaign
@pytest.mark.parametrize("kind", WRITERS)
def test_a_large_capture_is_scanned_in_bounded_time_and_memory(tmp_path, kind):
    path = tmp_path / f"hall.{kind}"
    WRITERS[kind](path)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "r2s", "scan", str(path), "--name", "hall"], cwd=tmp_path, check=True
    )
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"\n{kind}: {POINTS:,} points in {seconds:.0f} s, at most {peak / 1e9:.2f} GB a process")
    path.unlink()
    assert peak < AIM_BYTES
    assert seconds < 2 * AIM_S * max(0.1, POINTS / 1e8)
