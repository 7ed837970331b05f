"""Signals derived from measured ones, with numpy, fast enough for every tick (about 10 us).

Forward kinematics of a serial chain, gravity, and a mobile base's view of its goal and of its scan.

A hinge's transform is affine in (sin q, 1 - cos q) (Rodrigues), a slide's in q, so each link becomes three
constant 4 x 4 matrices: T(q) = A + f(q) B + g(q) C. Runs of fixed links are multiplied out once.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import numpy as np

LASER_RANGE_M = 5.0  # what small scanners see reliably indoors; beyond it nothing counts
HALF_NEAR_M = 0.5  # distance at which nearness is a half


class ForwardKinematics:
    """Maps joint positions to the pose of the chain's tip in its base frame.

    Attributes:
        joints: names of the chain's joints, in the order positions are given.
    """

    def __init__(self, chain: Mapping[str, Any]):
        """Args: chain: the JSON of an r2s `Chain` (`links` of position, quaternion, joint, ...)."""
        constant, sine, versine, reference, hinge, names = [], [], [], [], [], []
        fixed = np.eye(4)
        for link in chain["links"]:
            fixed = fixed @ _pose(link["position"], link["quaternion"])
            if not link.get("joint"):
                continue
            b, c = _motion(link)
            constant.append(fixed)
            sine.append(fixed @ b)
            versine.append(fixed @ c)
            reference.append(float(link.get("reference", 0.0)))
            hinge.append(link.get("kind", "hinge") == "hinge")
            names.append(link["joint"])
            fixed = np.eye(4)
        self.joints: tuple[str, ...] = tuple(names)
        self._constant = np.array(constant).reshape(-1, 4, 4)
        self._sine = np.array(sine).reshape(-1, 4, 4)
        self._versine = np.array(versine).reshape(-1, 4, 4)
        self._reference = np.array(reference)
        self._hinge = np.array(hinge, dtype=bool)
        self._tail = fixed
        stacked = np.stack([self._constant, self._sine, self._versine], axis=1)
        self._stacked = [np.ascontiguousarray(link.reshape(12, 4)) for link in stacked]
        self._factors = [np.array([1.0, 0.0, 0.0]) for _ in names]
        self._offsets = [float(value) for value in reference]
        self._is_hinge = hinge

    def tip_pose(self, q: np.ndarray) -> np.ndarray:
        """Return (4, 4) T_base_tip for joint positions (joints,) [rad or m]."""
        delta = q - self._reference
        f = np.where(self._hinge, np.sin(delta), delta)
        g = np.where(self._hinge, 1.0 - np.cos(delta), 0.0)
        links = self._constant + f[:, None, None] * self._sine + g[:, None, None] * self._versine
        pose = np.eye(4)
        for link in links:
            pose = pose @ link
        return pose @ self._tail

    def tip_position(self, q: np.ndarray) -> np.ndarray:
        """Return the tip's position (3,) [m] in the base frame.

        The point is carried from the tip to the base, which costs two small products per joint.
        """
        point = self._tail[:, 3]
        for index in range(len(self.joints) - 1, -1, -1):
            delta = float(q[index]) - self._offsets[index]
            factors = self._factors[index]
            if self._is_hinge[index]:
                factors[1], factors[2] = math.sin(delta), 1.0 - math.cos(delta)
            else:
                factors[1] = delta
            point = factors.dot(self._stacked[index].dot(point).reshape(3, 4))
        return point[:3].copy()


def turn_to(rotation: np.ndarray, goal_quat_wxyz: np.ndarray) -> np.ndarray:
    """Return the turn (4,) that remains from a frame to an orientation: sine times axis, and cosine.

    `rotation` is (3, 3), its columns the frame's axes; the axis is in the frame both are given in.
    """
    left = quat_matrix(goal_quat_wxyz) @ rotation.T
    sine = 0.5 * np.array(
        [left[2, 1] - left[1, 2], left[0, 2] - left[2, 0], left[1, 0] - left[0, 1]]
    )
    return np.append(sine, 0.5 * (np.trace(left) - 1.0))


def quat_matrix(quat_wxyz: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) of a quaternion of any length."""
    w, x, y, z = np.asarray(quat_wxyz, dtype=np.float64) / np.linalg.norm(quat_wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def projected_gravity(base_quat_wxyz: np.ndarray) -> np.ndarray:
    """Return the unit gravity direction (3,) in the base frame: R(quat)^T (0, 0, -1)."""
    w, x, y, z = base_quat_wxyz / np.linalg.norm(base_quat_wxyz)
    return -np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])


def phase(clock_s: float, period_s: float) -> np.ndarray:
    """Return sine and cosine (2,) of a clock that turns once in `period_s`."""
    angle = 2.0 * math.pi * math.fmod(clock_s / period_s, 1.0)
    return np.array([math.sin(angle), math.cos(angle)])


def goal_direction(
    base_pos: np.ndarray, base_quat_wxyz: np.ndarray, goal_pos: np.ndarray
) -> np.ndarray:
    """Return (2,) where a goal (2,) is from a base (3,) in the world: ahead, left; 0 there, 1 far away.

    The vector to it, divided by its length and `HALF_NEAR_M`: the last decimetres get most of the scale.
    """
    w, x, y, z = base_quat_wxyz / np.linalg.norm(base_quat_wxyz)
    cosine, sine = 1 - 2 * (y * y + z * z), 2 * (x * y + w * z)
    length = math.hypot(cosine, sine)
    east, north = goal_pos[0] - base_pos[0], goal_pos[1] - base_pos[1]
    ahead, left = cosine * east + sine * north, cosine * north - sine * east
    return np.array([ahead, left]) / length / (HALF_NEAR_M + math.hypot(east, north))


def laser_nearness(ranges: np.ndarray) -> np.ndarray:
    """Return (n,) 1 at the scanner, falling with distance [m] to what nothing within `LASER_RANGE_M` is.

    Not positive, not finite or beyond the range: nothing came back. Near things get most of the scale.
    """
    seen = (ranges > 0) & (ranges < LASER_RANGE_M)  # NaN is neither
    return HALF_NEAR_M / (HALF_NEAR_M + np.where(seen, ranges, LASER_RANGE_M))


def _motion(link: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors (B, C) of the joint's own motion about its anchor, I + f B + g C."""
    axis = np.asarray(link.get("axis", (0, 0, 1)), dtype=np.float64)
    axis = axis / np.linalg.norm(axis)
    b, c = np.zeros((4, 4)), np.zeros((4, 4))
    if link.get("kind", "hinge") == "slide":
        b[:3, 3] = axis
        return b, c
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    anchor = np.asarray(link.get("anchor", (0, 0, 0)), dtype=np.float64)
    b[:3, :3], c[:3, :3] = cross, cross @ cross
    b[:3, 3], c[:3, 3] = -cross @ anchor, -cross @ cross @ anchor
    return b, c


def _pose(position: Sequence[float], quaternion: Sequence[float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = quat_matrix(quaternion)
    pose[:3, 3] = position
    return pose
