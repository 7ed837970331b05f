"""Signed distance from points to colliders: exact outside boxes, spheres, capsules; else a bound."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.heightfield import signed_distance_to
from r2s.core.rigid import Array, quat_to_matrix
from r2s.scene.environment import Environment


def is_near(points: Array, place: Environment, margin_m: float, skip: str = "") -> np.ndarray:
    """Return (n,) bool: closer than `margin_m` to some collider (negative: deeper inside than that).

    Args:
        skip: name of a thing that does not count.
    """
    near = np.zeros(len(points), bool)
    if not len(points):
        return near
    geoms, low, high = place.boxes
    touched = np.all(
        (low - margin_m < points.max(axis=0)) & (high + margin_m > points.min(axis=0)), axis=1
    )
    for index in np.flatnonzero(touched):
        name, geom = geoms[index]
        if name == skip:
            continue
        inside = np.all(
            (points > low[index] - margin_m) & (points < high[index] + margin_m), axis=1
        )
        ask = np.flatnonzero(inside & ~near)
        if len(ask):
            near[ask] = distance_to_geom(points[ask], geom, place.hulls) < margin_m
    return near


def distance_to_geom(points: Array, geom: Geom, hulls: tuple[np.ndarray, ...]) -> Array:
    """Return (n,) distances [m] of (n, 3) world points to one collider, negative inside."""
    local = (points - np.asarray(geom.position)) @ quat_to_matrix(geom.quaternion)
    size = np.asarray(geom.size)
    if geom.shape == "plane":
        return local[:, 2]
    if geom.shape == "hfield":
        return signed_distance_to(hulls[geom.hull], float(size[2]), local)
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
