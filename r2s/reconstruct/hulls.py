"""Hulls of things no primitive explains: one, or CoACD's, of the solid that the sensor leaves possible.

The solid is the convex hull of the completed points, closed down to the support, minus the air that was
seen inside it (a handle's hole, the inside of a cup), on cells much finer than the place's free space.
CoACD runs in a child process: its asserts abort.
"""

from __future__ import annotations

import numpy as np

from r2s.core.errors import R2SError
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.freespace import FreeSpace, carve_near
from r2s.reconstruct.primitives import Standing
from r2s.reconstruct.rays import Rays
from r2s.reconstruct.solids import Hull

MAX_VERTICES = 32
MAX_HULLS = 16  # of one movable object
_NEARLY_CONVEX = 0.85  # solid over hull volume above which hulls are enough
_GRID = 96  # cells along the longest side
_LEAST_CELL_M = 0.002


def convex_hull(points: np.ndarray, max_vertices: int = MAX_VERTICES) -> Hull | None:
    """Return a convex hull of at most `max_vertices`, or None if the points are flat.

    Vertices are added farthest first, so what is cut off is the least that so many can leave out.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners = points[ConvexHull(points).vertices]
        chosen = _extremes(corners)
        while True:
            hull = ConvexHull(corners[chosen])
            outside = (corners @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)
            worst = int(np.argmax(outside))
            if outside[worst] < 1e-6 or len(chosen) >= max_vertices:
                break
            chosen.append(worst)
    except (QhullError, ValueError, IndexError):
        return None
    vertices = corners[chosen]
    used, faces = np.unique(hull.simplices, return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int32)
    vertices = vertices[used]
    return vertices, _outward(vertices, faces)


def _extremes(corners: np.ndarray) -> list[int]:
    """Return indices of a spread-out, non-flat start: extremes along the axes."""
    picks = [
        int(i) for axis in range(3) for i in (corners[:, axis].argmin(), corners[:, axis].argmax())
    ]
    start = list(dict.fromkeys(picks))
    for extra in range(len(corners)):
        if np.linalg.matrix_rank(corners[start] - corners[start].mean(0), tol=1e-6) == 3:
            break
        if extra not in start:
            start.append(extra)
    return start


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    inward = np.sum(np.cross(b - a, c - a) * (a - vertices.mean(0)), axis=1) < 0
    faces = faces.copy()
    faces[inward] = faces[inward][:, ::-1]
    return faces


def closed_down(points: np.ndarray) -> np.ndarray:
    """Return points (n, 3) of the support frame and their projection onto the support (z = 0)."""
    return np.concatenate([points, points * [1.0, 1.0, 0.0]])


def explain_by_hulls(
    thing: Standing, cloud: Cloud, rays: Rays, free: FreeSpace, seed: int
) -> tuple[list[Hull], str]:
    """Return hulls in the support frame and a note; an empty list if the thing is flat.

    Args:
        free: the place's free space, which counts where viewpoints are guesses.
    """
    whole = convex_hull(closed_down(thing.completed))
    if whole is None:
        return [], "flat"
    # Seen air is carved only where it keeps clear of the points: more than noise and voxels move them.
    clear_m = cloud.ray_end_m if rays.measured else cloud.clear_m
    cell = max(float(np.ptp(whole[0], axis=0).max()) / _GRID, 0.5 * clear_m, _LEAST_CELL_M)
    clear_m = max(clear_m, cell)
    near, air = _around(whole, thing, cloud, rays, cell, clear_m)
    solid, origin = _possible_solid(whole, near, thing.T_world_support, air or free, cell, clear_m)
    if solid.sum() == 0 or _share(whole, solid, cell) >= _NEARLY_CONVEX:
        return [whole], ""
    try:
        parts = _decompose(solid, origin, cell, clear_m, seed)
    except R2SError as error:
        return [whole], f"one hull in place of a decomposition: {error.what}"
    hulls = [hull for hull in (convex_hull(part) for part in parts) if hull is not None]
    return (hulls, "") if hulls else ([whole], "one hull: the decomposition was empty")


def _around(
    whole: Hull, thing: Standing, cloud: Cloud, rays: Rays, cell: float, clear_m: float
) -> tuple[np.ndarray, FreeSpace | None]:
    """Return points (n, 3) near a thing, support frame, and the fine free space; None for guessed rays.

    Its foot, which is within the tolerance of its support, is nobody's points: those that stand out
    count with its own.
    """
    T = thing.T_world_support
    world = whole[0] @ T[:3, :3].T + T[:3, 3]
    lo, hi = world.min(0) - 2 * cell, world.max(0) + 2 * cell
    if not rays.measured:
        return thing.points, None
    inside = cloud.points[np.all((cloud.points >= lo) & (cloud.points <= hi), axis=1)]
    local = (inside - T[:3, 3]) @ T[:3, :3]
    near = np.concatenate([thing.points, local[local[:, 2] > clear_m]])
    return near, carve_near(
        cloud.points, rays, lo, hi, cell_m=cell, before_m=clear_m, apart_m=cloud.voxel_m
    )


def _possible_solid(whole: Hull, points, T, free: FreeSpace, cell: float, clear_m: float):
    """Return occupancy (nx, ny, nz) of the hull minus seen air, and its origin (3,)."""
    from scipy.spatial import ConvexHull, KDTree

    lo, hi = whole[0].min(0), whole[0].max(0)
    shape = np.maximum(np.ceil((hi - lo) / cell).astype(int), 1) + 4
    origin = lo - 2 * cell
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), -1).reshape(-1, 3)
    centres = origin + (grid + 0.5) * cell
    equations = ConvexHull(whole[0]).equations
    inside = (centres @ equations[:, :3].T + equations[:, 3]).max(axis=1) <= 0
    index = np.flatnonzero(inside)
    world = centres[index] @ T[:3, :3].T + T[:3, 3]
    index = index[free.contains(world)]
    inside[index[KDTree(points).query(centres[index])[0] > clear_m]] = False
    return _without_crumbs(inside.reshape(tuple(shape))), origin


def _without_crumbs(solid: np.ndarray) -> np.ndarray:
    """Return the solid without parts smaller than a twentieth of it."""
    from scipy import ndimage

    labels, count = ndimage.label(solid)  # type: ignore[misc]
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes >= 0.05 * sizes[1:].sum()
    keep[0] = False
    return keep[labels]


def _share(whole: Hull, solid: np.ndarray, cell: float) -> float:
    from scipy.spatial import ConvexHull

    return float(solid.sum()) * cell**3 / max(float(ConvexHull(whole[0]).volume), 1e-12)


def _decompose(
    solid: np.ndarray, origin: np.ndarray, cell: float, clear_m: float, seed: int
) -> list[np.ndarray]:
    from r2s.guard.child import run_limited
    from r2s.guard.limits import LIMITS

    return run_limited(
        "r2s.reconstruct.coacd_worker:decompose",
        (solid, origin, cell, clear_m, MAX_VERTICES, MAX_HULLS, seed),
        limits=LIMITS.geometry,
        what="CoACD decomposing an object",
    )
