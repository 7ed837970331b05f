"""Local surface: normals, flatness and spacing from nearest neighbours; scatter; stray points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CHUNK = 50_000


@dataclass(frozen=True)
class Surface:
    """Per point: the plane through its neighbours.

    Attributes:
        normals: (n, 3) float64, unit, sign arbitrary.
        thickness: (n,) rms distance of the neighbours from that plane.
        spacing: (n,) mean distance to the 6 nearest neighbours.
    """

    normals: np.ndarray
    thickness: np.ndarray
    spacing: np.ndarray


def local_surface(points: np.ndarray, neighbors: int) -> Surface:
    """Fit a plane to the `neighbors` nearest neighbours of each point (principal components)."""
    from scipy.spatial import KDTree

    tree = KDTree(points)
    k = min(neighbors, len(points))
    normals, thickness = np.empty_like(points), np.empty(len(points))
    spacing = np.empty(len(points))
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        distance, index = tree.query(points[part], k=k, workers=-1)
        spacing[part] = distance[:, 1:7].mean(axis=1)
        near = points[index]
        near = near - near.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near) / k)
        normals[part] = vectors[:, :, 0]
        thickness[part] = np.sqrt(np.maximum(values[:, 0], 0))
    return Surface(normals, thickness, spacing)


def facing(points: np.ndarray, normals: np.ndarray, viewpoint: np.ndarray) -> np.ndarray:
    """Return the normals turned towards the viewpoint, (3,) or one (n, 3) per point."""
    away = np.einsum("ij,ij->i", normals, viewpoint - points) < 0
    return np.where(away[:, None], -normals, normals)


def stray(
    points: np.ndarray, spacing: np.ndarray, sensor: np.ndarray | None, strength: float
) -> np.ndarray:
    """Return a mask (n,) of points far from all others, for their range from the sensor.

    A sensor's points thin out with range, so spacing is compared per range where the sensor's place is
    known. A point is stray when the logarithm of its spacing is `strength` robust standard
    deviations above the median, and at least twice the median.
    """
    scaled = spacing.copy()
    if sensor is not None:
        distance = np.linalg.norm(points - sensor, axis=1)
        scaled /= np.maximum(distance, 0.25 * np.median(distance))
    log = np.log(np.maximum(scaled, 1e-12))
    middle = np.median(log)
    spread = 1.4826 * np.median(np.abs(log - middle))
    return log > middle + max(strength * float(spread), np.log(2.0))


def scatter(raw: np.ndarray, points: np.ndarray, surface: Surface) -> float:
    """Return the robust spread [same unit] of raw points about the plane of their coarse voxels.

    Only planes of a quarter of the flattest places count, so that edges and clutter do not.
    raw: (k, 3) sample of the capture; points: (n, 3) voxel means with their `surface`.
    """
    from scipy.spatial import KDTree

    flat = (
        surface.thickness
        <= np.quantile(surface.thickness / surface.spacing, 0.25) * surface.spacing
    )
    if flat.sum() < 10:
        return 0.0
    reach = float(np.median(surface.spacing))
    found = KDTree(points[flat]).query(raw, k=1, workers=-1, distance_upper_bound=reach)
    index = np.asarray(found[1])
    hit = index < flat.sum()
    if hit.sum() < 10:
        return 0.0
    offset = raw[hit] - points[flat][index[hit]]
    residual = np.einsum("ij,ij->i", offset, surface.normals[flat][index[hit]])
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def oriented(points: np.ndarray, normals: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Return normals with a plausible side, where no viewpoint is known.

    given: (n, 3) sums of the file's own normals. Where they are consistent within a voxel they are
    taken, since a mesh knows its faces; elsewhere the fitted normal faces the middle of the capture.
    """
    inward = facing(points, normals, np.median(points, axis=0))
    if given is None:
        return inward
    length = np.linalg.norm(given, axis=1, keepdims=True)
    own = np.divide(given, length, out=np.zeros_like(given), where=length > 0)
    agree = np.abs(np.einsum("ij,ij->i", own, normals))
    if np.median(agree) < 0.7:  # the file's normals are not normals
        return inward
    return np.where((agree > 0.5)[:, None], own, inward)
