"""The largest planes of a cloud, by seeded RANSAC on points that have normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.seeds import generator

_HYPOTHESES = 192
_SCORED = 6000
_STRICTER = (0.75, 0.56, 0.42, 0.32, 0.24, 0.18, 0.18, 0.18, 0.18)  # of the tolerance
_AGREE = float(np.cos(np.radians(20)))


@dataclass(frozen=True)
class Plane:
    """normal . p = offset.

    Attributes:
        normal: (3,) unit; towards the sensor where it is known.
        center: (3,) where it is, the middle of its points.
        members: (k,) indices of its points.
        share: its part of all points; with one point per voxel, its part of the seen area.
        rms: rms distance of its points.
    """

    normal: np.ndarray
    center: np.ndarray
    members: np.ndarray
    share: float
    rms: float

    @property
    def offset(self) -> float:
        """Distance from the origin along the normal."""
        return float(self.normal @ self.center)


def find_planes(
    points: np.ndarray, normals: np.ndarray, *, tolerance: float, seed: int,
    most: int = 12, least_share: float = 0.015,
) -> list[Plane]:  # fmt: skip
    """Return planes, largest first, each with the points within `tolerance` that no larger one took.

    points: (n, 3), one per voxel; normals: (n, 3) unit, sign ignored.
    """
    rng = generator(seed, "planes")
    left = np.arange(len(points))
    planes: list[Plane] = []
    while len(planes) < most and len(left) >= max(12, least_share * len(points)):
        p, n = points[left], normals[left]
        seeds = rng.choice(len(left), size=min(_HYPOTHESES, len(left)), replace=False)
        judged = rng.choice(len(left), size=min(_SCORED, len(left)), replace=False)
        distance = np.abs(p[judged] @ n[seeds].T - np.einsum("ij,ij->i", p[seeds], n[seeds]))
        votes = ((distance < tolerance) & (np.abs(n[judged] @ n[seeds].T) > _AGREE)).sum(axis=0)
        best = seeds[int(np.argmax(votes))]
        normal, center = n[best], p[best]
        near = _near(p, n, normal, center, tolerance)
        for _ in range(4):
            if near.sum() < 12:
                break
            normal, center = fit_plane(p[near])
            near = _near(p, n, normal, center, tolerance)
        if near.sum() < max(12, least_share * len(points)):
            break
        normal, center = _settled(p[near], normal, center, tolerance)
        residual = (p[near] - center) @ normal
        planes.append(
            Plane(
                normal, center, left[near], near.sum() / len(points),
                float(np.sqrt(np.mean(residual**2))),
            )
        )  # fmt: skip
        left = left[~near]
    return sorted(planes, key=lambda plane: -plane.share)


def _settled(
    p: np.ndarray, normal: np.ndarray, center: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the plane where most of its points (k, 3) lie.

    A skirting board before a wall is within the tolerance of coarse voxels, and would turn the plane: points
    weigh less the farther they are, ever more strictly (Geman-McClure weights, graduated).
    """
    for share in _STRICTER:
        weight = 1 / (1 + ((p - center) @ normal / (share * tolerance)) ** 2) ** 2
        normal, center = fit_plane(p, weight)
    return normal, center


def fit_plane(
    points: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit normal (3,) and centroid (3,) of the least-squares plane of weighted (n,) points."""
    center = np.average(points, axis=0, weights=weight)
    offset = points - center
    weighted = offset if weight is None else offset * weight[:, None]
    return np.linalg.eigh(np.einsum("ni,nj->ij", weighted, offset))[1][:, 0], center


def _near(
    p: np.ndarray, n: np.ndarray, normal: np.ndarray, center: np.ndarray, tolerance: float
) -> np.ndarray:
    return (np.abs((p - center) @ normal) < tolerance) & (np.abs(n @ normal) > _AGREE)
