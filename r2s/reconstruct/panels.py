"""Flat pieces of furniture: doors, cupboard fronts, boards. Thin boxes turned as the surface is turned.

One slab explains what dozens of upright voxel boxes would, and blocks less air doing so.
"""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.rectangle import min_rectangle, rectangle_at
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import (
    Area,
    components,
    cover,
    rasterize,
)
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.planes import Plane, largest_plane
from r2s.reconstruct.solids import make_geom, sample_inside

_ANY_AXIS = (np.array([0.0, 0.0, 1.0]), 0.0, 1.0)
_MAX_PLANES = 60
_CONTRADICTED = 0.03
_WELL_FILLED = 0.75
_THICKNESS_M = 0.03
_PIECES = 4


def find_panels(
    cloud: Cloud, available: np.ndarray, free: FreeSpace, *, min_area_m2: float, rng
) -> list[Geom]:
    """Return slabs of the planar pieces among available points."""
    rest = available.copy()
    found: list[Geom] = []
    cell = max(2.0 * cloud.voxel_m, 0.02)
    for _ in range(_MAX_PLANES):
        index = np.flatnonzero(rest)
        if len(index) * cloud.voxel_m**2 < 0.5 * min_area_m2:
            break
        hit = largest_plane(
            cloud.points[index],
            cloud.normals[index],
            tolerance_m=cloud.tolerance_m,
            patch_m=max(0.1, 5 * cloud.voxel_m),
            max_tilt_from=_ANY_AXIS,
            rng=rng,
        )
        if hit is None:
            break
        plane, mask = hit
        members = index[mask]
        if float(np.mean(cloud.normals[members] @ plane.normal)) < 0:
            plane = Plane(-plane.normal, -plane.offset)
        rest[members] = False
        frame = _frame(plane, cloud.points[members].mean(0))
        xy = ((cloud.points[members] - frame[:3, 3]) @ frame[:3, :3])[:, :2]
        areas = components(rasterize(xy, cell, close_cells=1, fill=False), min_area_m2)
        if not areas:
            break  # the largest plane left is crumbs
        for area in areas:
            own = area.contains(xy)
            found += _slabs(frame, area, xy[own], free)
    return found


def _slabs(frame, area: Area, xy: np.ndarray, free: FreeSpace) -> list[Geom]:
    """Return one turned rectangle, and a few smaller ones where it is not filled."""
    _, yaw, _ = min_rectangle(area.centres()[area.mask])
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s], [s, c]])
    centre, half = rectangle_at(xy, yaw, trim=0.001)
    filled = area.area_m2 / max(4 * half[0] * half[1], 1e-9)
    whole = _box(frame, turn, turn.T @ centre, half)
    crossed = free.contains(sample_inside(whole, (), free.cell_m, 4000)).mean()
    if filled > _WELL_FILLED or crossed <= _CONTRADICTED:
        return [whole]
    local = xy @ turn
    grid = rasterize(local, area.cell_m, close_cells=1, fill=False)
    result = [whole]
    for i0, j0, i1, j1 in cover(grid.mask, max(grid.mask.shape), _PIECES):
        lo, hi = (grid.origin + np.array(k) * grid.cell_m for k in ((i0, j0), (i1, j1)))
        inside = np.all((local >= lo) & (local < hi), axis=1)
        if inside.sum() < max(8, 0.05 * len(xy)):
            break
        lo, hi = local[inside].min(0), local[inside].max(0)
        result.append(_box(frame, turn, 0.5 * (lo + hi), 0.5 * (hi - lo)))
    return result


def _box(frame, turn: np.ndarray, centre: np.ndarray, half: np.ndarray) -> Geom:
    rotation = frame[:3, :3].copy()
    rotation[:, :2] = frame[:3, :2] @ turn
    position = rotation @ np.array([*centre, -_THICKNESS_M / 2]) + frame[:3, 3]
    return make_geom("box", (*np.maximum(half, 0.005), _THICKNESS_M / 2), position, rotation)


def _frame(plane: Plane, near: np.ndarray) -> np.ndarray:
    z = plane.normal
    x = np.cross([0.0, 0.0, 1.0], z)
    x = np.array([1.0, 0.0, 0.0]) if np.linalg.norm(x) < 0.1 else x / np.linalg.norm(x)
    y = np.cross(z, x)
    y /= np.linalg.norm(y)
    frame = np.eye(4)
    frame[:3, :3] = np.column_stack([np.cross(y, z), y, z])
    frame[:3, 3] = near - plane.height(near[None])[0] * plane.normal
    return frame
