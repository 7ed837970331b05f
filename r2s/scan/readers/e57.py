"""E57: all scans of a file as one capture, each with its pose; their poses are where the sensor stood."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.e57_header import COLORS, SPHERICAL, damaged, read_header
from r2s.scan.readers.spool import READ_ROWS, Records, growth, no_space, spool_file
from r2s.scan.readers.stations import capture_of_scans


def read_e57(path: Path, size: int, told: Told = unheard) -> Capture:
    """Open an E57 file of `size` bytes. libe57 decodes it in a child process, in pieces."""
    scans = read_header(path, size)
    where = shown(path)
    if importlib.util.find_spec("pye57") is None:
        raise _no_library(where)
    colored = all(scan.has_colors for scan in scans)
    single = all(scan.is_single for scan in scans)
    plans = [
        {"index": s.index, "name": s.name, "count": s.count, "axes": list(s.axes),
         "states": [f for f in ("cartesianInvalidState", "sphericalInvalidState") if f in s.fields],
         "color_scale": 255.0 / s.color_max if colored else 0.0}
        for s in scans
    ]  # fmt: skip
    count = sum(scan.count for scan in scans)
    with spool_file(where) as (spool, stream):
        run_limited(
            "r2s.scan.readers.e57:decode", (path, spool, where, plans, colored, single),
            limits=LIMITS.parse, what=f"libe57 reading {where}",
            watch=growth(spool, count * record_type(colored, single).itemsize, told),
        )  # fmt: skip
    records = Records(stream, record_type(colored, single), 0, count)
    return capture_of_scans("e57", "E57", scans, records, colored=colored)


def record_type(colored: bool, single: bool) -> np.dtype:
    """Return the record on disk: a point in its scan's own frame, NaN where it is invalid."""
    return np.dtype([("xyz", "<f4" if single else "<f8", (3,))] + [("rgb", "u1", (3,))] * colored)


def decode(
    path: Path, spool: Path, where: str, plans: list[dict[str, Any]], colored: bool, single: bool
) -> None:
    """Write every scan's points to `spool`, one scan after the other. Runs in the child."""
    from pye57 import libe57  # pyright: ignore[reportAttributeAccessIssue] - compiled

    try:
        image = libe57.ImageFile(str(path), "r")
        data3d = image.root()["data3D"]
        with spool.open("wb") as out:
            for plan in plans:
                _decode_scan(image, data3d, plan, out, record_type(colored, single), where)
        image.close()
    except libe57.E57Exception as exc:
        raise damaged(where, str(exc)[:200]) from exc
    except OSError as exc:
        raise no_space(exc, where) or damaged(where, str(exc)[:200]) from exc


def _decode_scan(
    image: Any, data3d: Any, plan: dict[str, Any], out: Any, dtype: np.dtype, where: str
) -> None:
    from pye57 import libe57  # pyright: ignore[reportAttributeAccessIssue] - compiled

    names = [*plan["axes"], *plan["states"], *(COLORS if plan["color_scale"] else ())]
    columns = {name: np.zeros(READ_ROWS, np.float64) for name in names}
    buffers = libe57.VectorSourceDestBuffer()
    for name, column in columns.items():
        buffers.append(libe57.SourceDestBuffer(image, name, column, READ_ROWS, True, True))
    reader = data3d[plan["index"]]["points"].reader(buffers)
    done = 0
    while got := reader.read():
        table = np.empty(got, dtype)
        xyz = np.stack([columns[name][:got] for name in plan["axes"]], axis=-1)
        if tuple(plan["axes"]) == SPHERICAL:
            xyz = cartesian(xyz)
        for state in plan["states"]:  # 1: a direction only, 2: nothing
            xyz[columns[state][:got] != 0] = np.nan
        with np.errstate(over="ignore", invalid="ignore"):
            table["xyz"] = xyz
        if plan["color_scale"]:
            rgb = np.stack([columns[name][:got] for name in COLORS], axis=-1) * plan["color_scale"]
            table["rgb"] = np.rint(np.clip(np.nan_to_num(rgb), 0, 255))
        out.write(table.tobytes())
        done += got
    reader.close()
    if done != plan["count"]:
        raise damaged(
            where, f"scan {plan['name']!r} promises {plan['count']:,} points, has {done:,}"
        )


def cartesian(rae: np.ndarray) -> np.ndarray:
    """Return x y z (n, 3) of range, azimuth and elevation (n, 3) [rad]."""
    reach, azimuth, elevation = rae.T
    flat = reach * np.cos(elevation)
    return np.stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), reach * np.sin(elevation)], axis=-1
    )


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "E57 is read by the package pye57, which is not installed", where=where,
        why="it has ready-made packages for Linux on x86-64 and macOS on Apple silicon, not for this machine",
        remedy="pip install pye57    # compiles libe57; or save the scan as LAZ or PLY elsewhere",
    )  # fmt: skip
