"""Capsules for a union of convex hulls: least-squares fits of the union's signed distance.

They neither swallow what they stand for nor leave it bare.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import least_squares

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Mesh
from r2s.robot.shapes import Collider, spread

SAMPLES_PER_LINK = 240
ROUND = 0.25  # capsules shorter than this many radii (half length) become spheres
AIR_SAMPLES = 160
OUTSIDE_WEIGHT = 2.0  # a bare surface is worse than a slightly fat capsule


class Union:
    """A union of convex solids: points on its surface, points in the air around it, its distance."""

    def __init__(self, solids: Sequence[Collider]):
        self.solids = tuple(solids)
        self.surface = _outer_samples(self.solids)
        low, high = self.surface.min(axis=0), self.surface.max(axis=0)
        self.low, self.high = low, high
        margin = 0.2 * float((high - low).max())
        air = (low - margin) + (high - low + 2 * margin) * spread(4 * AIR_SAMPLES)
        self.air = air[self.outside(air) > 0.05 * margin][:AIR_SAMPLES]

    def outside(self, points: Array) -> Array:
        """Return (n,) distances outside the union, negative inside; a lower bound near corners of hulls."""
        return np.min([each.distance(points) for each in self.solids], axis=0)


def _outer_samples(solids: Sequence[Collider]) -> Array:
    """Return (n, 3) points on the surface of a union of convex solids."""
    areas = np.array([_area(each.surface) for each in solids])
    counts = np.maximum(SAMPLES_PER_LINK * areas / max(areas.sum(), 1e-12), 12).astype(int)
    kept = []
    for index, solid in enumerate(solids):
        points = solid.surface_points(int(counts[index]))
        others = [each for number, each in enumerate(solids) if number != index]
        bare = [each.distance(points) > -1e-4 for each in others]
        kept.append(points[np.all(bare, axis=0)] if bare else points)
    points = np.concatenate(kept)
    if len(points) >= 12:
        return points
    return np.concatenate([each.surface.vertices for each in solids])


def fit_capsules(union: Union, count: int) -> list[Collider]:
    """Return `count` capsules or spheres: least squares of the union's distance over (count, 7) numbers,
    two end points and a radius each.

    Surface points pull the capsules to them; points in the air push capsules out of it.
    """
    points, air = union.surface, union.air
    centre = points.mean(axis=0)
    starts = [_start(points, centre, axis, count) for axis in principal_axes(points)]
    scale = max(float((union.high - union.low).max()), 1e-6)
    radius_high = float(np.sort(union.high - union.low)[1]) / 2 + 1e-4

    everywhere = np.concatenate([points, air])
    solid = np.arange(len(everywhere)) < len(points)

    def weight(distance: Array) -> Array:
        return np.where(solid, np.where(distance > 0, OUTSIDE_WEIGHT, 1.0), distance < 0)

    def residual(x: Array) -> Array:
        distance = _distance(everywhere, x.reshape(-1, 7) * scale)
        return weight(distance) * distance / scale

    def jacobian(x: Array) -> Array:
        distance, gradient = _distance_gradient(everywhere, x.reshape(-1, 7) * scale)
        return weight(distance)[:, None] * gradient

    low = np.tile(np.r_[union.low, union.low, 1e-4], count) / scale
    high = np.tile(np.r_[union.high + 1e-6, union.high + 1e-6, radius_high + 1e-4], count) / scale
    candidates = []
    for start in starts[: 3 if count == 1 else 2]:
        inside = np.clip((start / scale).ravel(), low + 1e-9, high - 1e-9)
        found = least_squares(residual, inside, jacobian, bounds=(low, high), max_nfev=40)  # pyright: ignore[reportArgumentType]  scipy's stub knows names only
        candidates.append((found.cost, found.x.reshape(-1, 7) * scale))
    best = min(candidates, key=lambda item: item[0])[1]
    return [_collider(*row) for row in _rows(best)]


def principal_axes(points: Array) -> Array:
    """Return the principal axes as rows, longest first."""
    _, vectors = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))
    return vectors.T[::-1]


def _start(points: Array, centre: Array, axis: Array, count: int) -> Array:
    """Return (count, 7) starting capsules: slices of the points across `axis`."""
    along = (points - centre) @ axis
    edges = np.quantile(along, np.linspace(0, 1, count + 1))
    rows = []
    for low, high in pairwise(edges):
        part = points[(along >= low) & (along <= high)]
        middle = part.mean(axis=0)
        direction = principal_axes(part)[0] if len(part) > 6 and count > 1 else axis
        t = (part - middle) @ direction
        radial = np.linalg.norm(part - middle - t[:, None] * direction, axis=1)
        radius = max(float(np.median(radial)), 1e-4)
        half = max(float(np.ptp(t)) / 2 - radius, 0.05 * radius)
        rows.append([*(middle - half * direction), *(middle + half * direction), radius])
    return np.array(rows)


def _distance(points: Array, capsules: Array) -> Array:
    """Return (n,) signed distances of (n, 3) points to the union of (k, 7) capsules."""
    a, b, radius = capsules[:, :3], capsules[:, 3:6], np.abs(capsules[:, 6])
    d = b - a
    t = np.einsum("nkj,kj->nk", points[:, None] - a, d) / np.maximum((d * d).sum(1), 1e-12)
    nearest = a + np.clip(t, 0, 1)[..., None] * d
    return (np.linalg.norm(points[:, None] - nearest, axis=2) - radius).min(axis=1)


def _distance_gradient(points: Array, capsules: Array) -> tuple[Array, Array]:
    """Return distances (n,) and their derivatives (n, 7 k) by the capsules' numbers."""
    a, b, radius = capsules[:, :3], capsules[:, 3:6], np.abs(capsules[:, 6])
    d = b - a
    t = np.einsum("nkj,kj->nk", points[:, None] - a, d) / np.maximum((d * d).sum(1), 1e-12)
    t = np.clip(t, 0, 1)
    away = points[:, None] - (a + t[..., None] * d)
    length = np.linalg.norm(away, axis=2)
    signed = length - radius
    nearest = signed.argmin(axis=1)
    rows = np.arange(len(points))
    unit = away[rows, nearest] / np.maximum(length[rows, nearest], 1e-12)[:, None]
    share = t[rows, nearest][:, None]
    gradient = np.zeros((len(points), len(capsules), 7))
    gradient[rows, nearest] = np.concatenate(
        [-(1 - share) * unit, -share * unit, -np.ones((len(points), 1))], axis=1
    )
    return signed[rows, nearest], gradient.reshape(len(points), -1)


def _rows(capsules: Array) -> list[tuple[Array, Array, float]]:
    """Return (end, end, radius) in an order that does not depend on the optimizer's."""
    rows = [(row[:3], row[3:6], float(row[6])) for row in np.round(capsules, 6)]
    return sorted(rows, key=lambda row: tuple(row[0] + row[1]))


def _collider(a: Array, b: Array, radius: float) -> Collider:
    half = float(np.linalg.norm(b - a)) / 2
    middle = (a + b) / 2
    if half < ROUND * radius:
        # Same reach along the axis and across it, halved between the two.
        return Collider("sphere", (radius + half / 2, 0.0, 0.0), rigid.transform(None, middle))
    turn = rigid.rotation_between([0.0, 0.0, 1.0], b - a)
    return Collider("capsule", (radius, half, 0.0), rigid.transform(turn, middle))


def _area(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
