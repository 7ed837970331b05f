"""Coloured surfaces for pictures: the colliders, cut fine enough to carry the scan's colours."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import rasterize
from r2s.reconstruct.parts import Part
from r2s.reconstruct.solids import to_local, to_world, triangles

Visual = tuple[np.ndarray, np.ndarray, np.ndarray]
_EDGE_M = 0.02  # triangles are cut until their edges are about this long ...
_LIMIT = 6000  # ... or a body has this many
_BRIDGED_CELLS = 3  # of a height field: narrower gaps between its points are ground that was seen
_NEAR_M = 0.06  # a vertex takes the colour of the nearest own point within this distance


def visuals(parts: list[Part], cloud: Cloud) -> tuple[Visual, ...]:
    """Return per part vertices (v, 3) float32 world, faces (f, 3) int32, colors (v, 3) uint8."""
    return tuple(_visual(part, cloud) for part in parts)


def _visual(part: Part, cloud: Cloud) -> Visual:
    vertices, faces, offset = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], 0
    for geom in part.geoms:
        if geom.shape == "plane":
            v, f = _plane_patch(geom, part, cloud)
        elif geom.shape == "hfield":
            v, f = _seen_ground(*triangles(geom, part.hulls), cloud.points[part.points])
        else:
            v, f = triangles(geom, part.hulls)
        vertices.append(v)
        faces.append(f + offset)
        offset += len(v)
    v, f = _cut(np.concatenate(vertices), np.concatenate(faces))
    return v.astype(np.float32), f.astype(np.int32), _colors(v, part, cloud)


def _plane_patch(geom: Geom, part: Part, cloud: Cloud) -> tuple[np.ndarray, np.ndarray]:
    """Return the rectangle of a plane that its points reach."""
    local = to_local(geom, cloud.points[part.points])
    lo, hi = (local.min(0), local.max(0)) if len(local) else (-np.ones(3), np.ones(3))
    corners = np.array([[lo[0], lo[1], 0], [hi[0], lo[1], 0], [hi[0], hi[1], 0], [lo[0], hi[1], 0]])
    return to_world(geom, corners), np.array([[0, 1, 2], [0, 2, 3]])


def _seen_ground(
    vertices: np.ndarray, faces: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what of a height field has points (n, 3) near, or all around at some distance."""
    cell = float(vertices[1, 0] - vertices[0, 0])
    area = rasterize(points[:, :2], cell, close_cells=_BRIDGED_CELLS, fill=False)
    seen = area.contains(vertices[faces].mean(axis=1)[:, :2])
    used, index = np.unique(faces[seen], return_inverse=True)
    return vertices[used], index.reshape(-1, 3)


def _cut(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split every triangle whose longest edge is too long in four, while the limit allows it."""
    while len(faces):
        corners = vertices[faces]
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        split = longest > _EDGE_M
        if not split.any() or len(faces) + 3 * split.sum() > _LIMIT:
            break
        a, b, c = (corners[split, i] for i in range(3))
        n, k = len(vertices), int(split.sum())
        vertices = np.concatenate([vertices, 0.5 * (a + b), 0.5 * (b + c), 0.5 * (c + a)])
        ab, bc, ca = n + np.arange(k), n + k + np.arange(k), n + 2 * k + np.arange(k)
        i, j, m = faces[split].T
        new = [np.column_stack(t) for t in ((i, ab, ca), (ab, j, bc), (ca, bc, m), (ab, bc, ca))]
        faces = np.concatenate([faces[~split], *new])
    return vertices, faces


def _colors(vertices: np.ndarray, part: Part, cloud: Cloud) -> np.ndarray:
    from scipy.spatial import KDTree

    if not len(cloud.colors) or not len(part.points):
        return np.full((len(vertices), 3), 178, np.uint8)
    own = cloud.colors[part.points]
    colors = np.tile(np.round(own.astype(float).mean(0)).astype(np.uint8), (len(vertices), 1))
    distance, nearest = KDTree(cloud.points[part.points]).query(
        vertices, distance_upper_bound=_NEAR_M
    )
    near = np.isfinite(distance)
    colors[near] = own[np.asarray(nearest)[near]]
    return colors
