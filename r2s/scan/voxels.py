"""One point per voxel, in one pass, with memory bounded by the occupied voxels.

Voxel (i, j, k) is the cube of edge `voxel` centred at (i, j, k) * voxel, so that a floor at z = 0 fills
one layer, not two. Keys are int64, 21 bits an axis; sums are taken in file order, so equal files give
equal bytes whatever the machine's thread count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_BITS = 21
_HALF = 1 << (_BITS - 1)
# Voxels in the bounds of a block, per point of it, up to which they are summed in a table.
_TABLE_PER_POINT = 8
MAX_SPAN = 2 * _HALF - 2  # voxels along an axis


@dataclass(frozen=True)
class Voxels:
    """Means per occupied voxel, sorted by key (x, then y, then z).

    Attributes:
        points: (n, 3) float64; colors: (n, 3) uint8 or None; normals: (n, 3) float64 sums or None;
        counts: (n,) int64 raw points; views: (n,) int32, the view that saw the voxel from nearest, or None.
    """

    points: np.ndarray
    counts: np.ndarray
    colors: np.ndarray | None
    normals: np.ndarray | None
    views: np.ndarray | None = None


class Seen(NamedTuple):
    """How points were seen: by which view, (k,) int32, from how far, (k,) float."""

    views: np.ndarray
    ranges: np.ndarray


class Accumulator:
    """Adds blocks of points into voxels of edge `voxel` around `center` (3,)."""

    def __init__(self, voxel: float, center: np.ndarray):
        self._voxel = voxel
        self._middle = np.round(np.asarray(center) / voxel).astype(np.int64)
        self._keys = np.empty(0, np.int64)
        self._sums: np.ndarray | None = None
        self._nearest: np.ndarray | None = None

    @property
    def occupied(self) -> int:
        return len(self._keys)

    def add(
        self, points: np.ndarray, colors: np.ndarray | None, normals: np.ndarray | None,
        seen: Seen | None = None,
    ) -> None:  # fmt: skip
        """Add points (k, 3) float64 with colours (k, 3) uint8, normals (k, 3) and what saw them, if known."""
        if len(points) == 0:
            return
        cells = np.floor(points / self._voxel + 0.5).astype(np.int64)
        index = np.clip(cells - self._middle + _HALF, 0, 2 * _HALF - 1)
        # Sums relative to the voxel's centre: UTM coordinates keep their millimetres.
        columns = [points - cells * self._voxel, np.ones((len(points), 1))]
        columns += [] if colors is None else [colors.astype(np.float64)]
        columns += [] if normals is None else [normals]
        nearest = None if seen is None else _packed(seen)
        keys, sums, nearest = _summed(index, np.concatenate(columns, axis=1), nearest)
        if self._sums is not None:
            if nearest is not None and self._nearest is not None:
                nearest = np.concatenate([self._nearest, nearest])
            keys, sums, nearest = _reduce(
                np.concatenate([self._keys, keys]), np.concatenate([self._sums, sums]), nearest
            )
        self._keys, self._sums, self._nearest = keys, sums, nearest

    def finish(self, *, colors: bool, normals: bool) -> Voxels:
        """Return the means of everything added."""
        if self._sums is None:
            empty = np.empty((0, 3))
            return Voxels(empty, np.empty(0, np.int64), None, None)
        mask = (1 << _BITS) - 1
        index = np.stack(
            [self._keys >> (2 * _BITS), (self._keys >> _BITS) & mask, self._keys & mask], axis=1
        )
        cells = index - _HALF + self._middle
        counts = self._sums[:, 3]
        mean = self._sums / counts[:, None]
        at = 4
        color_mean = None
        if colors:
            color_mean = np.rint(mean[:, at : at + 3]).astype(np.uint8)
            at += 3
        return Voxels(
            cells * self._voxel + mean[:, :3],
            counts.astype(np.int64),
            color_mean,
            self._sums[:, at : at + 3] if normals else None,
            None if self._nearest is None else (self._nearest & 0xFFFFFFFF).astype(np.int32),
        )


def _packed(seen: Seen) -> np.ndarray:
    """Return (k,) uint64 whose order is that of range, then view: bits of positive floats sort as numbers."""
    ranges = np.ascontiguousarray(seen.ranges, np.float32).view(np.uint32).astype(np.uint64)
    return (ranges << np.uint64(32)) | seen.views.astype(np.uint64)


def _summed(
    index: np.ndarray, sums: np.ndarray, nearest: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return keys, sums (m, c) and least `nearest` per voxel of voxel indices (n, 3), sorted by key.

    Through a table of all voxels in the bounds of the block where that is small: three times as fast as
    sorting, and the order is the same.
    """
    low, high = index.min(axis=0), index.max(axis=0)
    shape = high - low + 1
    size = int(np.prod(shape.astype(np.float64)))
    if size > _TABLE_PER_POINT * len(index):
        return _reduce(_key(index), sums, nearest)
    local = index - low
    flat = (local[:, 0] * shape[1] + local[:, 1]) * shape[2] + local[:, 2]
    cells = np.flatnonzero(np.bincount(flat, minlength=size))
    totals = [np.bincount(flat, weights=column, minlength=size)[cells] for column in sums.T]
    least = None
    if nearest is not None:
        table = np.full(size, np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(table, flat, nearest)
        least = table[cells]
    found = np.stack(np.unravel_index(cells, tuple(shape.tolist())), axis=1) + low
    return _key(found), np.stack(totals, axis=1), least


def _key(index: np.ndarray) -> np.ndarray:
    """Return keys (n,) int64 of voxel indices (n, 3)."""
    return (index[:, 0] << (2 * _BITS)) | (index[:, 1] << _BITS) | index[:, 2]


def _reduce(
    keys: np.ndarray, sums: np.ndarray, nearest: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    least = None if nearest is None else np.minimum.reduceat(nearest[order], starts)
    return keys[starts], np.add.reduceat(sums[order], starts, axis=0), least


def choose_voxel(*, area: float, diagonal: float, points: int) -> float:
    """Return a voxel edge [m] for a capture of `area` m2, with `points` on it, `diagonal` m wide.

    Fine enough for what the points resolve (1.2 x their mean spacing) or for 1/700 of the capture,
    whichever is finer, between 1 mm and 3 cm; but not for much more than `VOXEL_BUDGET` voxels, which
    bounds memory and time. Rounded to two digits, so that a stray point does not change every voxel.
    """
    spacing = (area / max(points, 1)) ** 0.5
    voxel = min(max(min(1.2 * spacing, diagonal / 700), MIN_VOXEL_M), MAX_VOXEL_M)
    if points > 1.5 * VOXEL_BUDGET:
        voxel = max(voxel, (area / VOXEL_BUDGET) ** 0.5)
    digits = 10.0 ** (np.floor(np.log10(voxel)) - 1)
    return float(f"{np.ceil(voxel / digits - 1e-9) * digits:.6g}")


MIN_VOXEL_M = 0.001
MAX_VOXEL_M = 0.03
VOXEL_BUDGET = 600_000
