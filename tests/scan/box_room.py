"""A box room seen by a depth camera, rendered with numpy: truth for RGB-D layouts without a real sample.

The room is 4 x 3 x 2.4 m, z up, floor at z = 0, x from 0 to 4 and y from 0 to 3, with a box on the floor.
These pictures are made, not recorded: they prove conventions (axes, units, indices), not sensor behaviour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

ROOM = np.array([4.0, 3.0, 2.4])
BOX = (np.array([1.6, 2.0, 0.0]), np.array([2.4, 2.6, 0.5]))
SHAPE = (48, 64)
FX, FY, CX, CY = 46.0, 47.0, 30.5, 24.5
# Up of the room (z) as +y, as ARKit has it: (x, y, z) becomes (x, z, -y).
ROOM_TO_ARKIT = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def look_at(eye, target) -> np.ndarray:
    """Return T_room_camera (4, 4) with optical axes (x right, y down, z forward), image up near +z."""
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    T[:3, 3] = eye
    return T


def poses(count: int = 8) -> list[np.ndarray]:
    """Return cameras in the middle that look around, in turn down and, less, up."""
    found = []
    for i in range(count):
        angle = 2 * np.pi * i / count + 0.1
        eye = np.array([2.0 + 0.2 * np.cos(angle), 1.4 + 0.2 * np.sin(angle), 1.5])
        ahead = np.array([np.cos(angle), np.sin(angle), 0.45 if i % 2 else -0.7])
        found.append(look_at(eye, eye + ahead))
    return found


def depth_of(T: np.ndarray, shape=SHAPE, camera=(FX, FY, CX, CY)) -> np.ndarray:
    """Return depth along the optical axis [m], (h, w)."""
    fx, fy, cx, cy = camera
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones(shape)], -1) @ T[:3, :3].T
    eye = T[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rays > 0, (ROOM - eye) / rays, -eye / rays).min(axis=-1)
        a, b = (BOX[0] - eye) / rays, (BOX[1] - eye) / rays
        enter, leave = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
    return np.where((enter < leave) & (enter > 0) & (enter < reach), enter, reach)


def color_of(depth: np.ndarray) -> np.ndarray:
    """Return a picture (h, w, 3) uint8 whose red falls with depth, so that wrong pixels are seen."""
    return np.stack([np.clip(255 - 50 * depth, 0, 255), 0 * depth + 90, 0 * depth + 30], -1).astype(
        "u1"
    )


def write_depth(path: Path, depth: np.ndarray, per_m: float = 1000.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(depth * per_m).astype(np.uint16)).save(path)
    return path


def write_color(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def off_surface(points: np.ndarray) -> np.ndarray:
    """Return the distance (n,) of points in the room's frame from its walls and its box."""
    walls = np.minimum(np.abs(points), np.abs(points - ROOM)).min(axis=1)
    low, high = BOX
    outside = np.maximum(np.maximum(low - points, points - high), 0)
    inner = np.minimum(np.abs(points - low), np.abs(points - high)).min(axis=1)
    away = np.linalg.norm(outside, axis=1)
    return np.minimum(walls, np.where(away > 0, away, inner))
