"""Signed distance from points to colliders: exact outside boxes, spheres, capsules; a bound for hulls."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.rigid import Array, quat_to_matrix
from r2s.scene.environment import Environment


def distance_to_place(points: Array, place: Environment) -> Array:
    """Return (n,) distances [m] of (n, 3) world points to the nearest collider, negative inside."""
    result = np.full(len(points), np.inf)
    for thing in place.things:
        for geom in thing.geoms:
            result = np.minimum(result, distance_to_geom(points, geom, place.hulls))
    return result


def distance_to_geom(points: Array, geom: Geom, hulls: tuple[np.ndarray, ...]) -> Array:
    """Return (n,) distances [m] of (n, 3) world points to one collider, negative inside."""
    local = (points - np.asarray(geom.position)) @ quat_to_matrix(geom.quaternion)
    size = np.asarray(geom.size)
    if geom.shape == "plane":
        return local[:, 2]
    if geom.shape == "sphere":
        return np.linalg.norm(local, axis=1) - size[0]
    if geom.shape == "box":
        return _box(local, size)
    if geom.shape == "hull":
        normals, offsets = _half_spaces(hulls[geom.hull])
        return (local @ normals.T + offsets).max(axis=1)
    if geom.shape == "capsule":
        local[:, 2] -= np.clip(local[:, 2], -size[1], size[1])
        return np.linalg.norm(local, axis=1) - size[0]
    radial = np.hypot(local[:, 0], local[:, 1])
    return _box(np.stack([radial, local[:, 2]], axis=1), np.array([size[0], size[1]]))


def _box(local: Array, half: Array) -> Array:
    gap = np.abs(local) - half
    outside = np.linalg.norm(np.maximum(gap, 0), axis=1)
    return outside + np.minimum(gap.max(axis=1), 0)


def _half_spaces(vertices: Array) -> tuple[Array, Array]:
    from scipy.spatial import ConvexHull

    equations = ConvexHull(vertices).equations
    return equations[:, :3], equations[:, 3]
