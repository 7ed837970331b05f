"""A height field: heights of a regular grid of nodes, two triangles per cell, solid below.

In memory a field is the mesh of its nodes, row by row (y), each row along x, so that whatever handles
meshes handles it; an artifact keeps the heights. Cells are cut from their lower left to their upper right
node, as MuJoCo cuts them. All lengths in metres, in the field's own frame: x, y from its middle, z up.
"""

from __future__ import annotations

import numpy as np


def grid_mesh(heights: np.ndarray, half_x: float, half_y: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (v, 3) float32 and upward faces (f, 3) int32 of heights (rows, columns)."""
    rows, columns = heights.shape
    x, y = np.linspace(-half_x, half_x, columns), np.linspace(-half_y, half_y, rows)
    grid = np.stack([*np.meshgrid(x, y), heights], axis=-1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, up, across = corner + 1, corner + columns, corner + columns + 1
    faces = np.stack([corner, right, across, corner, across, up], axis=1)
    return grid.reshape(-1, 3).astype(np.float32), faces.reshape(-1, 3).astype(np.int32)


def grid_heights(nodes: np.ndarray) -> np.ndarray:
    """Return the heights (rows, columns) of `grid_mesh`'s nodes."""
    columns = int((nodes[:, 1] == nodes[0, 1]).sum())
    return np.asarray(nodes[:, 2]).reshape(-1, columns)


def surface_at(
    nodes: np.ndarray, xy: np.ndarray, *, inside: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return heights (n,) of the surface at (n, 2), and its upward unit normals there (n, 3).

    Beyond the border the height of the border; with `inside` it is nan there.
    """
    heights = grid_heights(nodes).astype(float)
    rows, columns = heights.shape
    low, high = nodes[0, :2].astype(float), nodes[-1, :2].astype(float)
    cell = (high - low) / (columns - 1, rows - 1)
    at = (np.clip(xy, low, high) - low) / cell
    i, j = np.minimum(at.astype(np.int64), (columns - 2, rows - 2)).T
    a, b = (at - np.column_stack([i, j])).T
    z, right, up, across = (
        heights[j, i],
        heights[j, i + 1],
        heights[j + 1, i],
        heights[j + 1, i + 1],
    )
    below = a >= b  # the triangle at the lower right
    slope_x = np.where(below, right - z, across - up)
    slope_y = np.where(below, across - right, up - z)
    normal = np.column_stack([-slope_x / cell[0], -slope_y / cell[1], np.ones(len(z))])
    height = z + a * slope_x + b * slope_y
    if inside:
        height = np.where(np.all((xy >= low) & (xy <= high), axis=1), height, np.nan)
    return height, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def signed_distance_to(nodes: np.ndarray, base_m: float, points: np.ndarray) -> np.ndarray:
    """Return (n,) distances [m] of (n, 3) points to the solid, negative inside.

    Args:
        base_m: how deep the solid goes below z = 0.

    Beside the solid exact; above and in it the distance to the plane of the triangle over or under the
    point: exact on an even slope, too large by a bend's share where a crest is nearer.
    """
    height, normal = surface_at(nodes, points[:, :2])
    over = (points[:, 2] - height) * normal[:, 2]
    low, high = nodes[0, :2], nodes[-1, :2]
    beside = np.maximum(np.maximum(low - points[:, :2], points[:, :2] - high), 0)
    outside = np.linalg.norm(np.column_stack([beside, np.maximum(over, 0)]), axis=1)
    inside = np.maximum(over, -base_m - points[:, 2])
    return np.where(np.any(beside > 0, axis=1), outside, inside)
