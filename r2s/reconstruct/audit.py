"""The twin check: how the collision geometry compares with what the sensor saw (docs/twin-metrics.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import TwinAudit
from r2s.core.native import open3d
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.rays import Rays
from r2s.reconstruct.solids import (
    Hull,
    nearest_distance,
    sample_inside,
    signed_distance,
    triangles,
    volume,
)

_FREE_SAMPLES = 120_000
_POINT_SAMPLES = 150_000
_RAY_SAMPLES = 200_000
UNEXPLAINED_VOXELS = 3.0
MISSED_M = 0.02


def audit(
    geoms: Sequence[Geom],
    hulls: Sequence[Hull],
    owner: np.ndarray,
    names: Sequence[str],
    points: np.ndarray,
    rays: Rays,
    free: FreeSpace,
    voxel_m: float,
    rng: np.random.Generator,
) -> tuple[TwinAudit, dict[str, dict[str, float]]]:
    """Compare colliders with a scan; return the metrics and, per body, its share of the failures.

    Args:
        owner: (g,) index into `names` of the body each geom belongs to.
        points: (n, 3) all scan points; `rays` end at some of them.
        rng: for the sub-samples that keep the work bounded.
    """
    distance, hit = cast(geoms, hulls, points, rays, rng)
    measured = np.isfinite(distance)
    chosen = np.arange(len(points))
    if len(points) > _POINT_SAMPLES:
        chosen = np.sort(rng.choice(len(points), _POINT_SAMPLES, replace=False))
    reach = max(UNEXPLAINED_VOXELS * voxel_m, MISSED_M) + 1e-6
    to_solid, _ = nearest_distance(geoms, hulls, points[chosen], reach)
    to_surface = _surface_distance(geoms, hulls, points[chosen], reach)
    missing_ray = np.zeros(len(points), bool)
    missing_ray[hit[~measured]] = True
    unexplained = (to_surface > UNEXPLAINED_VOXELS * voxel_m) | missing_ray[chosen]
    blame = _blame(geoms, hulls, owner, names, points, free, rng)
    error = np.abs(distance[measured])
    totals = blame.pop("")
    phantom = _phantom(geoms, hulls, free)
    worst = max(blame, key=lambda name: blame[name]["blocked_5cm"], default="")
    return (
        TwinAudit(
            twin_median_m=float(np.median(error)) if len(error) else None,
            twin_p95_m=float(np.quantile(error, 0.95)) if len(error) else None,
            unexplained_fraction=float(unexplained.mean()),
            phantom_fraction=phantom,
            blocked_all=totals["blocked_all"] if totals else None,
            blocked_2cm=totals["blocked_2cm"] if totals else None,
            blocked_5cm=totals["blocked_5cm"] if totals else None,
            missed_2cm=float((to_solid > MISSED_M).mean()),
            rays=len(distance),
            worst_body=worst if worst and blame[worst]["blocked_5cm"] > 0 else "",
        ),
        blame,
    )


def cast(geoms, hulls, points, rays: Rays, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return signed range errors (k,) [m], inf where a ray hits nothing, and its point index (k,)."""
    use = np.arange(len(rays.points))
    if len(use) > _RAY_SAMPLES:
        use = np.sort(rng.choice(len(use), _RAY_SAMPLES, replace=False))
    if not len(use) or not geoms:
        return np.full(len(use), np.inf), rays.points[use]
    scene = raycasting_scene(geoms, hulls)
    delta = points[rays.points[use]] - rays.origins[use]
    length = np.linalg.norm(delta, axis=1)
    o3d = open3d()
    packed = np.column_stack([rays.origins[use], delta / length[:, None]]).astype(np.float32)
    t = scene.cast_rays(o3d.core.Tensor(packed))["t_hit"].numpy().astype(float)
    return t - length, rays.points[use]


def raycasting_scene(geoms: Sequence[Geom], hulls: Sequence[Hull]):
    """Return an Open3D RaycastingScene whose geometry ids are the geoms' indices."""
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    for geom in geoms:
        vertices, faces = triangles(geom, hulls)
        scene.add_triangles(
            o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
        )
    return scene


def _surface_distance(geoms, hulls, points, reach: float) -> np.ndarray:
    """Return (n,) distance to the nearest collider surface, from inside or outside, up to `reach`."""
    from r2s.reconstruct.solids import bounds

    best = np.full(len(points), reach)
    for geom in geoms:
        lo, hi = bounds(geom, hulls)
        near = np.flatnonzero(np.all((points >= lo - reach) & (points <= hi + reach), axis=1))
        if len(near):
            d = np.abs(signed_distance(geom, hulls, points[near]))
            best[near] = np.minimum(best[near], d)
    return best


def _blame(geoms, hulls, owner, names, points, free: FreeSpace, rng) -> dict[str, dict[str, float]]:
    """Return blocked shares of free space in all ("") and per body."""
    from scipy.spatial import KDTree

    samples = free.samples(_FREE_SAMPLES, rng)
    if not len(samples):
        return {"": {}}
    clearance, _ = KDTree(points).query(samples, distance_upper_bound=0.06)
    depth, which = nearest_distance(geoms, hulls, samples, 1e-9)
    inside = (which >= 0) & (depth < 0)
    result = {"": {}, **{name: {} for name in names}}
    for key, least in (("blocked_all", 0.0), ("blocked_2cm", 0.02), ("blocked_5cm", 0.05)):
        open_space = clearance >= least
        total = max(int(open_space.sum()), 1)
        blocked = inside & open_space
        result[""][key] = float(blocked.sum()) / total
        counts = np.bincount(owner[which[blocked]], minlength=len(names)) if blocked.any() else None
        for index, name in enumerate(names):
            result[name][key] = float(counts[index]) / total if counts is not None else 0.0
    return result


def _phantom(geoms, hulls, free: FreeSpace) -> float | None:
    """Return the share of collider volume that lies in observed free space."""
    total, wrong = 0.0, 0.0
    for geom in geoms:
        v = volume(geom, hulls)
        if v <= 0:
            continue
        inside = sample_inside(geom, hulls, free.cell_m, 4000)
        total += v
        wrong += v * float(free.contains(inside).mean()) if len(inside) else 0.0
    return wrong / total if total > 0 and free.grid.any() else None
