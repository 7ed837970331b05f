"""The twin check: how the collision geometry compares with what the sensor saw (docs/twin-metrics.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2s.artifacts.geometry import Geom, Vec3
from r2s.artifacts.reconstruction import TwinAudit
from r2s.core.native import open3d
from r2s.reconstruct.cloud import clusters
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.parts import surface_samples
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
_SURFACE_SPACING_M = 0.05
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
    *,
    movable: np.ndarray,
    left_out: np.ndarray,
) -> TwinAudit:
    """Compare colliders with a scan.

    Args:
        owner: (g,) index into `names` of the body each geom belongs to.
        points: (n, 3) all scan points; `rays` end at some of them.
        rng: for the sub-samples that keep the work bounded.
        movable: (b,) bool per body.
        left_out: indices of points that do not count: what a person dropped.
    """
    counted = np.ones(len(points), bool)
    counted[left_out] = False
    ends = counted[rays.points]
    rays = Rays(rays.origins[ends], rays.points[ends], rays.evidence, rays.measured)
    distance, hit = cast(geoms, hulls, points, rays, rng)
    measured = np.isfinite(distance)
    chosen = np.flatnonzero(counted)
    if len(chosen) > _POINT_SAMPLES:
        chosen = np.sort(rng.choice(chosen, _POINT_SAMPLES, replace=False))
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
    blocked = blame[worst]["blocked_5cm"] if worst else 0.0
    missed = points[chosen][to_solid > MISSED_M]
    where, near = _largest_gap(missed, geoms, hulls, owner, names, voxel_m)
    return TwinAudit(
        twin_median_m=float(np.median(error)) if len(error) else None,
        twin_p95_m=float(np.quantile(error, 0.95)) if len(error) else None,
        unexplained_fraction=float(unexplained.mean()),
        phantom_fraction=phantom,
        blocked_all=totals["blocked_all"] if totals else None,
        blocked_2cm=totals["blocked_2cm"] if totals else None,
        blocked_5cm=totals["blocked_5cm"] if totals else None,
        missed_2cm=float((to_solid > MISSED_M).mean()),
        rays=len(distance),
        worst_body=worst if blocked > 0 else "",
        worst_blocked_5cm=blocked,
        worst_missed_m=where,
        worst_missed_near=near,
        hausdorff_scan_to_twin_m=_farthest(geoms, hulls, points[chosen], to_surface, reach),
        hausdorff_twin_to_scan_m=_farthest_collider(geoms, hulls, points),
        geoms=len(geoms),
        vertices=sum(len(hulls[geom.hull][0]) for geom in geoms if geom.shape == "hull"),
        predicted_steps_per_s=predicted_steps_per_s(
            int((~movable[owner]).sum()), int(movable.sum())
        ),
    )


def predicted_steps_per_s(static_geoms: int, movable_bodies: int) -> float:
    """Return about how many steps a second one core makes of a twin without a robot, in C MuJoCo.

    Fitted to the twins of six real captures on a 2020s server core, all within a factor of 1.7: for
    comparing twins, not machines. A step costs 3 us, each static geom 0.02 us (broad phase), each movable
    body 6 us (its contacts and constraints) and 0.016 us more per static geom it is compared with.
    """
    microseconds = 3.0 + 0.02 * static_geoms + movable_bodies * (6.0 + 0.016 * static_geoms)
    return float(f"{1e6 / microseconds:.3g}")


def _farthest(geoms, hulls, points, near: np.ndarray, reach: float) -> float | None:
    """Return the largest distance [m] of any point from a collider's surface.

    Args:
        near: (n,) these distances as far as they are below `reach`.
    """
    if not geoms or not len(points):
        return None
    worst, far = float(near.max()), points[near >= reach]
    while len(far) and reach < 100.0:
        reach *= 4
        distance = _surface_distance(geoms, hulls, far, reach)
        worst, far = float(distance.max()), far[distance >= reach]
    return worst


def _farthest_collider(geoms, hulls, points: np.ndarray) -> float | None:
    """Return the largest distance [m] of any bounded collider's surface from a scan point.

    Sides that nobody could see count: the back of a wall, the underside of a table.
    """
    from scipy.spatial import KDTree

    bounded = [geom for geom in geoms if geom.shape != "plane"]
    if not bounded or not len(points):
        return None
    surface = [surface_samples((geom,), hulls, _SURFACE_SPACING_M) for geom in bounded]
    return float(KDTree(points).query(np.concatenate(surface))[0].max())


def _largest_gap(
    missed: np.ndarray, geoms, hulls, owner: np.ndarray, names: Sequence[str], voxel_m: float
) -> tuple[Vec3 | None, str]:
    """Return the middle of the largest group of missed points (m, 3), and the body nearest to it."""
    groups = clusters(missed, 4 * voxel_m, 1)
    if not groups:
        return None, ""
    centre = missed[groups[0]].mean(0)
    near = ""
    if geoms:
        distance = [float(signed_distance(geom, hulls, centre[None])[0]) for geom in geoms]
        near = str(names[int(owner[int(np.argmin(np.abs(distance)))])])
    return (float(centre[0]), float(centre[1]), float(centre[2])), near


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
