"""Upright rectangles around points of a plane."""

from __future__ import annotations

import numpy as np


def min_rectangle(xy: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return centre (2,), yaw [rad] in [0, pi/2) and half extents (2,) of the smallest rectangle.

    Rotating calipers: one side of the smallest rectangle lies on an edge of the convex hull.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = xy[ConvexHull(xy).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        hull = xy
    edges = np.roll(hull, -1, axis=0) - hull
    edges = edges[np.linalg.norm(edges, axis=1) > 1e-9]
    if not len(edges):
        return xy.mean(0), 0.0, np.full(2, 1e-3)
    yaws = np.unique(np.round(np.mod(np.arctan2(edges[:, 1], edges[:, 0]), np.pi / 2), 9))
    best = None
    for yaw in yaws:
        centre, half = rectangle_at(hull, yaw)
        area = 4 * half[0] * half[1]
        if best is None or area < best[0] - 1e-12:
            best = (area, centre, float(yaw), half)
    assert best is not None
    return best[1], best[2], np.maximum(best[3], 1e-4)


def rectangle_at(xy: np.ndarray, yaw: float, trim: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return centre (2,) and half extents (2,) of the rectangle at `yaw` [rad] around (n, 2) points.

    `trim` drops that share of points at each side.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    local = xy @ np.array([[c, -s], [s, c]])
    if trim:
        lo, hi = np.quantile(local, trim, axis=0), np.quantile(local, 1 - trim, axis=0)
    else:
        lo, hi = local.min(0), local.max(0)
    return np.array([[c, -s], [s, c]]) @ (0.5 * (lo + hi)), 0.5 * (hi - lo)
