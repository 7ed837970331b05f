"""E57: all scans of a file as one capture, each with its pose; their poses are where the sensor stood."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.core.rigid import apply
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Doubt, Rows
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.e57_header import COLORS, SPHERICAL, ScanEntry, damaged, read_header
from r2s.scan.readers.spool import READ_ROWS, Records, growth, no_space, spool_file
from r2s.scan.viewpoints import MOST_LAYERED, layered_share

_PROBE_ROWS, _JUDGED_SCANS = 100_000, 16


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
    return _capture(scans, records, colored)


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


def _capture(scans: list[ScanEntry], records: Records, colored: bool) -> Capture:
    ends = np.cumsum([scan.count for scan in scans])
    posed = [scan for scan in scans if scan.has_pose]

    def rows(part: slice) -> Rows:
        table = records.read(part)
        start, stop, step = part.indices(len(records))
        scan_of = np.searchsorted(ends, np.arange(start, stop, step), side="right").astype(np.int32)
        points = table["xyz"].astype(np.float64)
        for i in np.unique(scan_of):  # a scan's rows lie together
            mine = slice(*np.searchsorted(scan_of, [i, i + 1]))
            points[mine] = apply(scans[i].T_file_scan, points[mine])
        return Rows(points, table["rgb"] if colored else None, None, scan_of)

    facts: tuple[str, ...] = ()
    if len(scans) > 1 and len(posed) < len(scans):
        facts += (
            Doubt(
                f"{len(scans) - len(posed)} of its {len(scans)} scans state no pose: taken as registered"
            ),
        )
    if not colored and any(scan.has_colors for scan in scans):
        facts += (Doubt("only some of its scans have colours, so none were taken"),)
    layered = _layered(scans, records)
    moved = any(not np.allclose(scan.T_file_scan, np.eye(4)) for scan in posed)
    seen = layered < MOST_LAYERED and (moved or (len(scans) == 1 and scans[0].is_gridded))
    if moved and not seen:
        facts += (
            Doubt(
                f"its poses are not where the sensor stood: {100 * layered:.0f} % of the lines of sight "
                "from there cross a surface"
            ),
        )
    stations = np.array([scan.T_file_scan[:3, 3] for scan in scans])
    by = (
        "the poses of its scans"
        if moved
        else "the origin of its scan, a scanner's rows and columns"
    )
    by += f"; {100 * layered:.0f} % of the lines of sight from there pass one surface to reach another"
    one = len(scans) == 1
    return Capture(
        "e57", len(records), rows, has_colors=colored, viewpoints=stations if seen and not one else None,
        viewpoints_by=f"{len(scans)} sensor positions: {by}",
        viewpoint=stations[0] if seen and one else None, viewpoint_is_default=not seen, viewpoint_by=by,
        declared_unit="m", declared_by="E57", surveyed=True, facts=facts, may_be_y_up=not moved,
    )  # fmt: skip


def _layered(scans: list[ScanEntry], records: Records) -> float:
    """Return the median, over a few scans, of how wrong their origin would be as a sensor's place."""
    starts = np.cumsum([0, *(scan.count for scan in scans)])
    shares = []
    for i in range(0, len(scans), max(1, len(scans) // _JUDGED_SCANS)):
        step = max(1, scans[i].count // _PROBE_ROWS)
        points = records.read(slice(starts[i], starts[i + 1], step))["xyz"].astype(np.float64)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            shares.append(layered_share(points))
    return float(np.median(shares)) if shares else 1.0


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "E57 is read by the package pye57, which is not installed", where=where,
        why="it has ready-made packages for Linux on x86-64 and macOS on Apple silicon, not for this machine",
        remedy="pip install pye57    # compiles libe57; or save the scan as LAZ or PLY elsewhere",
    )  # fmt: skip
