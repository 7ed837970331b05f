"""Observed free space: voxels that a sensor ray crossed on its way to something farther."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.reconstruct.rays import Rays

ENDS_LATER_VOXELS = 3.0  # a voxel is free if a ray crossing it ends at least this many voxels later
_MAX_CELLS = 48_000_000
_MAX_STEPS = 24_000_000
_CHUNK = 20_000


@dataclass(frozen=True)
class FreeSpace:
    """A dense grid over the scan. `grid` (nx, ny, nz) bool: true where a ray passed."""

    origin: np.ndarray
    cell_m: float
    grid: np.ndarray

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return (n,) bool: the point lies in a voxel that was seen through."""
        cells = np.floor((points - self.origin) / self.cell_m).astype(np.int64)
        inside = np.all((cells >= 0) & (cells < self.grid.shape), axis=1)
        result = np.zeros(len(points), bool)
        result[inside] = self.grid[tuple(cells[inside].T)]
        return result

    def samples(self, limit: int, rng: np.random.Generator) -> np.ndarray:
        """Return up to `limit` centres (k, 3) of free voxels, a seeded choice without replacement."""
        flat = np.flatnonzero(self.grid)
        if len(flat) > limit:
            flat = np.sort(rng.choice(flat, limit, replace=False))
        cells = np.stack(np.unravel_index(flat, self.grid.shape), axis=1)
        return self.origin + (cells + 0.5) * self.cell_m


def carve(points: np.ndarray, rays: Rays, voxel_m: float) -> FreeSpace:
    """Walk every ray (or every k-th, to stay within bounded work) and mark the voxels it crosses.

    Cells are scan voxels, larger where the grid would pass 48 M cells. A ray stops
    `ENDS_LATER_VOXELS` before its point.
    """
    corners = np.concatenate([points, np.unique(rays.origins, axis=0)])
    lo, hi = corners.min(0) - 2 * voxel_m, corners.max(0) + 2 * voxel_m
    cell = max(voxel_m, float((np.prod(hi - lo) / _MAX_CELLS) ** (1 / 3)))
    shape = np.maximum(np.ceil((hi - lo) / cell), 1).astype(int)
    grid = np.zeros(tuple(shape), bool)
    if len(rays.points):
        delta = points[rays.points] - rays.origins
        length = np.linalg.norm(delta, axis=1)
        reach = np.maximum(length - ENDS_LATER_VOXELS * cell, 0.0)
        stride = max(1, int(np.ceil((reach / cell).sum() / _MAX_STEPS)))
        use = np.flatnonzero(reach > 0)[::stride]
        _march(grid, lo, cell, rays.origins[use], delta[use] / length[use, None], reach[use])
    return FreeSpace(lo, cell, grid)


def carve_near(
    points: np.ndarray, rays: Rays, lo: np.ndarray, hi: np.ndarray, *, cell_m: float, before_m: float,
    apart_m: float,
) -> FreeSpace:  # fmt: skip
    """Return the free space in a box (lo, hi), (3,) each, on cells as fine as a small thing needs.

    Args:
        before_m: how far before its point a ray is in air.
        apart_m: distance of neighbouring points: the air between their rays, half of it each, was seen too.
    """
    from scipy import ndimage

    shape = np.maximum(np.ceil((hi - lo) / cell_m), 1).astype(int)
    grid = np.zeros(tuple(shape), bool)
    delta = points[rays.points] - rays.origins
    length = np.linalg.norm(delta, axis=1)
    direction = delta / np.maximum(length, 1e-9)[:, None]
    enter, leave = _crossing(rays.origins, direction, lo, hi)
    leave = np.minimum(leave, length - before_m)
    use = np.flatnonzero(leave > enter)
    if len(use):
        start = rays.origins[use] + enter[use, None] * direction[use]
        _march(grid, lo, cell_m, start, direction[use], (leave - enter)[use])
    if reach := round(0.5 * apart_m / cell_m):
        grid = ndimage.binary_dilation(grid, iterations=reach)
    return FreeSpace(lo, cell_m, grid)


def _crossing(origins, directions, lo, hi) -> tuple[np.ndarray, np.ndarray]:
    """Return where rays enter (>= 0) and leave a box, (k,) [m] each; they miss it where enter > leave."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (lo - origins) / directions, (hi - origins) / directions
    enter = np.nan_to_num(np.minimum(low, high), nan=-np.inf).max(axis=1)
    leave = np.nan_to_num(np.maximum(low, high), nan=np.inf).min(axis=1)
    return np.maximum(enter, 0.0), leave


def _march(grid, lo, cell, origins, directions, reach) -> None:
    by_length = np.argsort(reach, kind="stable")
    flat = grid.reshape(-1)
    shape = np.array(grid.shape)
    for start in range(0, len(by_length), _CHUNK):
        rows = by_length[start : start + _CHUNK]
        position = (origins[rows] - lo) / cell
        limit = reach[rows] / cell
        for step in range(int(np.ceil(limit.max())) + 1):
            alive = step <= limit
            cells = np.floor(position[alive] + step * directions[rows][alive]).astype(np.int64)
            cells = np.clip(cells, 0, shape - 1)
            flat[(cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]] = True
