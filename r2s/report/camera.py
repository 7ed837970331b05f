"""A pinhole camera: rays through pixels, and pixels of points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.core.rigid import Array

FIELD_OF_VIEW_DEG = 42.0  # vertical


@dataclass(frozen=True)
class Camera:
    """Attributes:
    position, target: metres, world frame; the camera looks from one to the other, up is +z.
    near_m: everything closer along the view axis is cut away.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_deg: float = FIELD_OF_VIEW_DEG
    near_m: float = 0.01

    def axes(self) -> Array:
        """Return (3, 3) rows: right, down, forward in the world."""
        forward = np.subtract(self.target, self.position)
        forward = forward / max(float(np.linalg.norm(forward)), 1e-12)
        up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def rays(self, width: int, height: int, offset: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
        """Return (height, width, 6) float32: origins at the near plane, unit directions.

        Args:
            offset: where in each pixel the ray passes, 0..1.
        """
        focal = 0.5 * height / np.tan(np.radians(self.fov_deg) / 2)
        x = (np.arange(width) + offset[0] - width / 2) / focal
        y = (np.arange(height) + offset[1] - height / 2) / focal
        right, down, forward = self.axes()
        direction = forward + x[None, :, None] * right + y[:, None, None] * down
        origin = np.asarray(self.position) + self.near_m * direction
        direction /= np.linalg.norm(direction, axis=2, keepdims=True)
        return np.concatenate([origin, direction], axis=2).astype(np.float32)

    def project(self, points: Array, width: int, height: int) -> tuple[Array, Array]:
        """Return (n, 2) pixel coordinates and (n,) depths [m] along the view axis of (n, 3) points."""
        focal = 0.5 * height / np.tan(np.radians(self.fov_deg) / 2)
        local = (np.asarray(points, np.float64) - np.asarray(self.position)) @ self.axes().T
        depth = local[:, 2]
        safe = np.where(depth > 1e-9, depth, np.inf)
        pixels = focal * local[:, :2] / safe[:, None] + [width / 2, height / 2]
        return pixels, depth

    def cut(self, near_m: float) -> Camera:
        return replace(self, near_m=near_m)


def look_at_points(points: Array, direction: Array, aspect: float, fill: float = 0.9) -> Camera:
    """Return the camera that looks from `direction` (3,) and has (n, 3) points fill the picture.

    Args:
        aspect: width over height of the picture.
        fill: share of the picture the points may take.
    """
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    unit = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    axes = Camera(_triple(middle + unit), _triple(middle)).axes()
    x, y, z = ((points - middle) @ axes.T).T
    tall = fill * float(np.tan(np.radians(FIELD_OF_VIEW_DEG) / 2))
    wide = tall * aspect
    # The nearest distance at which |x| / (d + z) <= tan holds on both sides, and the shift that evens them.
    across, along = _fit(x, z, wide), _fit(y, z, tall)
    distance = max(across[0], along[0], 0.05)
    target = middle + across[1] * axes[0] + along[1] * axes[1]
    return Camera(_triple(target + distance * unit), _triple(target))


def _fit(offset: Array, depth: Array, tangent: float) -> tuple[float, float]:
    """Return (distance, shift) so that (offset - shift) / (distance + depth) stays within +-tangent."""
    high = float((offset - tangent * depth).max())  # offset - shift <= tangent (distance + depth)
    low = float((-offset - tangent * depth).max())
    return (high + low) / (2 * tangent), (high - low) / 2


def _triple(values) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
