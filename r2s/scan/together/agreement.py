"""How well two clouds fit: shared surface, free space that is respected, and no way left to slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.rigid import apply, inverse
from r2s.scan.together.refine import matched
from r2s.scan.together.view import View

# At least this share of the smaller cloud lies on the other one.
LEAST_OVERLAP = 0.25
# At most this share of the points that lie where the other sensor looked hang in its free space.
# Measured: right poses of real pairs 0 to 3 % (people walk), wrong ones of rooms alike 11 % and more.
MOST_IN_FREE_SPACE = 0.07
# Planes that hold the pose: in every direction at least this share of the matched normals.
LEAST_HOLD = 0.01
_CELL = np.radians(1.0)


@dataclass(frozen=True)
class Agreement:
    """How two clouds fit.

    Attributes:
        overlap: share of the better covered cloud whose points lie on the other, within a fine voxel or two.
        in_free_space: share of points in the other's free space, of those it could have seen; 0 where no
            sensor position is known.
        hold: least share of matched normals (squared cosine) along any direction; 0: free to slide.
        residual: median distance of matched points from the other's planes [file units].
    """

    overlap: float
    in_free_space: float
    hold: float
    residual: float

    @property
    def fits(self) -> bool:
        return not self.failures

    @property
    def score(self) -> float:
        """Order of candidates: overlap, less what hangs in free space."""
        return self.overlap * max(0.0, 1 - 2 * self.in_free_space)

    @property
    def failures(self) -> list[str]:
        """What is wrong, in words."""
        found = []
        if self.overlap < LEAST_OVERLAP:
            found.append(
                f"{100 * self.overlap:.0f} % of it lies on the other, {100 * LEAST_OVERLAP:.0f} % is needed"
            )
        if self.in_free_space > MOST_IN_FREE_SPACE:
            found.append(
                f"{100 * self.in_free_space:.0f} % of it hangs in what the other's sensor saw to be empty"
            )
        if self.hold < LEAST_HOLD:
            found.append("what they share is flat and leaves a way to slide")
        return found


def agreement(a: View, b: View, T_a_b: np.ndarray) -> Agreement:
    """Return how view b, moved by T_a_b, fits view a."""
    reach = 2 * a.fine.voxel
    of_b, residual, normals = _covered(a, b, T_a_b, reach)
    of_a, *_ = _covered(b, a, inverse(T_a_b), reach)
    hold = 0.0
    if len(normals) >= 50:
        hold = float(np.linalg.eigvalsh((normals[:, :, None] * normals[:, None]).mean(axis=0))[0])
    free = [
        share
        for share in (_in_free_space(a, b, T_a_b), _in_free_space(b, a, inverse(T_a_b)))
        if share is not None
    ]
    return Agreement(max(of_a, of_b), max(free, default=0.0), hold, residual)


def _covered(a: View, b: View, T_a_b: np.ndarray, reach: float) -> tuple[float, float, np.ndarray]:
    """Return the share of b's fine points on a, their median distance, and the normals of a there."""
    moved, turned = apply(T_a_b, b.fine.points), b.fine.normals @ T_a_b[:3, :3].T
    index, hit = matched(a.fine, moved, turned, reach)
    if not hit.any():
        return 0.0, np.inf, np.empty((0, 3))
    normals = a.fine.normals[index[hit]]
    away = ((moved[hit] - a.fine.points[index[hit]]) * normals).sum(axis=1)
    return float(hit.mean()), float(np.median(np.abs(away))), normals


def _in_free_space(a: View, b: View, T_a_b: np.ndarray) -> float | None:
    """Return the share of b's points nearer to a's sensor than all a saw that way; None: not known.

    Of the points that lie where a looked and not behind what it saw, since those say nothing.
    """
    if a.eye is None:
        return None
    cells = (int(np.ceil(np.pi / _CELL)) + 3, int(np.ceil(2 * np.pi / _CELL)) + 3)
    nearest = np.full(cells, np.inf)
    row, column, reach = _cells(a.rays - a.eye)
    np.minimum.at(nearest, (row, column), reach)
    around = (
        nearest.copy()
    )  # a cell and its neighbours, since surfaces may be seen at grazing angles
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            around = np.minimum(around, np.roll(nearest, (down, right), axis=(0, 1)))
    row, column, reach = _cells(apply(T_a_b, b.fine.points) - a.eye)
    seen = np.isfinite(nearest[row, column])
    limit = around[row, column]
    slack = 3 * a.fine.voxel + 0.02 * reach
    before = seen & (reach < limit - slack)
    at = seen & ~before & (reach < nearest[row, column] + slack)
    compared = int(before.sum() + at.sum())
    return float(before.sum()) / compared if compared >= 100 else None


def _cells(rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cell of elevation, cell of azimuth and length of rays (n, 3)."""
    reach = np.maximum(np.linalg.norm(rays, axis=1), 1e-12)
    row = (np.arcsin(np.clip(rays[:, 2] / reach, -1, 1)) + np.pi / 2) / _CELL
    column = (np.arctan2(rays[:, 1], rays[:, 0]) + np.pi) / _CELL
    return row.astype(np.int64) + 1, column.astype(np.int64) + 1, reach
