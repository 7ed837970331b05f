"""A good place to take a picture from: robot and things in view, from the open side."""

from __future__ import annotations

import numpy as np

from r2s.core.rigid import Array, quat_to_matrix
from r2s.scene.distance import is_near
from r2s.scene.environment import Environment
from r2s.scene.twin import Twin

DIRECTIONS, ELEVATION_RAD = 16, 0.5
# What the picture tools assume: vertical field of view, 4:3, and some room around.
TANGENT_TALL = 0.82 * float(np.tan(np.radians(42.0) / 2))
TANGENT_WIDE = TANGENT_TALL * 4 / 3


def find_camera(twin: Twin, points: Array, robot: Array) -> tuple[Array, Array, float]:
    """Return (position, target, extent [m]) to see (n, 3) world points of interest.

    Args:
        robot: (m, 3) points on the robot, which should not be hidden.
    """
    points = np.concatenate([points, robot])
    low, high = points.min(axis=0), points.max(axis=0)
    target = (low + high) / 2
    radius = max(0.5 * float(np.linalg.norm(high - low)), 0.25)
    best, value = target + np.array([0.0, -1.0, 1.0]), -np.inf
    arm = _arm_direction(twin, robot)
    for turn in np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False):
        flat = np.array([np.cos(turn), np.sin(turn), np.tan(ELEVATION_RAD)])
        direction = flat / np.linalg.norm(flat)
        position = target + _distance(points - target, direction) * direction
        clear = _visible(position, points, twin.place) + _visible(position, robot, twin.place)
        # From the side, robot and things stand next to each other instead of behind one another.
        side = 1 - abs(float(arm @ direction[:2])) / np.linalg.norm(direction[:2])
        # A robot alone is seen best from half in front.
        side += 0.3 * float(direction[:2] @ _half_front(twin))
        score = clear + 0.5 * side
        if score > value + 1e-9:
            best, value = position, score
    return np.round(best, 4), np.round(target, 4), round(2 * radius, 4)


def _arm_direction(twin: Twin, robot: Array) -> Array:
    """Return the (2,) level unit direction in which the robot reaches out at home, or 0."""
    gaps = robot[:, :2] - np.asarray(twin.stance.position)[:2]
    farthest = gaps[int(np.argmax((gaps**2).sum(axis=1)))]
    length = float(np.linalg.norm(farthest))
    return farthest / length if length > 0.05 and not twin.stance.floating else np.zeros(2)


def _half_front(twin: Twin) -> Array:
    """Return the (2,) direction 40 degrees beside the robot's x axis."""
    forward = quat_to_matrix(twin.stance.quaternion)[:2, 0]
    turn = np.array([[0.77, 0.64], [-0.64, 0.77]])
    return turn @ forward / max(float(np.linalg.norm(forward)), 1e-9)


def _distance(points: Array, direction: Array) -> float:
    """Return from how far [m] (n, 3) points around the target all are in the picture."""
    right = np.array([-direction[1], direction[0], 0.0]) / np.hypot(direction[0], direction[1])
    up = np.cross(direction, right)
    nearer = points @ direction
    wide = np.abs(points @ right) / TANGENT_WIDE + nearer
    tall = np.abs(points @ up) / TANGENT_TALL + nearer
    return max(float(np.quantile(wide, 0.97)), float(np.quantile(tall, 0.97)), 0.3)


def _visible(position: Array, points: Array, place: Environment) -> float:
    """Return the share of points with nothing between them and the camera."""
    steps = np.linspace(0.02, 0.9, 24)
    rays = points[:, None] + steps[None, :, None] * (position - points)[:, None]
    free = ~is_near(rays.reshape(-1, 3), place, -1e-3).reshape(len(points), -1)
    return float(free.all(axis=1).mean())
