"""Which sensor saw which point: the rays that carve free space and audit the twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.scan import Scan
from r2s.core.native import open3d

EYE_HEIGHT_M = 1.4  # of an estimated viewpoint over the lowest points
_ONE_SIDE = 0.8  # length of the mean direction to the viewpoints: 1 is one direction, 0 all around
_BIN_RAD = np.deg2rad(1.0)  # angular cell of the visibility test of a point capture


@dataclass(frozen=True)
class Rays:
    """Attributes:
    origins: (k, 3) float64, metres, world frame.
    points: (k,) int64: index of the scan point each ray ends at.
    evidence: one sentence on where the viewpoints come from.
    measured: whether the scan knows them: each ray is then right up to noise. A guessed one may pass
        through the edge of what stands before its point.
    """

    origins: np.ndarray
    points: np.ndarray
    evidence: str
    measured: bool = False


def one_sided(rays: Rays, points: np.ndarray, index: np.ndarray) -> np.ndarray | None:
    """Return the mean viewpoint (3,) of a thing seen from one side, None if seen all around or never.

    Args:
        index: the thing's points, sorted.
    """
    of = np.isin(rays.points, index)
    if not of.any():
        return None
    centre = points[index].mean(0)
    towards = rays.origins[of] - centre
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
    if np.linalg.norm(towards.mean(0)) < _ONE_SIDE:
        return None
    return rays.origins[of].mean(0)


def find_rays(scan: Scan, points: np.ndarray, order: np.ndarray, *, estimate: bool = True) -> Rays:
    """Return the rays of a scan, estimated where the capture does not know its viewpoints.

    Args:
        points: (n, 3) the scan's points in working order; `order` (n,) maps them to the scan's rows.
        estimate: whether viewpoints may be guessed; open ground has no inside to guess them in.
    """
    view = (
        np.asarray(scan.viewpoint_of)[order] if len(scan.viewpoint_of) else np.full(len(points), -1)
    )
    known = np.flatnonzero((view >= 0) & (view < len(scan.viewpoints)))
    if len(known):
        share = 100 * len(known) / len(points)
        how = {"file": "from the file", "estimated": "estimated by the scan"}
        evidence = (
            f"{len(scan.viewpoints)} viewpoint(s) {how.get(scan.info.viewpoints_source, 'of the scan')}, "
            f"for {share:.0f} % of its points"
        )
        return Rays(scan.viewpoints.astype(float)[view[known]], known, evidence, measured=True)
    candidates = scan.viewpoints.astype(float)
    if not len(candidates) and not estimate:
        evidence = "the capture has no viewpoints, and none can be guessed on open ground: no rays"
        return Rays(np.zeros((0, 3)), np.zeros(0, np.int64), evidence)
    if not len(candidates):
        candidates = _interior_candidates(points, scan.info.voxel_m)
    if len(scan.mesh_faces):
        origins, index = _seen_on_mesh(scan, candidates, points)
        how = "ray casting the captured mesh"
    else:
        origins, index = _seen_in_bins(candidates, points, scan.info.voxel_m)
        how = f"nearest range per {np.rad2deg(_BIN_RAD):.0f} degree cell"
    evidence = (
        f"the capture has no viewpoints: {len(candidates)} estimated inside it at "
        f"{EYE_HEIGHT_M} m, visibility by {how}"
    )
    return Rays(origins, index, evidence)


def _interior_candidates(points: np.ndarray, voxel_m: float) -> np.ndarray:
    """Return up to four well separated (m, 3) positions with the most room around them."""
    from scipy.spatial import KDTree

    lo, hi = np.quantile(points, 0.01, axis=0), np.quantile(points, 0.99, axis=0)
    z = min(lo[2] + EYE_HEIGHT_M, 0.5 * (lo[2] + hi[2]) + 0.25 * (hi[2] - lo[2]))
    xs, ys = (np.linspace(lo[i], hi[i], 25)[1:-1] for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), -1).reshape(-1, 2)
    grid = np.column_stack([grid, np.full(len(grid), z)])
    room, _ = KDTree(points).query(grid)
    room = np.minimum(room, 1.0)
    chosen: list[int] = []
    apart = 0.35 * float(np.linalg.norm((hi - lo)[:2]))
    for index in np.argsort(-room, kind="stable"):
        far = all(np.linalg.norm(grid[index] - grid[c]) > apart for c in chosen)
        if far and room[index] > 5 * voxel_m:
            chosen.append(int(index))
        if len(chosen) == 4:
            break
    return grid[chosen]


def _seen_on_mesh(scan: Scan, candidates: np.ndarray, points: np.ndarray):
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(scan.mesh_vertices.astype(np.float32)),
        o3d.core.Tensor(scan.mesh_faces.astype(np.uint32)),
    )
    origins, index = [], []
    for candidate in candidates:
        direction = points - candidate
        distance = np.linalg.norm(direction, axis=1)
        rays = np.column_stack(
            [np.broadcast_to(candidate, points.shape), direction / distance[:, None]]
        )
        hit = scene.cast_rays(o3d.core.Tensor(rays.astype(np.float32)))["t_hit"].numpy()
        seen = np.flatnonzero(hit > distance - 1.5 * scan.info.voxel_m)
        origins.append(np.broadcast_to(candidate, (len(seen), 3)))
        index.append(seen)
    if not index:
        return np.zeros((0, 3)), np.zeros(0, np.int64)
    return np.concatenate(origins), np.concatenate(index)


def _seen_in_bins(candidates: np.ndarray, points: np.ndarray, voxel_m: float):
    origins, index = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for candidate in candidates:
        direction = points - candidate
        distance = np.linalg.norm(direction, axis=1)
        azimuth = np.arctan2(direction[:, 1], direction[:, 0])
        elevation = np.arcsin(np.clip(direction[:, 2] / distance, -1, 1))
        cells = np.floor((azimuth + np.pi) / _BIN_RAD).astype(np.int64) * 1000
        cells += np.floor((elevation + np.pi) / _BIN_RAD).astype(np.int64)
        _, inverse = np.unique(cells, return_inverse=True)
        nearest = np.full(inverse.max() + 1, np.inf)
        np.minimum.at(nearest, inverse, distance)
        seen = np.flatnonzero(distance <= nearest[inverse] + 3 * voxel_m)
        origins.append(np.broadcast_to(candidate, (len(seen), 3)))
        index.append(seen)
    return np.concatenate(origins), np.concatenate(index)
