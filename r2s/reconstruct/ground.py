"""Is the ground a plane? The lowest surface of a place, told from what stands on it, and how it bends.

Cells of a grid over the place hold their lowest point; what rises from its surroundings more steeply than
ground does is taken off by openings with ever wider windows (a progressive morphological filter, Zhang et
al., IEEE TGRS 41(4), 2003). What is left is ground where it is one large surface without steps, and
terrain where no level plane is near it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.reconstruct.cloud import Cloud

_FILLED = 0.6  # share of the cells within the outline that hold a point
_MAX_SIDE = 256  # cells
_STEEP = 0.6  # rise over run: what is steeper stands on the ground
_BUILDING_M = 25.0  # wider things are ground
_STRAYS = 0.001  # quantile of x and y beyond which nothing is looked at
_TILT = np.tan(np.deg2rad(8.0))  # a steeper plane is no floor


@dataclass(frozen=True)
class Ground:
    """Attributes:
    points: indices into the cloud of the points on the ground, and a little above it.
    area_m2: of the cells that are ground; `share`: of the cells that were seen.
    width_m: the shorter side of its outline.
    steps: share of neighbouring ground cells between which it rises more steeply than ground does.
    off_plane_m: how far half of it is from the best plane, tilted by 8 deg at most.
    """

    points: np.ndarray
    area_m2: float
    share: float
    width_m: float
    steps: float
    off_plane_m: float


def cell_edge(xy: np.ndarray, least_m: float, most_cells: int) -> float:
    """Return the edge [m] of the smallest cells that leave few gaps between (n, 2) points."""
    cell = max(least_m, float(np.ptp(xy, axis=0).max()) / most_cells)
    while _filled(xy, cell) < _FILLED:
        cell *= 1.25
    return cell


def find_ground(cloud: Cloud) -> Ground | None:
    """Return the lowest surface, None where there is none to speak of."""
    from scipy import ndimage

    low, high = np.quantile(cloud.points[:, :2], (_STRAYS, 1 - _STRAYS), axis=0)
    within = np.flatnonzero(
        np.all((cloud.points[:, :2] >= low) & (cloud.points[:, :2] <= high), axis=1)
    )
    xy = cloud.points[within, :2]
    if len(within) < 100 or np.ptp(xy, axis=0).min() <= 0:
        return None
    cell = cell_edge(xy, 3 * cloud.voxel_m, _MAX_SIDE)
    cells = np.floor((xy - xy.min(0)) / cell).astype(np.int64)
    lowest = np.full(tuple(cells.max(0) + 1), np.inf)
    np.minimum.at(lowest, tuple(cells.T), cloud.points[within, 2])
    seen = np.isfinite(lowest)
    surface = lowest[_nearest(seen)]
    noise = max(cloud.merge_m, 0.1 * cell)
    filled = ndimage.grey_closing(surface, (3, 3))
    surface = np.where(filled - surface > _STEEP * cell + noise, filled, surface)  # single pits
    ground, bare, reach = np.ones(surface.shape, bool), surface, 0
    while (2 * reach + 1) * cell < min(_BUILDING_M, 0.5 * min(surface.shape) * cell):
        wider = max(1, 2 * reach)
        opened = ndimage.grey_opening(bare, (2 * wider + 1, 2 * wider + 1))
        ground &= bare - opened <= _STEEP * (wider - reach) * cell + noise
        bare, reach = opened, wider
    own = ground & seen
    if own.sum() < 50:
        return None
    bare = surface[_nearest(own)]
    above = cloud.points[within, 2] - bare[tuple(cells.T)]
    rise = np.concatenate([np.abs(np.diff(surface, axis=axis))[
        (own[1:] & own[:-1]) if axis == 0 else (own[:, 1:] & own[:, :-1])] for axis in (0, 1)])  # fmt: skip
    at = np.argwhere(own) * cell
    sides = np.ptp(at, axis=0) + cell
    return Ground(
        points=within[above < _STEEP * cell + noise],
        area_m2=float(own.sum()) * cell**2,
        share=float(own.sum() / seen.sum()),
        width_m=float(sides.min()),
        steps=float((rise > _STEEP * cell + noise).mean()) if len(rise) else 1.0,
        off_plane_m=_off_plane(at, surface[own]),
    )


def _nearest(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return, for every cell, the indices of the nearest one of a mask."""
    from scipy import ndimage

    found = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return tuple(np.asarray(found))


def _off_plane(xy: np.ndarray, z: np.ndarray) -> float:
    """Return the median distance [m] from the plane that is near most of it (least absolute values)."""
    design = np.column_stack([xy - xy.mean(0), np.ones(len(xy))])
    weight = np.ones(len(z))
    found = np.zeros(3)
    for _ in range(30):  # iteratively reweighted least squares
        root = np.sqrt(weight)
        found = np.linalg.lstsq(design * root[:, None], z * root, rcond=None)[0]
        tilt = float(np.linalg.norm(found[:2]))
        found[:2] *= min(1.0, _TILT / max(tilt, 1e-12))
        found[2] += np.median(z - design @ found)
        weight = 1 / np.maximum(np.abs(z - design @ found), 1e-3)
    return float(np.median(np.abs(z - design @ found)))


def _filled(xy: np.ndarray, cell: float) -> float:
    """Return the share of the cells within the outline of (n, 2) points that hold one."""
    from r2s.reconstruct.footprint import rasterize

    seen = rasterize(xy, cell, close_cells=0, fill=False).mask.sum()
    return float(seen / rasterize(xy, cell, close_cells=3).mask.sum())
