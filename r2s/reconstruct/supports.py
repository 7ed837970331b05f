"""Table tops and shelves as boxes: as far as they were seen, and further only where nobody looked."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.rectangle import min_rectangle, rectangle_at
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import Area, cover, rasterize
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.levels import Level
from r2s.reconstruct.parts import Part, assumed_fraction
from r2s.reconstruct.solids import make_geom, sample_inside

_CONTRADICTED = 0.02  # share of a rectangle that rays may cross before it is cut up
_MAX_BOXES = 8
_BOX_AREA_M2 = 0.12  # a support gets one box for each of these
_MIN_THICKNESS_M = 0.01


def support(level: Level, cloud: Cloud, free: FreeSpace, thickness_m: float) -> Part:
    """Return the support under a level surface: one box, or a few where one would block seen space."""
    xy = level.local(cloud.points[level.points])[:, :2]
    xy = xy[level.area.contains(xy)] if level.area.contains(xy).sum() > 8 else xy
    _, yaw, _ = min_rectangle(_border(level.area))
    thickness = measured_thickness(level, cloud, free, thickness_m)
    centre, half = rectangle_at(xy, yaw, trim=0.0005)
    whole = _slab(level, yaw, centre, half, thickness)
    geoms: tuple[Geom, ...] = (whole,)
    if free.contains(sample_inside(whole, (), free.cell_m)).mean() > _CONTRADICTED:
        geoms = _pieces(level, xy, yaw, thickness)
    assumed = assumed_fraction(geoms, (), cloud.points[level.points], 2.5 * cloud.spacing_m)
    return Part(
        "support",
        "box" if len(geoms) == 1 else "boxes",
        geoms,
        level.points,
        assumed_fraction=assumed,
    )


def measured_thickness(level: Level, cloud: Cloud, free: FreeSpace, assumed_m: float) -> float:
    """Return the assumed thickness, less where rays passed underneath."""
    centres = level.area.centres()[level.area.mask]
    if len(centres) > 2000:
        centres = centres[:: len(centres) // 2000 + 1]
    T = level.T_world_level
    skip = 3 * cloud.voxel_m + cloud.tolerance_m  # the skin itself is crossed by noise
    depth = skip
    while depth < assumed_m:
        below = np.column_stack([centres, np.full(len(centres), -depth)]) @ T[:3, :3].T + T[:3, 3]
        if free.contains(below).mean() > _CONTRADICTED:
            return max(_MIN_THICKNESS_M, depth - free.cell_m)
        depth += free.cell_m
    return assumed_m


def _border(area: Area) -> np.ndarray:
    return area.centres()[area.mask]


def _slab(level: Level, yaw: float, centre: np.ndarray, half: np.ndarray, thickness: float) -> Geom:
    T = level.T_world_level
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    position = T[:3, :3] @ np.array([*centre, -thickness / 2]) + T[:3, 3]
    return make_geom("box", (*np.maximum(half, 0.005), thickness / 2), position, T[:3, :3] @ turn)


def _pieces(level: Level, xy: np.ndarray, yaw: float, thickness: float) -> tuple[Geom, ...]:
    """Cover the seen footprint with few rectangles, on a grid turned by `yaw`."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s], [s, c]])
    area = rasterize(xy @ turn, level.area.cell_m, close_cells=3)
    geoms = []
    least = max(4, int(0.03 * area.mask.sum()))
    limit = int(np.clip(area.area_m2 / _BOX_AREA_M2, 2, _MAX_BOXES))
    for i0, j0, i1, j1 in cover(area.mask, max(area.mask.shape), limit):
        if geoms and (i1 - i0) * (j1 - j0) < least:
            break
        lo, hi = (area.origin + np.array(k) * area.cell_m for k in ((i0, j0), (i1, j1)))
        geoms.append(_slab(level, yaw, turn @ (0.5 * (lo + hi)), 0.5 * (hi - lo), thickness))
    return tuple(geoms)
