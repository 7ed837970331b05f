"""Areas in a plane: occupancy, and few rectangles that cover an odd shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Area:
    """A 2-D occupancy grid. `mask` (nx, ny) bool, `origin` (2,) its corner, `cell_m` its edge."""

    origin: np.ndarray
    cell_m: float
    mask: np.ndarray

    def cell_of(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, 2) cell indices, clipped, and (n,) bool: inside the grid."""
        cells = np.floor((xy - self.origin) / self.cell_m).astype(np.int64)
        inside = np.all((cells >= 0) & (cells < self.mask.shape), axis=1)
        return np.clip(cells, 0, np.array(self.mask.shape) - 1), inside

    def contains(self, xy: np.ndarray) -> np.ndarray:
        """Return (n,) bool: the point lies in an occupied cell."""
        cells, inside = self.cell_of(xy)
        return inside & self.mask[cells[:, 0], cells[:, 1]]

    def centres(self) -> np.ndarray:
        """Return (nx, ny, 2) cell centres."""
        i, j = np.meshgrid(*(np.arange(s) for s in self.mask.shape), indexing="ij")
        return self.origin + (np.stack([i, j], -1) + 0.5) * self.cell_m

    @property
    def area_m2(self) -> float:
        return float(self.mask.sum()) * self.cell_m**2


def rasterize(xy: np.ndarray, cell_m: float, *, close_cells: int = 1, fill: bool = True) -> Area:
    """Return the area of (n, 2) points: occupied cells, gaps of `close_cells` closed, holes filled."""
    from scipy import ndimage

    pad = close_cells + 2
    origin = np.floor(xy.min(0) / cell_m) * cell_m - pad * cell_m
    shape = np.ceil((xy.max(0) - origin) / cell_m).astype(int) + pad + 1
    mask = np.zeros(tuple(shape), bool)
    cells = np.floor((xy - origin) / cell_m).astype(np.int64)
    mask[cells[:, 0], cells[:, 1]] = True
    if close_cells:
        mask = ndimage.binary_closing(mask, np.ones((3, 3)), iterations=close_cells)
    if fill:
        mask = ndimage.binary_fill_holes(mask)
    return Area(origin, cell_m, np.asarray(mask))


def components(area: Area, min_area_m2: float) -> list[Area]:
    """Return the 8-connected parts of at least `min_area_m2`, largest first."""
    from scipy import ndimage

    labels, count = ndimage.label(area.mask, np.ones((3, 3)))  # type: ignore[misc]
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    least = min_area_m2 / area.cell_m**2
    return [
        Area(area.origin, area.cell_m, labels == i + 1) for i in order if sizes[i] >= max(least, 1)
    ]


def cover(mask: np.ndarray, max_cells: int, limit: int) -> list[tuple[int, int, int, int]]:
    """Return rectangles (i0, j0, i1, j1), half open, disjoint, greedily the largest first.

    No side exceeds `max_cells`; at most `limit` rectangles are returned.
    """
    rest, out = mask.copy(), []
    while rest.any() and len(out) < limit:
        best = _largest_rectangle(rest, max_cells)
        i0, j0, i1, j1 = best
        rest[i0:i1, j0:j1] = False
        out.append(best)
    return out


def _largest_rectangle(mask: np.ndarray, max_cells: int) -> tuple[int, int, int, int]:
    """Largest all-true rectangle with sides <= max_cells: histogram method, O(rows * cols * width)."""
    heights = np.zeros(mask.shape[1], int)
    best, best_area = (0, 0, 1, 1), 0
    for i, row in enumerate(mask):
        heights = np.where(row, np.minimum(heights + 1, max_cells), 0)
        low = heights.copy()
        for width in range(1, max_cells + 1):
            area = low * width
            j = int(np.argmax(area))
            if area[j] > best_area:
                best_area, best = int(area[j]), (i + 1 - int(low[j]), j, i + 1, j + width)
            low = np.minimum(low[:-1], heights[width:]) if len(low) > 1 else low[:0]
            if not len(low) or low.max() * max_cells <= best_area:
                break
    return best
