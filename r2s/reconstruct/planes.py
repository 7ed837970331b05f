"""Large planes of a cloud: seeded local hypotheses, then total least squares on the inliers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_SCORE_POINTS = 12_000  # hypotheses are scored on at most this many points
_HYPOTHESES = 160
_PATCH_POINTS = 80  # neighbours that make one hypothesis
_NORMAL_COSINE = 0.85  # an inlier's normal agrees within about 32 degrees
# What stands a centimetre before a wall (the back of a shelf, a skirting board) is within the tolerance and
# turns a least squares plane by tenths of a degree. So the last fits weigh points by how near they are, ever
# more strictly (graduated non-convexity, Yang et al. 2020): the scale of the weights, in tolerances.
_STRICTER = (0.75, 0.56, 0.42, 0.32, 0.24, 0.18, 0.18, 0.18, 0.18)
_CORE_POINTS = 100  # fewer are no wall with something before it


class Plane(NamedTuple):
    """`normal` (3,) unit, `offset` [m]: points x on it have normal @ x = offset."""

    normal: np.ndarray
    offset: float

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return (n,) signed distances along the normal [m]."""
        return points @ self.normal - self.offset


def fit_plane(points: np.ndarray, weight: np.ndarray | None = None) -> Plane:
    """Return the total least squares plane of (n >= 3, 3) points; the normal's largest part is positive.

    weight: (n,) of the points, positive; all the same by default.
    """
    centre = np.average(points, axis=0, weights=weight)
    normal = np.linalg.eigh(np.cov((points - centre).T, aweights=weight))[1][:, 0]
    if normal[np.argmax(np.abs(normal))] < 0:
        normal = -normal
    return Plane(normal, float(normal @ centre))


def inliers(
    plane: Plane, points: np.ndarray, normals: np.ndarray, tolerance_m: float
) -> np.ndarray:
    """Return (n,) bool: near the plane, with a normal along it (either way)."""
    near = np.abs(plane.height(points)) <= tolerance_m
    return near & (np.abs(normals @ plane.normal) >= _NORMAL_COSINE)


def largest_plane(
    points: np.ndarray,
    normals: np.ndarray,
    *,
    tolerance_m: float,
    patch_m: float,
    max_tilt_from: tuple[np.ndarray, float, float],
    rng: np.random.Generator,
) -> tuple[Plane, np.ndarray] | None:
    """Return the plane with the most inliers and its inlier mask (n,), or None.

    Args:
        points, normals: (n, 3), one point per voxel, so that counts are areas.
        patch_m: radius of the neighbourhood a hypothesis is fitted to.
        max_tilt_from: (axis (3,), least, most): bounds on |cos| of the angle of normal and axis.
        rng: its draws depend only on the number of points.
    """
    from scipy.spatial import KDTree

    if len(points) < 3 * _PATCH_POINTS // 4:
        return None
    axis, least, most = max_tilt_from
    pick = np.arange(len(points))
    if len(points) > _SCORE_POINTS:
        pick = np.sort(rng.choice(len(points), _SCORE_POINTS, replace=False))
    p, n = points[pick], normals[pick]
    seeds = rng.choice(len(p), min(_HYPOTHESES, len(p)), replace=False)
    distance, index = KDTree(p).query(
        p[seeds], k=min(_PATCH_POINTS, len(p)), distance_upper_bound=patch_m
    )
    best, best_score = None, 0
    for row, seed in enumerate(seeds):
        near = np.asarray(index)[row][np.isfinite(distance[row])]
        near = near[np.abs(n[near] @ n[seed]) > _NORMAL_COSINE]
        if len(near) < 8:
            continue
        plane = fit_plane(p[near])
        if not least <= abs(plane.normal @ axis) <= most:
            continue
        score = int(inliers(plane, p, n, tolerance_m).sum())
        if score > best_score:
            best, best_score = plane, score
    if best is None:
        return None
    found = refine(best, points, normals, tolerance_m)
    return found if found[1].any() else None  # refitted to bent depth, a plane may lose them all


def refine(plane: Plane, points, normals, tolerance_m: float) -> tuple[Plane, np.ndarray]:
    """Return the plane refitted to its inliers, then to where most of them lie, and the inliers (n,) bool."""
    for factor in (1.5, 1.2, 1.0, 1.0, 1.0):
        chosen = inliers(plane, points, normals, factor * tolerance_m)
        if chosen.sum() < 8:
            break
        plane = _refitted(plane, points[chosen])
    core = points[inliers(plane, points, normals, tolerance_m)]
    for share in _STRICTER if len(core) >= _CORE_POINTS else ():
        weight = 1 / (1 + (plane.height(core) / (share * tolerance_m)) ** 2) ** 2  # Geman-McClure's
        plane = _refitted(plane, core, weight)
    return plane, inliers(plane, points, normals, tolerance_m)


def _refitted(plane: Plane, points: np.ndarray, weight: np.ndarray | None = None) -> Plane:
    """Return the plane of the points, its normal on the same side as before."""
    found = fit_plane(points, weight)
    return found if found.normal @ plane.normal > 0 else Plane(-found.normal, -found.offset)
