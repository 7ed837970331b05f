"""Everything nobody names: few boxes that hold the remaining points and avoid the air that was seen.

Grown greedily on a voxel grid turned to the room's walls. A box grows by whole layers while a layer
holds enough points and no free cell, then shrinks to its points.
"""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.solids import make_geom

CELLS_M = (0.08, 0.05)  # preferred cells: the first that fits the budget, refined if it still fits
COARSER_M = (0.12, 0.18, 0.27)
_LAYER_FILL = 0.3  # share of a layer's cells that must hold points for a box to grow over it
_MIN_POINTS = 4
_MIN_HALF_M = 0.005


def boxes(
    points: np.ndarray, yaw: float, free: FreeSpace, budget: int, max_edge_m: float
) -> tuple[tuple[Geom, ...], np.ndarray, float]:
    """Cover points with at most `budget` boxes.

    Returns:
        geoms, the box index of each point (n,) (-1: not covered), and the cell [m] that was used.
    """
    if not len(points) or budget <= 0:
        return (), np.full(len(points), -1), 0.0
    best = None
    for cell in CELLS_M[:1] + COARSER_M:
        found = _cover(points, yaw, free, cell, max_edge_m)
        best = (found, cell)
        if len(found) <= budget:
            break
    assert best is not None
    found, cell = best
    if cell == CELLS_M[0] and len(found) < budget / 2:
        finer = _cover(points, yaw, free, CELLS_M[1], max_edge_m)
        if len(finer) <= budget:
            found, cell = finer, CELLS_M[1]
    found = found[:budget]
    owner = np.full(len(points), -1)
    for index, (_, members) in enumerate(found):
        owner[members] = index
    return tuple(geom for geom, _ in found), owner, cell


def _cover(points, yaw, free: FreeSpace, cell: float, max_edge_m: float):
    """Return [(geom, point indices)], the ones with most points first."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    local = points @ turn
    origin = np.floor(local.min(0) / cell) * cell - cell
    cells = np.floor((local - origin) / cell).astype(np.int64)
    shape = tuple(cells.max(0) + 2)
    count = np.zeros(shape, np.int32)
    np.add.at(count, tuple(cells.T), 1)
    occupied = count > 0
    blocked = _free_cells(shape, origin, cell, turn, free) & ~occupied
    flat = np.ravel_multi_index(tuple(cells.T), shape)
    by_cell = np.argsort(flat, kind="stable")
    sorted_flat = flat[by_cell]
    rest = occupied.copy()
    found = []
    max_cells = max(1, int(max_edge_m / cell))
    for seed in _seeds(count):
        if not rest[seed]:
            continue
        lo, hi = _grow(rest, blocked, np.array(seed), max_cells)
        region = tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))
        taken = np.argwhere(rest[region]) + lo
        rest[region] = False
        ids = np.ravel_multi_index(tuple(taken.T), shape)
        starts = np.searchsorted(sorted_flat, ids, "left")
        ends = np.searchsorted(sorted_flat, ids, "right")
        members = np.concatenate([by_cell[a:b] for a, b in zip(starts, ends, strict=True)])
        if len(members) < _MIN_POINTS:
            continue
        low, high = local[members].min(0), local[members].max(0)
        half = np.maximum(0.5 * (high - low), _MIN_HALF_M)
        found.append((make_geom("box", half, turn @ (0.5 * (low + high)), turn), np.sort(members)))
    found.sort(key=lambda item: -len(item[1]))
    return found


def _seeds(count: np.ndarray) -> list[tuple[int, int, int]]:
    """Return occupied cells, those in the thick of things first."""
    from scipy import ndimage

    crowd = ndimage.uniform_filter(count.astype(np.float64), 3, mode="constant")
    cells = np.argwhere(count > 0)
    order = np.argsort(-np.round(crowd[tuple(cells.T)], 6), kind="stable")
    return [tuple(int(x) for x in cell) for cell in cells[order]]  # type: ignore[misc]


def _free_cells(shape, origin, cell, turn, free: FreeSpace) -> np.ndarray:
    """Return cells (bool) of which at least a quarter of 2x2x2 probes lie in observed free space."""
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), -1).reshape(-1, 3)
    hits = np.zeros(len(grid))
    for corner in np.ndindex(2, 2, 2):
        probe = origin + (grid + 0.25 + 0.5 * np.array(corner)) * cell
        hits += free.contains(probe @ turn.T)
    return (hits >= 2).reshape(shape)


def _grow(rest: np.ndarray, blocked: np.ndarray, seed: np.ndarray, max_cells: int):
    """Grow a box of cells from a seed, always over the fullest allowed layer; return lo, hi (half open)."""
    lo, hi = seed.copy(), seed + 1
    limit = np.array(rest.shape)
    while True:
        best, best_fill = None, _LAYER_FILL
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
                if fill > best_fill and not blocked[layer].any():
                    best, best_fill = (axis, step), fill
        if best is None:
            return lo, hi
        axis, step = best
        if step < 0:
            lo[axis] -= 1
        else:
            hi[axis] += 1
