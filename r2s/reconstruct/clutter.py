"""Everything nobody names: few boxes that hold the remaining points and avoid the air that was seen.

Candidates are grown on voxel grids turned to the room's walls: a box grows by whole layers while a
layer holds enough points and hardly any free cell, then shrinks to its points. `selection` picks the few.
"""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.solids import make_geom

# (cell [m], least share of a layer's cells that must hold points for a box to grow over it)
GRIDS = ((0.05, 0.4), (0.08, 0.3), (0.12, 0.15), (0.18, 0.1), (0.27, 0.05))
_MIN_POINTS = 4
_ROOM_CELL_M = 0.15  # ground points of a place captured for these cells are no farther apart
_MIN_HALF_M = 0.005
_MOST_CELLS = 400_000_000  # of a grid: 50 m x 50 m x 20 m of 5 cm
_MAX_FREE = 0.1  # share of a layer's cells that may be free space


def candidates(
    points: np.ndarray,
    yaw: float,
    free: FreeSpace,
    *,
    max_edge_m: float,
    spacing_m: float,
    least: int,
    scale: float = 1.0,
) -> list[Geom]:
    """Return boxes of many sizes around points (n, 3), sides turned by `yaw` [rad].

    Args:
        spacing_m: distance of neighbouring points; cells below twice that would be islands.
        least: a box that holds fewer points is not worth a geom.
        scale: of the cells, for captures with points much farther apart than usual.
    """
    found: list[Geom] = []
    extent = np.ptp(points, axis=0) if len(points) else np.zeros(3)
    for cell, fill in GRIDS:
        fits = float(np.prod(extent / (cell * scale) + 3)) < _MOST_CELLS
        if len(points) and fits and cell * scale >= 2 * spacing_m:
            found += _cover(
                points, yaw, free, cell * scale, fill, max_edge_m, max(least, _MIN_POINTS)
            )
    return found


def scales(cloud: Cloud, apart_m: float) -> list[float]:
    """Return which `scale` to try in a place whose ground points are that far apart [m]: a survey from afar
    has no use for cells of a room, a sweep from the ground has many of its points near."""
    sparse = max(1.0, apart_m / _ROOM_CELL_M)
    return [sparse] if cloud.is_sparse or sparse == 1 else [1.0, sparse]


def _cover(
    points, yaw, free: FreeSpace, cell: float, fill: float, max_edge_m: float, least: int
) -> list[Geom]:
    """Return boxes that together hold (nearly) all points."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    local = points @ turn
    origin = np.floor(local.min(0) / cell) * cell - cell
    cells = np.floor((local - origin) / cell).astype(np.int64)
    shape = tuple(cells.max(0) + 2)
    count = np.zeros(shape, np.int32)
    np.add.at(count, tuple(cells.T), 1)
    occupied = count > 0
    seen_free = _FreeCells(occupied, origin, cell, turn, free)
    flat = np.asarray(np.ravel_multi_index(tuple(cells.T), shape))
    by_cell = np.argsort(flat, kind="stable")
    sorted_flat = flat[by_cell]
    rest = occupied.copy()
    found = []
    max_cells = max(1, int(max_edge_m / cell))
    for seed in _seeds(count):
        if not rest[seed]:
            continue
        lo, hi = _grow(rest, seen_free, np.array(seed), max_cells, fill)
        region = tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))
        taken = np.argwhere(rest[region]) + lo
        rest[region] = False
        ids = np.asarray(np.ravel_multi_index(tuple(taken.T), shape))
        starts = np.searchsorted(sorted_flat, ids, "left")
        ends = np.searchsorted(sorted_flat, ids, "right")
        members = np.concatenate([by_cell[a:b] for a, b in zip(starts, ends, strict=True)])
        if len(members) < least:
            continue
        low, high = local[members].min(0), local[members].max(0)
        half = np.maximum(0.5 * (high - low), _MIN_HALF_M)
        found.append(make_geom("box", half, turn @ (0.5 * (low + high)), turn))
    return found


def _seeds(count: np.ndarray) -> list[tuple[int, int, int]]:
    """Return occupied cells, those in the thick of things first."""
    from scipy import ndimage

    crowd = ndimage.uniform_filter(count.astype(np.float64), 3, mode="constant")
    cells = np.argwhere(count > 0)
    order = np.argsort(-np.round(crowd[tuple(cells.T)], 6), kind="stable")
    return [tuple(int(x) for x in cell) for cell in cells[order]]  # type: ignore[misc]


class _FreeCells:
    """Which cells hold no point and were seen through: asked cell by cell, remembered.

    Asking a whole house of 5 cm cells takes a minute; growing boxes touches a hundredth of them.
    """

    def __init__(
        self, occupied: np.ndarray, origin, cell: float, turn: np.ndarray, free: FreeSpace
    ):
        self._state = np.where(occupied, np.int8(0), np.int8(-1))
        self._origin, self._cell, self._turn, self._free = origin, cell, turn, free
        self._all_unseen = not free.grid.any()

    def share(self, region: tuple[slice, ...]) -> float:
        """Return the share of a region's cells of which a quarter of 8 probes lie in free space."""
        if self._all_unseen:
            return 0.0
        state = self._state[region]
        unknown = np.argwhere(state < 0)
        if len(unknown):
            cells = unknown + [part.start for part in region]
            hits = np.zeros(len(cells))
            for corner in np.ndindex(2, 2, 2):
                probe = self._origin + (cells + 0.25 + 0.5 * np.array(corner)) * self._cell
                hits += self._free.contains(probe @ self._turn.T)
            state[tuple(unknown.T)] = hits >= 2
        return float(state.mean())


def _grow(
    rest: np.ndarray, seen_free: _FreeCells, seed: np.ndarray, max_cells: int, least_fill: float
):
    """Grow a box of cells from a seed, always over the fullest allowed layer; return lo, hi (half open)."""
    lo, hi = seed.copy(), seed + 1
    limit = np.array(rest.shape)
    while True:
        best, best_fill = None, least_fill
        for axis in range(3):
            if hi[axis] - lo[axis] >= max_cells:
                continue
            for step in (-1, 1):
                at = lo[axis] - 1 if step < 0 else hi[axis]
                if not 0 <= at < limit[axis]:
                    continue
                region = [slice(a, b) for a, b in zip(lo, hi, strict=True)]
                region[axis] = slice(at, at + 1)
                layer = tuple(region)
                fill = float(rest[layer].mean())
                if fill >= best_fill and seen_free.share(layer) <= _MAX_FREE:
                    best, best_fill = (axis, step), fill
        if best is None:
            return lo, hi
        axis, step = best
        if step < 0:
            lo[axis] -= 1
        else:
            hi[axis] += 1
