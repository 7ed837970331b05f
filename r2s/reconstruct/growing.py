"""Boxes grown on a grid, thousands at once: each moves the side that gains the most, until none gains.

The worth of any box is eight look-ups in a summed-area table (Crow 1984), so a side may jump over cells
where nothing is, to points behind them.
"""

from __future__ import annotations

import numpy as np

_STEPS = (1, 2, 4, 8, -1, -3)  # cells that a side may move out (positive) or in
_MOST_ROUNDS = 40


class Sums:
    """What a grid (nx, ny, nz) of numbers adds up to in any of its boxes."""

    def __init__(self, grid: np.ndarray):
        nx, ny, nz = grid.shape
        table = np.zeros((nx + 1, ny + 1, nz + 1))
        table[1:, 1:, 1:] = grid
        for axis in range(3):
            np.cumsum(table, axis=axis, out=table)
        self.shape = np.array(grid.shape)
        self._flat = table.reshape(-1)
        self._strides = np.array([(ny + 1) * (nz + 1), nz + 1, 1])

    def inside(self, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """Return (n,) sums over the cells [lo, hi), both (n, 3) int."""
        (x0, y0, z0), (x1, y1, z1) = (lo * self._strides).T, (hi * self._strides).T
        at = self._flat
        upper = at[x1 + y1 + z1] - at[x0 + y1 + z1] - at[x1 + y0 + z1] + at[x0 + y0 + z1]
        return upper - (at[x1 + y1 + z0] - at[x0 + y1 + z0] - at[x1 + y0 + z0] + at[x0 + y0 + z0])


def grown(seeds: np.ndarray, worth: Sums, most_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes of cells [lo, hi), (n, 3) each, that no single move of a side makes worth more.

    Args:
        seeds: (n, 3) int cells to begin at.
        most_cells: longest edge.
    """
    lo, hi = seeds.copy(), seeds + 1
    active = np.arange(len(seeds))
    value = worth.inside(lo, hi)
    for _ in range(_MOST_ROUNDS):
        if not len(active):
            break
        low, high = lo[active], hi[active]
        best, best_low, best_high = np.zeros(len(active)), low.copy(), high.copy()
        for axis in range(3):
            for outward in (-1, 1):
                for step in _STEPS:
                    a, b = low.copy(), high.copy()
                    side = a if outward < 0 else b
                    side[:, axis] = np.clip(side[:, axis] + outward * step, 0, worth.shape[axis])
                    edge = b[:, axis] - a[:, axis]
                    possible = (edge >= 1) & (edge <= most_cells)
                    a[~possible], b[~possible] = low[~possible], high[~possible]
                    # A long jump must gain more than a short one: what lies between is not asked for.
                    gain = (worth.inside(a, b) - value[active]) / abs(step) ** 0.5
                    better = gain > best + 1e-6
                    best[better], best_low[better], best_high[better] = (
                        gain[better],
                        a[better],
                        b[better],
                    )
        lo[active], hi[active] = best_low, best_high
        value[active] = worth.inside(best_low, best_high)
        active = active[best > 0]
    return lo, hi
