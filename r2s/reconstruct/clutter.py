"""Everything nobody names: few boxes that hold the remaining points and avoid the air that was seen.

Candidates are grown on a grid turned to the room's walls: points are worth having, seen air costs, space
that nobody saw costs next to nothing; then they shrink to their points. `selection` picks the few.
"""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.growing import Sums, grown
from r2s.reconstruct.solids import make_geom

_CELL_M = 0.05
_AIR_PRICES = (0.05, 0.3, 1.5)  # of what the choice among the boxes will pay: loose and tight ones
_UNSEEN = 0.001  # price of a cell that nobody saw, in mean occupied cells ...
_NEVER_SEEN = 0.05  # ... and where no rays are known: then nothing else keeps a box small
_SEEDS = 2500
_MIN_POINTS = 4
_ROOM_CELL_M = 0.15  # ground points of a place captured for these cells are no farther apart
_MIN_HALF_M = 0.005
_MOST_CELLS = 24_000_000  # of a grid


def candidates(
    points: np.ndarray,
    wanted: np.ndarray,
    yaw: float,
    air: np.ndarray,
    *,
    air_price: float,
    max_edge_m: float,
    least: int,
    scale: float,
    rng: np.random.Generator,
) -> list[Geom]:
    """Return boxes of many sizes around the wanted (n,) bool of points (n, 3), sides turned by `yaw` [rad].

    Args:
        air: (m, 3) samples of seen air.
        air_price: what one of them costs, in points.
        least: a box that holds fewer points is not worth a geom.
        scale: of the cells, for captures with points much farther apart than usual.
    """
    if wanted.sum() < max(least, _MIN_POINTS):
        return []
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    local = points[wanted] @ turn
    low, extent = local.min(0), np.ptp(local, axis=0)
    cell = max(_CELL_M * scale, float((np.prod(extent + _CELL_M) / _MOST_CELLS) ** (1 / 3)))
    origin, shape = low - cell, tuple(np.floor(extent / cell).astype(int) + 3)
    cells = np.floor((local - origin) / cell).astype(np.int64)
    count = _counted(cells, shape)
    inside = np.floor((air @ turn - origin) / cell).astype(np.int64)
    blocked = _counted(inside[np.all((inside >= 0) & (inside < shape), axis=1)], shape)
    seeds = np.argwhere(count > 0)
    unseen = (_UNSEEN if len(air) else _NEVER_SEEN) * len(local) / len(seeds)
    if len(seeds) > _SEEDS:
        seeds = seeds[np.sort(rng.choice(len(seeds), _SEEDS, replace=False))]
    found: list[np.ndarray] = []
    for price in _AIR_PRICES if len(air) else _AIR_PRICES[:1]:
        worth = Sums(count - price * air_price * blocked - unseen)
        found.append(np.hstack(grown(seeds, worth, max(1, int(max_edge_m / cell)))))
    boxes = np.unique(np.concatenate(found), axis=0)
    tight = [
        box
        for box in _tightened(local, origin + cell * boxes[:, :3], origin + cell * boxes[:, 3:])
        if box[2] >= max(least, _MIN_POINTS)
    ]
    return [
        make_geom("box", np.maximum(0.5 * (b - a), _MIN_HALF_M), turn @ (0.5 * (a + b)), turn)
        for a, b, _ in tight
    ]


def scales(cloud: Cloud, apart_m: float) -> list[float]:
    """Return which `scale` to try in a place whose ground points are that far apart [m]: a survey from afar
    has no use for cells of a room, a sweep from the ground has many of its points near."""
    sparse = max(1.0, apart_m / _ROOM_CELL_M)
    return [sparse] if cloud.is_sparse or sparse == 1 else [1.0, sparse]


def _counted(cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return how many of `cells` (n, 3) are each cell of a grid."""
    flat = np.ravel_multi_index(tuple(cells.T), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def _tightened(points: np.ndarray, low: np.ndarray, high: np.ndarray):
    """Yield for each box (lo, hi), (k, 3) each, the bounds of the points in it, and how many they are."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    first, last = np.searchsorted(by_x[:, 0], low[:, 0]), np.searchsorted(by_x[:, 0], high[:, 0])
    for a, b, i, j in zip(low, high, first, last, strict=True):
        slab = by_x[i:j]
        own = slab[np.all((slab[:, 1:] >= a[1:]) & (slab[:, 1:] < b[1:]), axis=1)]
        if len(own):
            yield own.min(0), own.max(0), len(own)
