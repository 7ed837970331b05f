"""Level surfaces: floor, ceiling, table tops. Found as planes, split into connected areas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.core.rigid import rotation_between, transform
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import Area, components, rasterize
from r2s.reconstruct.planes import Plane, largest_plane

UP = np.array([0.0, 0.0, 1.0])
_MAX_PLANES = 10
_TILT_COSINE = np.cos(np.deg2rad(8.0))


@dataclass(frozen=True)
class Level:
    """One connected level surface.

    Attributes:
        plane: its normal points up.
        T_world_level: (4, 4) level frame (z = normal, origin on the plane) to world.
        points: indices into the cloud, bumps lower than `Cloud.merge_m` included.
        area: its footprint in the level frame's x and y.
        faces_up: false for the underside of something (ceiling).
    """

    plane: Plane
    T_world_level: np.ndarray
    points: np.ndarray
    area: Area
    faces_up: bool

    @property
    def height_m(self) -> float:
        return float(self.T_world_level[2, 3])

    def local(self, points: np.ndarray) -> np.ndarray:
        """Return (n, 3) world points in the level frame."""
        return (points - self.T_world_level[:3, 3]) @ self.T_world_level[:3, :3]


def level_frame(plane: Plane, near: np.ndarray) -> np.ndarray:
    """Return the (4, 4) frame of an upward plane whose origin is the projection of `near` (3,)."""
    origin = near - plane.height(near[None])[0] * plane.normal
    return transform(rotation_between(UP, plane.normal), origin)


def find_levels(
    cloud: Cloud, available: np.ndarray, min_area_m2: float, rng: np.random.Generator
) -> list[Level]:
    """Return level surfaces of at least `min_area_m2` among the available points (n,) bool, largest first."""
    rest = available & (np.abs(cloud.normals[:, 2]) > 0.8)
    levels: list[Level] = []
    cell = footprint_cell(cloud)
    for _ in range(_MAX_PLANES):
        index = np.flatnonzero(rest)
        if len(index) * cloud.voxel_m**2 < 0.5 * min_area_m2:
            break
        found = largest_plane(
            cloud.points[index],
            cloud.normals[index],
            tolerance_m=cloud.tolerance_m,
            patch_m=max(0.12, 6 * cloud.voxel_m),
            max_tilt_from=(UP, _TILT_COSINE, 1.0),
            rng=rng,
        )
        if found is None:
            break
        plane, mask = found
        if plane.normal[2] < 0:
            plane = Plane(-plane.normal, -plane.offset)
        members = index[mask]
        near = np.abs(plane.height(cloud.points)) <= cloud.merge_m
        aligned = np.abs(cloud.normals @ plane.normal) > 0.7
        bumps = np.flatnonzero(available & near & aligned)
        rest[members] = False
        frame = level_frame(plane, cloud.points[members].mean(0))
        for part in components(_area(cloud, frame, members, cell), min_area_m2):
            grown = _grow(part, 2)
            own = bumps[grown.contains(_xy(cloud, frame, bumps))]
            core = members[part.contains(_xy(cloud, frame, members))]
            up = float(np.mean(cloud.normals[core] @ plane.normal)) > -0.5
            level = Level(plane, frame, own, part, up)
            rest[own] = False
            available = available.copy()
            available[own] = False
            host = next(
                (i for i, other in enumerate(levels) if _continues(other, level, cloud)), None
            )
            if host is None:
                levels.append(level)
            else:
                levels[host] = replace(
                    levels[host], points=np.sort(np.concatenate([levels[host].points, own]))
                )
    return [_spread(level, cloud, available) for level in levels]


def _spread(level: Level, cloud: Cloud, available: np.ndarray) -> Level:
    """Return the level with the points its surface runs on to without a step, bowed as it may be."""
    from scipy.spatial import KDTree

    height = np.abs(level.plane.height(cloud.points))
    aligned = np.abs(cloud.normals @ level.plane.normal) > 0.85
    rest = np.flatnonzero(available & aligned & (height < 4 * cloud.merge_m))
    reach = max(3 * cloud.voxel_m, 0.03)
    gained, front = [level.points], level.points
    while len(rest) and len(front):
        distance, nearest = KDTree(cloud.points[front]).query(
            cloud.points[rest], distance_upper_bound=reach
        )
        near = np.isfinite(distance)
        rise = np.zeros(len(rest))
        rise[near] = np.abs(
            (cloud.points[rest[near]] - cloud.points[front[np.asarray(nearest)[near]]])
            @ level.plane.normal
        )
        joins = near & (rise < 0.25 * reach)
        front = rest[joins]
        gained.append(front)
        rest = rest[~joins]
    # Noise has no normals to speak of: what clings to the surface belongs to it.
    members = np.concatenate(gained)
    left = np.setdiff1d(np.flatnonzero(available & (height < 2 * cloud.merge_m)), members)
    if len(left):
        distance, _ = KDTree(cloud.points[members]).query(
            cloud.points[left], distance_upper_bound=max(2.5 * cloud.voxel_m, 0.01)
        )
        members = np.concatenate([members, left[np.isfinite(distance)]])
    return replace(level, points=np.unique(members))


def _continues(host: Level, level: Level, cloud: Cloud) -> bool:
    """Return whether `level` runs on from a larger surface without a step (a warped board, range bias)."""
    from scipy.spatial import KDTree

    mine, other = host.local(cloud.points[level.points]), host.local(cloud.points[host.points])
    if host.faces_up != level.faces_up or np.median(np.abs(mine[:, 2])) > 2 * cloud.merge_m:
        return False
    reach = 3 * host.area.cell_m
    distance, nearest = KDTree(other[:, :2]).query(mine[:, :2], distance_upper_bound=reach)
    touching = np.isfinite(distance)
    if touching.sum() < 10:
        return False
    step = np.abs(mine[touching, 2] - other[np.asarray(nearest)[touching], 2])
    return bool(np.median(step) < 0.7 * cloud.tolerance_m)


def footprint_cell(cloud: Cloud) -> float:
    """Return the edge [m] of footprint cells: finer than a cup, coarser than the point spacing."""
    return max(2.5 * cloud.voxel_m, 0.015)


def _xy(cloud: Cloud, frame: np.ndarray, index: np.ndarray) -> np.ndarray:
    return ((cloud.points[index] - frame[:3, 3]) @ frame[:3, :3])[:, :2]


def _area(cloud: Cloud, frame: np.ndarray, index: np.ndarray, cell: float) -> Area:
    return rasterize(_xy(cloud, frame, index), cell, close_cells=2)


def _grow(area: Area, cells: int) -> Area:
    from scipy import ndimage

    return Area(
        area.origin,
        area.cell_m,
        ndimage.binary_dilation(area.mask, np.ones((3, 3)), iterations=cells),
    )
