"""What stands on a support: segmented, then each thing explained by the simplest solid that does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.reconstruct.cloud import Cloud, clusters
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.levels import Level
from r2s.reconstruct.parts import Part, assumed_fraction
from r2s.reconstruct.primitives import Standing, fits

CLUSTER_VOXELS = 3.5  # DBSCAN radius
_MIN_POINTS = 30
_FOOT_M = 0.08  # a thing whose lowest point is higher than this floats: not an object


@dataclass(frozen=True)
class Limits:
    """What may become a movable object: `height_m` above its support, longest side, and mass [kg]."""

    height_m: float
    edge_m: float


def find_objects(
    level: Level, cloud: Cloud, available: np.ndarray, free: FreeSpace, limits: Limits
) -> list[Part]:
    """Return the things on a level surface; indices of available points (n,) bool only."""
    local = level.local(cloud.points)
    above = available & (local[:, 2] > cloud.tolerance_m) & (local[:, 2] < 2 * limits.height_m)
    candidates = np.flatnonzero(above)
    candidates = candidates[_over(level, local[candidates, :2])]
    parts = []
    for group in clusters(cloud.points[candidates], CLUSTER_VOXELS * cloud.voxel_m, _MIN_POINTS):
        index = candidates[group]
        z = local[index, 2]
        if np.quantile(z, 0.98) < cloud.merge_m or np.quantile(z, 0.02) > _FOOT_M:
            continue
        size = np.ptp(local[index], axis=0)
        if z.max() > limits.height_m or max(size[:2]) > limits.edge_m:
            continue
        thing = Standing(
            local[index],
            cloud.normals[index] @ level.T_world_level[:3, :3],
            level.T_world_level,
            cloud.tolerance_m,
        )
        part = explain(thing, index, cloud, free)
        if part is not None:
            parts.append(part)
    return parts


def explain(thing: Standing, index: np.ndarray, cloud: Cloud, free: FreeSpace) -> Part | None:
    """Return the simplest solid that explains a standing thing."""
    best = fits(thing, free)[0]
    geoms = (best.geom,)
    assumed = assumed_fraction(geoms, (), cloud.points[index], 3 * cloud.voxel_m)
    return Part("object", best.kind, geoms, index, "movable", assumed_fraction=assumed)


def _over(level: Level, xy: np.ndarray) -> np.ndarray:
    """Return (n,) bool: above the footprint, or above the shadow inside its outline."""
    from scipy import ndimage

    area = level.area
    outline = ndimage.binary_closing(
        np.pad(area.mask, 40), np.ones((3, 3)), iterations=min(38, int(0.3 / area.cell_m))
    )[40:-40, 40:-40]
    outline = ndimage.binary_dilation(outline, np.ones((3, 3)), iterations=2)
    cells, inside = area.cell_of(xy)
    return inside & outline[cells[:, 0], cells[:, 1]]
