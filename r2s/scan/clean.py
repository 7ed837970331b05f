"""What is not surface: NaN, exact-zero returns, points far outside the capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.errors import R2SError
from r2s.scan.capture import Capture, Rows

SAMPLE_ROWS = 200_000
LEAST_POINTS = 50
# Half the box that is kept, in units of the widest 98 % range: 5 leaves room for a long corridor in a
# capture that is dense in one place, and cuts points a kilometre away.
BOX_RANGES = 5.0
# No coordinate is larger, in any unit: the Earth in micrometres is 4e13.
FARTHEST = 1e14


@dataclass(frozen=True)
class Box:
    """Bounds outside of which a point is a gross outlier: low and high, (3,) file units."""

    low: np.ndarray
    high: np.ndarray

    @property
    def center(self) -> np.ndarray:
        return (self.low + self.high) / 2


def plausible_box(capture: Capture, where: str) -> tuple[Box, np.ndarray]:
    """Return the box of plausible points and an even sample (k, 3) of the points inside it.

    Raises:
        R2SError: no finite point, too few points, or all points at one place.
    """
    points = capture.sample(SAMPLE_ROWS).points
    points = points[keep(points)]
    if len(points) == 0:
        raise R2SError(
            "R2S-SCAN-005", f"none of the {capture.count:,} points is finite and away from (0, 0, 0)",
            where=where, why="the sensor saw nothing, or the export wrote holes only",
            remedy="record or export the capture again",
        )  # fmt: skip
    if len(points) < LEAST_POINTS:
        raise R2SError(
            "R2S-SCAN-006", f"only {len(points)} usable points",
            where=where, why=f"no surface can be found in fewer than {LEAST_POINTS} points",
            remedy="record or export the capture again",
        )  # fmt: skip
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    reach = float((high - low).max())
    if reach <= 1e-9 * float(np.abs(points).max()):
        raise R2SError(
            "R2S-SCAN-007", "all points are at one place", where=where,
            why=f"98 % of them are within {reach:.3g} file units of each other",
            remedy="record or export the capture again",
        )  # fmt: skip
    middle = np.median(points, axis=0)
    box = Box(middle - BOX_RANGES * reach, middle + BOX_RANGES * reach)
    return box, points[np.all((points >= box.low) & (points <= box.high), axis=1)]


def keep(points: np.ndarray) -> np.ndarray:
    """Return a mask (n,): a number, of sane size, and not the exact origin, where missing returns are put."""
    with np.errstate(invalid="ignore"):
        sane = (np.abs(points) < FARTHEST).all(axis=1)  # false for NaN
        return np.logical_and(sane, points.any(axis=1))


class Cleaner:
    """Drops rows and counts them by reason."""

    def __init__(self, box: Box):
        self.box = box
        self.finite = 0
        self.dropped = {"non_finite": 0, "origin": 0, "outlier": 0}

    def __call__(self, rows: Rows) -> Rows:
        x, y, z = rows.points.T
        low, high = self.box.low, self.box.high
        with np.errstate(invalid="ignore"):  # false for NaN
            good = (x >= low[0]) & (x <= high[0]) & (y >= low[1])
            good &= (y <= high[1]) & (z >= low[2]) & (z <= high[2])
        good &= (x != 0) | (y != 0) | (z != 0)
        bad = rows.points[~good]  # few: only these are looked at closer
        finite = np.isfinite(bad).all(axis=1)
        with np.errstate(invalid="ignore"):
            origin = ~bad.any(axis=1)
        self.finite += len(x) - int((~finite).sum())
        self.dropped["non_finite"] += int((~finite).sum())
        self.dropped["origin"] += int(origin.sum())
        self.dropped["outlier"] += int((finite & ~origin).sum())
        if len(bad) == 0:
            return rows
        return Rows(
            rows.points[good],
            None if rows.colors is None else rows.colors[good],
            None if rows.normals is None else rows.normals[good],
            None if rows.views is None else rows.views[good],
        )
