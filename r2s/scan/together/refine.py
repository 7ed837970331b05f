"""Iterative closest point, point to plane (Chen and Medioni 1992), on trimmed matches."""

from __future__ import annotations

import numpy as np

from r2s.core.rigid import apply, transform
from r2s.scan.together.view import Level

_MOST_POINTS = 20_000
_ITERATIONS = 30
# Planes count as one where their normals are within 45 degrees.
_ALIKE = 0.7


def refined(a: Level, b: Level, T_a_b: np.ndarray, reach: float) -> np.ndarray:
    """Return T_a_b (4, 4), fitted so that points of b lie on planes of a at most `reach` away."""
    step = max(1, len(b.points) // _MOST_POINTS)
    points, normals = b.points[::step], b.normals[::step]
    T = T_a_b
    for _ in range(_ITERATIONS):
        moved, turned = apply(T, points), normals @ T[:3, :3].T
        index, hit = matched(a, moved, turned, reach)
        if hit.sum() < 30:
            return T
        delta = _step(moved[hit], a.points[index[hit]], a.normals[index[hit]], reach)
        T = delta @ T
        if np.abs(delta[:3, 3]).max() < 1e-4 * reach and np.abs(delta - np.eye(4)).max() < 1e-5:
            break
    return T


def matched(
    a: Level, points: np.ndarray, normals: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest point of a for each point (n, 3), and a mask of those near and turned alike."""
    distance, index = a.tree.query(points, k=1, workers=-1, distance_upper_bound=reach)
    index = np.minimum(index, len(a.points) - 1)
    alike = np.einsum("ij,ij->i", a.normals[index], normals) > _ALIKE
    return index, np.isfinite(distance) & alike


def _step(points: np.ndarray, on: np.ndarray, normals: np.ndarray, reach: float) -> np.ndarray:
    """Return the small motion (4, 4) that brings points onto the planes, far ones weighing less."""
    middle = points.mean(axis=0)
    residual = ((on - points) * normals).sum(axis=1)
    weight = (1 - np.minimum(residual / reach, 1) ** 2) ** 2  # Tukey's biweight
    jacobian = np.concatenate([np.cross(points - middle, normals), normals], axis=1)
    weighted = jacobian * weight[:, None]
    # numpy's own sum, not BLAS: the same bytes on any number of threads.
    system = (weighted[:, :, None] * jacobian[:, None, :]).sum(axis=0)
    right = (weighted * residual[:, None]).sum(axis=0)
    scale = np.trace(system) / 6
    turn_and_move = np.linalg.solve(system + 1e-6 * scale * np.eye(6), right)
    rotation = _rotation(turn_and_move[:3])
    return transform(rotation, middle + turn_and_move[3:] - rotation @ middle)


def _rotation(vector: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) of a rotation vector [rad] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
