"""Scans of a file that states where each was made: one capture, and whose poses are a sensor's places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from r2s.core.rigid import apply
from r2s.scan.capture import Capture, Doubt, Rows
from r2s.scan.readers.spool import Records
from r2s.scan.viewpoints import MOST_LAYERED, layered_share

_PROBE_ROWS, _JUDGED_SCANS = 100_000, 16


class Station(Protocol):
    """One scan of a file: `count` records, and what the file says of them.

    Attributes:
        T_file_scan: (4, 4) its pose, which maps its points into the file's frame; has_pose: whether
            the file states one.
        is_gridded: whether the points are a scanner's rows and columns, so in its own frame.
    """

    @property
    def count(self) -> int: ...
    @property
    def T_file_scan(self) -> np.ndarray: ...
    @property
    def has_pose(self) -> bool: ...
    @property
    def is_gridded(self) -> bool: ...
    @property
    def has_colors(self) -> bool: ...


def capture_of_scans(
    kind: str, format_name: str, scans: Sequence[Station], records: Records, *, colored: bool
) -> Capture:
    """Return the capture of scans in metres.

    Args:
        records: `xyz` (3,) in the scan's own frame, NaN where it is invalid, and `rgb` (3,) bytes where
            they are `colored`; one scan after the other.
    """
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
        kind, len(records), rows, has_colors=colored, viewpoints=stations if seen and not one else None,
        viewpoints_by=f"{len(scans)} sensor positions: {by}",
        viewpoint=stations[0] if seen and one else None, viewpoint_is_default=not seen, viewpoint_by=by,
        declared_unit="m", declared_by=format_name, surveyed=True, facts=facts, may_be_y_up=not moved,
    )  # fmt: skip


def _layered(scans: Sequence[Station], records: Records) -> float:
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
