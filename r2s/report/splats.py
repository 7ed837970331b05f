"""Points as small discs: what the sensor saw, without a surface."""

from __future__ import annotations

import numpy as np

from r2s.report.camera import Camera
from r2s.report.light import SUN, background, to_linear, to_srgb

MAX_RADIUS_PX = 5


def draw_points(
    points: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    camera: Camera,
    size: tuple[int, int],
    spacing_m: np.ndarray,
    *,
    cull: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (h, w, 3) uint8 and (h, w) float depth [m], inf where nothing is.

    Args:
        points, normals: (n, 3); colors (n, 3) uint8.
        spacing_m: (n,) distance between neighbouring points: the discs' size.
        cull: leave out points that face away, so that one looks into rooms.
    """
    width, height = size
    pixels, depth = camera.project(points, width, height)
    view = np.asarray(camera.position) - points
    view /= np.maximum(np.linalg.norm(view, axis=1, keepdims=True), 1e-9)
    cosine = np.einsum("ij,ij->i", normals, view)
    keep = depth > camera.near_m
    known = np.linalg.norm(normals, axis=1) > 0.5
    if cull:
        keep &= ~known | (cosine > -0.05)
    sun = SUN / np.linalg.norm(SUN)
    light = np.where(known, 0.62 + 0.25 * np.clip(normals @ sun, 0, 1) + 0.13 * np.abs(cosine), 0.9)
    linear = to_linear(colors / 255.0) * light[:, None]
    focal = 0.5 * height / np.tan(np.radians(camera.fov_deg) / 2)
    radius = np.minimum(0.7 * spacing_m * focal / np.maximum(depth, 1e-6), MAX_RADIUS_PX)
    image = background(camera.rays(width, height).reshape(-1, 6))
    nearest = np.full(width * height, np.inf)
    index, spot, gap = _covered(pixels, radius, keep, width, height)
    order = np.argsort(-(depth[index] + 1e-3 * gap), kind="stable")  # nearest is written last
    index, spot = index[order], spot[order]
    image[spot], nearest[spot] = linear[index], depth[index]
    return to_srgb(image).reshape(height, width, 3), nearest.reshape(height, width)


def _covered(pixels, radius, keep, width: int, height: int):
    """Return (point, flat pixel, distance in radii) of all pixels under the discs."""
    base = np.floor(pixels).astype(np.int64)
    points, spots, gaps = [], [], []
    reach = int(np.clip(np.ceil(radius[keep].max(initial=0.0)), 0, MAX_RADIUS_PX))
    for dx in range(-reach, reach + 1):
        for dy in range(-reach, reach + 1):
            x, y = base[:, 0] + dx, base[:, 1] + dy
            gap = np.hypot(x + 0.5 - pixels[:, 0], y + 0.5 - pixels[:, 1]) / np.maximum(
                radius, 0.71
            )
            ok = keep & (gap <= 1) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            chosen = np.flatnonzero(ok)
            points.append(chosen)
            spots.append(y[chosen] * width + x[chosen])
            gaps.append(gap[chosen])
    return np.concatenate(points), np.concatenate(spots), np.concatenate(gaps)
