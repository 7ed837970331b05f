"""The sides nobody saw: half a turn about the vertical, only into space that no ray crossed."""

from __future__ import annotations

import numpy as np

from r2s.reconstruct.freespace import FreeSpace

_OUTER = 0.12  # share of the width, at each side, whose depth says where the middle is
_MIN_DEPTH = 0.5  # of the smaller of width and height: depth assumed of a flat front


def complete(
    points: np.ndarray, viewpoint: np.ndarray | None, T_world_support: np.ndarray, free: FreeSpace
) -> np.ndarray:
    """Return the points (n, 3) of a standing thing and the ones that symmetry adds to them.

    Boxes, cylinders and bottles are the same after half a turn about their vertical axis. The axis is
    midway between the outermost points on the left and right as seen from the viewpoint. A flat front
    says nothing about its depth: half of the smaller of width and height is assumed.

    Args:
        points: support frame, z = height.
        viewpoint: (3,) support frame; None where the thing was seen from all around: nothing is added.
    """
    if viewpoint is None or len(points) < 8:
        return points
    view = (points[:, :2].mean(0) - viewpoint[:2]).astype(float)
    if np.linalg.norm(view) < 1e-6:
        return points
    view /= np.linalg.norm(view)
    across = np.array([-view[1], view[0]])
    u, t = points[:, :2] @ across, points[:, :2] @ view
    lo, hi = np.quantile(u, [0.01, 0.99])
    width = hi - lo
    sides = [t[u < lo + _OUTER * width], t[u > hi - _OUTER * width]]
    middle = float(np.mean([0.5 * np.quantile(s, [0.05, 0.95]).sum() for s in sides]))
    front = float(np.quantile(t, 0.02))
    depth = max(2 * (middle - front), float(np.quantile(t, 0.98)) - front)
    least = _MIN_DEPTH * min(width, float(np.quantile(points[:, 2], 0.98)))
    if depth < least:
        middle = front + 0.5 * least
    axis = 0.5 * (lo + hi) * across + middle * view
    turned = points.copy()
    turned[:, :2] = 2 * axis - points[:, :2]
    turned = turned[turned[:, :2] @ view > front]
    world = turned @ T_world_support[:3, :3].T + T_world_support[:3, 3]
    return np.concatenate([points, turned[~free.contains(world)]])
