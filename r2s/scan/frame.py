"""The world frame: z up, z = 0 on the floor or the main support, the sensor near the origin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from r2s.core.rigid import rotation_between, rpy_to_matrix, transform
from r2s.scan.gravity import AXES, LEVEL_DEG, Camera
from r2s.scan.planes import Plane

# A level plane is a floor, not a table, from this size on [m2].
FLOOR_AREA_M2 = 4.0
# A sensor this far above a level plane stands on it; a table is nearer [m].
STANDING_M = 1.2
# The ground has at least this part of the largest level plane's area.
GROUND_SHARE = 0.15
# A coarse voxel is a stray when its 6th neighbour is this many times farther than is usual.
_COMPANY, _APART = 6, 2.0
# Part of the height of a capture by which strays must lower its ground to be left out.
_STRAY_DEPTH = 0.05


class Ground(NamedTuple):
    """The plane at z = 0: its height along up [m, source frame], one sentence, and how it leans [deg]."""

    height_m: float
    evidence: str
    tilt_deg: float | None = None


class Walls(NamedTuple):
    """Which way the walls stand.

    Attributes:
        yaw_deg: turn about z that lays the world's axes along them, in [-45, 45).
        confidence: 0..1, how much they agree on it, by area: 1 where all are at right angles.
    """

    yaw_deg: float
    confidence: float


def find_walls(planes: list[Plane], T_world_source: np.ndarray) -> Walls | None:
    """Return which way upright planes (source frame) stand in the world; None where there are none."""
    normals = np.array([p.normal for p in planes]).reshape(-1, 3) @ T_world_source[:3, :3].T
    upright = np.abs(normals[:, 2]) < np.sin(np.radians(LEVEL_DEG))
    if not upright.any():
        return None
    share = np.array([p.share for p in planes])[upright]
    angle = np.arctan2(normals[upright, 1], normals[upright, 0])
    # Four times an angle is the same for all walls at right angles.
    mean = np.sum(share * np.exp(4j * angle)) / share.sum()
    return Walls(float(np.degrees(np.angle(mean)) / 4), float(np.abs(mean)))


def find_ground(
    planes: list[Plane], up: np.ndarray, points_m: np.ndarray, area_m2: float,
    sensor_m: np.ndarray | None,
) -> Ground:  # fmt: skip
    """Return what z = 0 is: the lowest large level plane, else the lowest points.

    Args:
        planes: source frame, metres; their members index `points_m`.
        up: (3,) unit.
        points_m: (n, 3) one per coarse voxel, source frame.
        area_m2: seen area that a share of 1 stands for.
        sensor_m: (3,) sensor position, or None.
    """
    heights = points_m @ up
    level = [
        (float(np.median(heights[p.members])), p.share, abs(float(p.normal @ up)))
        for p in planes
        if abs(float(p.normal @ up)) > np.cos(np.radians(LEVEL_DEG))
    ]
    if not level:
        low, high = np.quantile(heights, [0.005, 0.995])
        firm = float(np.quantile(heights[_in_company(points_m)], 0.005))
        # Strays far below would put the ground there; a little below they are the ground's own edge.
        low = firm if firm - low > _STRAY_DEPTH * (high - low) else float(low)
        return Ground(low, "z = 0 at the lowest points, since no level plane was seen")
    largest = max(share for _, share, _ in level)
    height, share, cosine = min(plane for plane in level if plane[1] >= GROUND_SHARE * largest)
    area = share * area_m2
    lowest = float((heights < height - 0.1).mean()) < 0.05
    seen_standing = sensor_m is not None and float(sensor_m @ up) - height > STANDING_M
    word = "floor" if lowest and (area >= FLOOR_AREA_M2 or seen_standing) else "main level support"
    return Ground(
        height,
        f"z = 0 at the {word}, the lowest large level plane ({area:.2g} m2 seen)",
        float(np.degrees(np.arccos(min(1.0, cosine)))),
    )


def _in_company(points_m: np.ndarray) -> np.ndarray:
    """Return a mask (n,) of the coarse voxels that are no strays: near others, as those of a surface are.

    All of them, where fewer than half are: then nothing is known about strays.
    """
    from scipy.spatial import KDTree

    if len(points_m) <= _COMPANY:
        return np.ones(len(points_m), dtype=bool)
    distance = np.asarray(KDTree(points_m).query(points_m, k=_COMPANY + 1, workers=-1)[0])[:, -1]
    near = distance <= _APART * float(np.median(distance))
    return near if near.mean() > 0.5 else np.ones(len(points_m), dtype=bool)


def world_from_source(
    up: np.ndarray, ground_m: float, *, camera: Camera | None, sensor_m: np.ndarray | None,
    low_m: np.ndarray, high_m: np.ndarray, yaw_deg: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Return T_world_source (4, 4) [m].

    A camera's view gets the sensor at x = y = 0 and x along its line of sight; a LiDAR keeps the file's
    axes with the sensor at x = y = 0; anything else keeps the file's origin, unless that is far away.
    All that is then turned about z by `yaw_deg`.
    """
    if camera is not None:
        ahead = camera.forward - up * (camera.forward @ up)
        if np.linalg.norm(ahead) < 0.1:  # looking straight down: image up is ahead
            ahead = -camera.down - up * (-camera.down @ up)
        x = ahead / np.linalg.norm(ahead)
        rotation = np.stack([x, np.cross(up, x), up])
    else:
        name = max(AXES, key=lambda axis: float(AXES[axis] @ up))
        # For +y this is glTF's rule: (x, y, z) becomes (x, -z, y).
        turn = rotation_between(AXES[name], AXES["+z"])
        rotation = rotation_between(turn @ up, AXES["+z"]) @ turn
    shift = np.zeros(3)
    if sensor_m is not None:
        shift[:2] = -(rotation @ sensor_m)[:2]
    else:
        middle, size = (low_m + high_m) / 2, float(np.linalg.norm(high_m - low_m))
        if np.any(low_m - 0.1 * size > 0) or np.any(high_m + 0.1 * size < 0):
            shift[:2] = -(rotation @ middle)[:2]
    shift[2] = -ground_m
    placed = transform(rotation, shift)
    return (
        placed if yaw_deg == 0 else transform(rpy_to_matrix((0, 0, np.radians(yaw_deg)))) @ placed
    )
