"""The working set of a reconstruction: a scan's points in an order that does not depend on their file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.scan import Scan

_FARTHEST = 3  # voxels: how far apart neighbouring points are taken to be at most


@dataclass(frozen=True)
class Cloud:
    """Points sorted by coordinates, so that a permuted scan reconstructs to the same bytes.

    Attributes:
        points, normals: (n, 3) float64, world frame.
        colors: (n, 3) uint8 or (0, 3).
        order: (n,) row of the scan each point came from.
        voxel_m: edge of the scan's voxels.
        spacing_m: distance neighbouring points are apart where the capture is sparser than its voxels.
        sigma_m: range noise.
        counts: (n,) float64 raw points that each is the mean of.
    """

    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    order: np.ndarray
    voxel_m: float
    spacing_m: float
    sigma_m: float
    counts: np.ndarray

    @property
    def tolerance_m(self) -> float:
        """How far a point may lie from the surface it belongs to: max(1 cm, 2.5 sigma, half a voxel)."""
        return max(0.01, 2.5 * self.sigma_m, 0.5 * self.voxel_m)

    @property
    def merge_m(self) -> float:
        """Height below which a bump on a surface is part of the surface."""
        return max(2 * self.tolerance_m, 1.5 * self.voxel_m)

    @property
    def skin_m(self) -> float:
        """How deep behind a surface noise lets rays end."""
        return 3 * self.voxel_m + self.tolerance_m

    @property
    def clear_m(self) -> float:
        """How far from every point seen air is surely air: 3 sigma and a voxel."""
        return 3 * self.sigma_m + self.voxel_m

    @property
    def ray_end_m(self) -> float:
        """How far before its point a measured ray is surely in air: 3 sigma and half the voxel whose mean
        the point is."""
        return 3 * self.sigma_m + 0.5 * self.voxel_m

    @property
    def is_sparse(self) -> bool:
        """Whether one in ten points has no two neighbours within three voxels."""
        return self.spacing_m >= _FARTHEST * self.voxel_m


def working_cloud(scan: Scan) -> Cloud:
    """Return the scan's points, sorted."""
    points = np.asarray(scan.points, float)
    order = np.lexsort(points.T[::-1])
    colors = np.asarray(scan.colors)
    return Cloud(
        points[order],
        np.asarray(scan.normals, float)[order],
        colors[order] if len(colors) else np.zeros((0, 3), np.uint8),
        order,
        float(scan.info.voxel_m),
        _spacing(points[order], float(scan.info.voxel_m)),
        float(scan.info.noise_sigma_m),
        np.asarray(scan.counts, float)[order],
    )


def _spacing(points: np.ndarray, voxel_m: float) -> float:
    """Return the voxel, or what nine in ten points have two neighbours within if that is more (<= 3x)."""
    from scipy.spatial import KDTree

    if len(points) < 3:
        return voxel_m
    some = points[:: max(1, len(points) // 5000)]
    distance = KDTree(points).query(some, k=3)[0][:, 2]
    return float(np.clip(np.quantile(distance, 0.9), voxel_m, _FARTHEST * voxel_m))


def clusters(points: np.ndarray, radius_m: float, min_points: int) -> list[np.ndarray]:
    """Return index arrays of groups whose points are chained by steps <= `radius_m`, largest first.

    Single-linkage on the centres of cells of a third of the radius: DBSCAN without border points.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    if not len(points):
        return []
    cells = np.floor(points / (radius_m / 3)).astype(np.int64)
    _, inverse = np.unique(cells, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    count = np.bincount(inverse)
    centres = np.column_stack([np.bincount(inverse, points[:, i]) / count for i in range(3)])
    pairs = KDTree(centres).query_pairs(radius_m, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), bool), pairs.T), (len(centres), len(centres)))
    _, labels = connected_components(graph, directed=False)
    labels = labels[inverse]
    sizes = np.bincount(labels)
    chosen = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] >= min_points]
    return [np.flatnonzero(labels == i) for i in chosen]
