"""Colliders and meshes as triangles with a normal per corner, in their own frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from r2s.core.rigid import Array

SEGMENTS, RINGS = 40, 12
PLANE_HALF_M = 12.0  # how much is drawn of a plane without size
SMOOTH_COSINE = 0.75  # faces that meet flatter than this look round


@dataclass(frozen=True, eq=False)
class Surface:
    """Attributes:
    vertices: (3 f, 3) float32, three per triangle.
    normals: (3 f, 3) float32, one per corner.
    """

    vertices: np.ndarray
    normals: np.ndarray


@lru_cache(maxsize=512)
def primitive(kind: str, size: tuple[float, float, float]) -> Surface:
    """Return a `plane`, `box`, `sphere`, `ellipsoid`, `capsule` or `cylinder` of MuJoCo's `size`."""
    if kind == "box":
        return faceted(*_box(np.asarray(size)))
    if kind == "plane":
        x, y = (s if s > 0 else PLANE_HALF_M for s in size[:2])
        corners = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], np.float64)
        return faceted(corners, np.array([[0, 1, 2], [0, 2, 3]]))
    if kind in ("sphere", "ellipsoid"):
        scale = np.full(3, size[0]) if kind == "sphere" else np.asarray(size)
        return smooth(*_revolved(_arc(1.0, 0.0)), scale)
    if kind == "capsule":
        return smooth(*_revolved(_arc(size[0], size[1])))
    radius, half = size[0], size[1]
    outline = np.array([[0, half], [radius, half], [radius, -half], [0, -half]], np.float64)
    return smooth(*_revolved(outline))


def mesh(vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """Return a triangle mesh, shaded smoothly where it is nearly flat."""
    return smooth(np.asarray(vertices, np.float64), np.asarray(faces))


def hull(vertices: np.ndarray) -> Surface:
    """Return the convex hull of (v, 3) vertices."""
    from scipy.spatial import ConvexHull

    points = np.asarray(vertices, np.float64)
    found = ConvexHull(points)
    faces = found.simplices.copy()
    a, b, c = (points[faces[:, i]] for i in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), found.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faceted(points, faces)


def faceted(vertices: Array, faces: np.ndarray) -> Surface:
    """Return triangles with their own normals."""
    corners = vertices[faces]
    normals = np.repeat(_unit(_cross(corners)), 3, axis=0)
    return Surface(corners.reshape(-1, 3).astype(np.float32), normals.astype(np.float32))


def smooth(vertices: Array, faces: np.ndarray, scale: Array | None = None) -> Surface:
    """Return triangles whose corner normals are means over the faces around, except across edges."""
    vertices = vertices if scale is None else vertices * scale
    corners = vertices[faces]
    weighted = _cross(corners)
    face_normals = _unit(weighted)
    # STL files repeat vertices; equal positions are one corner.
    index = _merged(corners.reshape(-1, 3))
    total = np.zeros((index.max() + 1 if len(index) else 0, 3))
    for axis in range(3):
        total[:, axis] = np.bincount(index, np.repeat(weighted[:, axis], 3), len(total))
    mean, flat = _unit(total)[index], np.repeat(face_normals, 3, axis=0)
    normals = np.where((np.einsum("ij,ij->i", mean, flat) > SMOOTH_COSINE)[:, None], mean, flat)
    return Surface(corners.reshape(-1, 3).astype(np.float32), normals.astype(np.float32))


def _merged(points: Array) -> np.ndarray:
    """Return (n,) indices that are equal for points closer than about a micrometre per metre of size."""
    if not len(points):
        return np.zeros(0, np.int64)
    low, extent = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    cell = np.round((points - low) / extent * 2**20).astype(np.int64)
    keys = (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _box(half: Array) -> tuple[Array, np.ndarray]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return corners * half, np.array(faces)


def _arc(radius: float, half: float) -> Array:
    """Return (n, 2) outline (distance from the axis, height) of a capsule, top to bottom."""
    turn = np.linspace(0, np.pi / 2, RINGS)
    top = np.stack([radius * np.sin(turn), half + radius * np.cos(turn)], axis=1)
    return np.concatenate([top, (top * [1, -1])[::-1]])


def _revolved(outline: Array) -> tuple[Array, np.ndarray]:
    """Return the surface of an outline (n, 2), top to bottom, turned about z."""
    turn = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    xy = outline[:, None, :1] * ring
    z = np.broadcast_to(outline[:, None, 1:], (*xy.shape[:2], 1))
    vertices = np.concatenate([xy, z], axis=2).reshape(-1, 3)
    faces = []
    for row in range(len(outline) - 1):
        a = row * SEGMENTS + np.arange(SEGMENTS)
        b = row * SEGMENTS + (np.arange(SEGMENTS) + 1) % SEGMENTS
        faces += [np.stack([a, a + SEGMENTS, b + SEGMENTS], 1), np.stack([a, b + SEGMENTS, b], 1)]
    found = np.concatenate(faces)
    corners = vertices[found]
    return vertices, found[np.linalg.norm(_cross(corners), axis=1) > 1e-14]


def _cross(corners: Array) -> Array:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-20)
