"""What a thing looks like from above: its outline, and the smallest upright box around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.rectangle import min_rectangle
from r2s.core.rigid import Array, quat_to_matrix, yaw_quaternion
from r2s.scene.environment import Thing

ROUND = 24  # points on a circle


@dataclass(frozen=True)
class UprightBox:
    """Attributes:
    centre, half: (3,) metres, world frame; half sides along its own axes.
    yaw: its turn about the vertical [rad].
    """

    centre: np.ndarray
    half: np.ndarray
    yaw: float

    @classmethod
    def around(cls, points: Array) -> UprightBox:
        """Return the box of the smallest footprint around (n, 3) points."""
        low, high = points[:, 2].min(), points[:, 2].max()
        centre, yaw, half = min_rectangle(points[:, :2])
        return cls(np.append(centre, (low + high) / 2), np.append(half, (high - low) / 2), yaw)

    def geom(self) -> Geom:
        """Return it as a collider."""
        (x, y, z), (a, b, c) = (map(float, row) for row in (self.centre, self.half))
        turn = yaw_quaternion(self.yaw)
        return Geom(shape="box", size=(a, b, c), position=(x, y, z), quaternion=turn)


def outline(thing: Thing, hulls: tuple[np.ndarray, ...]) -> Array:
    """Return (n, 3) world points of a thing's colliders: corners, or points of round surfaces [m]."""
    return np.concatenate([_points(geom, hulls) for geom in thing.geoms])


def _points(geom: Geom, hulls: tuple[np.ndarray, ...]) -> Array:
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    turn = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    size = np.asarray(geom.size)
    if geom.shape == "hull":
        local = hulls[geom.hull]
    elif geom.shape == "box":
        local = signs * size
    elif geom.shape == "cylinder":
        local = np.concatenate([size[0] * ring + np.array([0, 0, s * size[1]]) for s in (-1, 1)])
    else:  # a sphere, or a capsule
        ball = np.concatenate([ring, ring[:, [0, 2, 1]], ring[:, [2, 0, 1]]]) * size[0]
        half = size[1] if geom.shape == "capsule" else 0.0
        local = np.concatenate([ball + np.array([0, 0, s * half]) for s in (-1, 1)])
    return local @ quat_to_matrix(geom.quaternion).T + np.asarray(geom.position)
