"""Rigid transforms with numpy: `T_a_b` maps points of frame b to frame a; quaternions are wxyz.

Every function takes arrays with leading batch dimensions and works in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def quat_to_matrix(quat_wxyz: ArrayLike) -> Array:
    """Return (..., 3, 3) rotation matrices of (..., 4) quaternions, normalized first."""
    q = np.asarray(quat_wxyz, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quat(rotation: ArrayLike) -> Array:
    """Return the (4,) wxyz quaternion, w >= 0, of a (3, 3) rotation matrix.

    Bar-Itzhack's method: the largest eigenvector of a symmetric 4x4 matrix, stable for every angle.
    """
    m = np.asarray(rotation, dtype=np.float64)
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = m
    k = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    quat = np.linalg.eigh(k)[1][:, -1]
    return quat if quat[0] >= 0 else -quat


def rpy_to_matrix(rpy: ArrayLike) -> Array:
    """Return the (3, 3) rotation of URDF roll, pitch, yaw [rad]: fixed axes x, then y, then z."""
    roll, pitch, yaw = np.asarray(rpy, dtype=np.float64)
    cr, sr, cp, sp, cy, sy = (
        np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw),
    )  # fmt: skip
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rotation_between(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the smallest rotation (3, 3) that turns unit vector a into unit vector b."""
    u = np.asarray(a, dtype=np.float64)
    v = np.asarray(b, dtype=np.float64)
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    axis, cosine = np.cross(u, v), float(np.dot(u, v))
    if cosine < -1 + 1e-12:  # opposite: half a turn about any axis normal to u
        normal = np.asarray(np.cross(u, np.eye(3)[np.argmin(np.abs(u))]), np.float64)
        normal /= np.linalg.norm(normal)
        return 2 * normal[:, None] * normal - np.eye(3)
    cross = np.array(
        [[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]], dtype=np.float64
    )
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def yaw_quaternion(yaw: float, base=(1.0, 0.0, 0.0, 0.0)) -> tuple[float, float, float, float]:
    """Return wxyz of a turn about the vertical after the orientation `base`."""
    c, s = float(np.cos(yaw / 2)), float(np.sin(yaw / 2))
    w, x, y, z = base
    turned = np.array([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w])
    turned = np.round(turned if turned[0] >= 0 else -turned, 12) + 0.0
    return (float(turned[0]), float(turned[1]), float(turned[2]), float(turned[3]))


def transform(rotation: ArrayLike | None = None, translation: ArrayLike = (0, 0, 0)) -> Array:
    """Return a (4, 4) transform from a (3, 3) rotation and a (3,) translation [m]."""
    result = np.eye(4)
    if rotation is not None:
        result[:3, :3] = rotation
    result[:3, 3] = translation
    return result


def transform_of_pose(pose: ArrayLike) -> Array:
    """Return the (4, 4) transform of a pose `tx ty tz qx qy qz qw`, as TUM files and ROS write it."""
    values = np.asarray(pose, dtype=np.float64)
    return transform(quat_to_matrix(values[[6, 3, 4, 5]]), values[:3])


def apply(T_a_b: ArrayLike, points_b: ArrayLike) -> Array:
    """Map (n, 3) points of frame b to frame a."""
    T = np.asarray(T_a_b, dtype=np.float64)
    return np.asarray(points_b, dtype=np.float64) @ T[:3, :3].T + T[:3, 3]


def inverse(T_a_b: ArrayLike) -> Array:
    """Return T_b_a."""
    T = np.asarray(T_a_b, dtype=np.float64)
    return transform(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])
