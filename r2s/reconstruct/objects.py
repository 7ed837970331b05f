"""What stands on a support: segmented, then each thing explained by the simplest solid that does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.rectangle import min_rectangle
from r2s.reconstruct.cloud import Cloud, clusters
from r2s.reconstruct.completion import complete
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.hulls import explain_by_hulls
from r2s.reconstruct.levels import Level
from r2s.reconstruct.parts import Part, assumed_fraction, upright_box
from r2s.reconstruct.physical import DENSITIES
from r2s.reconstruct.primitives import Standing, fits
from r2s.reconstruct.rays import Rays, one_sided
from r2s.reconstruct.solids import combined_moments, make_geom
from r2s.reconstruct.terrain import Terrain

CLUSTER_SPACINGS = 3.0  # radius within which points belong together
_MIN_POINTS = 30
_RESOLVED_VOXELS = 4  # a thing is measured if it is at least this many voxels across
_FOOT_M = 0.08  # a thing whose lowest point is higher than this floats: not an object


@dataclass(frozen=True)
class Limits:
    """What may be a movable object: height above its support, longest side [m], and mass [kg]."""

    height_m: float
    edge_m: float
    mass_kg: float


def find_objects(
    level: Level,
    cloud: Cloud,
    available: np.ndarray,
    rays: Rays,
    free: FreeSpace,
    limits: Limits,
    seed: int,
) -> list[Part]:
    """Return the things on a level surface; indices of available points (n,) bool only."""
    local = level.local(cloud.points)
    above = available & (local[:, 2] > cloud.tolerance_m) & (local[:, 2] < 2 * limits.height_m)
    candidates = np.flatnonzero(above)
    candidates = candidates[_over(level, local[candidates, :2])]
    parts = []
    for group in clusters(
        cloud.points[candidates], CLUSTER_SPACINGS * cloud.spacing_m, _MIN_POINTS
    ):
        index = candidates[group]
        part = _thing(level, local, index, cloud, rays, free, limits, seed)
        if part is not None:
            parts.append(part)
    return parts


def things_on(
    terrain: Terrain,
    cloud: Cloud,
    available: np.ndarray,
    rays: Rays,
    free: FreeSpace,
    limits: Limits,
    seed: int,
) -> list[Part]:
    """Return the things on the ground, each on what is under it; of available points (n,) bool only."""
    height = terrain.above(cloud.points)
    above = np.flatnonzero(
        available & (height > cloud.tolerance_m) & (height < 2 * limits.height_m)
    )
    parts = []
    for group in clusters(cloud.points[above], CLUSTER_SPACINGS * cloud.spacing_m, _MIN_POINTS):
        index = above[group]
        if np.ptp(cloud.points[index, :2], axis=0).max() > 2 * limits.edge_m:
            continue
        level = terrain.place(cloud.points[index])
        local = level.local(cloud.points)
        part = _thing(level, local, index, cloud, rays, free, limits, seed)
        if part is not None:
            parts.append(part)
    return parts


def _thing(
    level: Level, local: np.ndarray, index: np.ndarray, cloud: Cloud, rays, free, limits, seed: int
) -> Part | None:
    """Return what a group of points is, None where it is no thing that could be moved."""
    z = local[index, 2]
    if np.quantile(z, 0.98) < cloud.merge_m or np.quantile(z, 0.02) > _FOOT_M:
        return None
    size = np.ptp(local[index], axis=0)
    if z.max() > limits.height_m or max(size[:2]) > limits.edge_m:
        return None
    if np.sort(size)[1] < _RESOLVED_VOXELS * cloud.voxel_m:
        return None  # a speck: two of its sides are a few voxels
    least_m = 2 * max(cloud.voxel_m, cloud.tolerance_m)
    if 2 * min_rectangle(local[index, :2])[2].min() < least_m:
        return None  # a board on edge, or the front of what is no thing: it is not known how deep it is
    standing = _standing(level, local, index, cloud, rays, free)
    part = explain(standing, index, cloud, rays, free, seed)
    if part is None or part_mass(part) > limits.mass_kg:
        return None
    return part if min(upright_box(part.geoms, part.hulls)[2][:2]) >= least_m else None


def _standing(level: Level, local, index, cloud: Cloud, rays: Rays, free: FreeSpace) -> Standing:
    T = level.T_world_level
    viewpoint = one_sided(rays, cloud.points, index)
    eye = None if viewpoint is None else level.local(viewpoint[None])[0]
    return Standing(
        local[index],
        cloud.normals[index] @ T[:3, :3],
        T,
        cloud.tolerance_m,
        completed=complete(local[index], eye, T, free),
    )


def explain(
    thing: Standing, index: np.ndarray, cloud: Cloud, rays: Rays, free: FreeSpace, seed: int
) -> Part | None:
    """Return the simplest solid that explains a standing thing: a primitive, else hulls."""
    best = fits(thing, free)[0]
    near = 2.5 * cloud.spacing_m
    if best.accepted:
        geoms = (best.geom,)
        assumed = assumed_fraction(geoms, (), cloud.points[index], near)
        return Part("object", best.kind, geoms, index, "movable", assumed_fraction=assumed)
    found, note = explain_by_hulls(thing, cloud, rays, free, seed)
    if not found:
        return None
    T = thing.T_world_support
    hulls, geoms = [], []
    for number, (vertices, faces) in enumerate(found):
        centre = vertices.mean(0)
        # float32 is what the artifact keeps: measure the very hull that is stored
        hulls.append(((vertices - centre).astype(np.float32), faces))
        position = T[:3, :3] @ centre + T[:3, 3]
        geoms.append(make_geom("hull", (), position, T[:3, :3], hull=number))
    assumed = assumed_fraction(tuple(geoms), tuple(hulls), cloud.points[index], near)
    return Part(
        "object", "hulls", tuple(geoms), index, "movable", hulls=tuple(hulls),
        assumed_fraction=assumed, notes=(note,) if note else (),
    )  # fmt: skip


def part_mass(part: Part) -> float:
    """Return the nominal mass [kg] of an object part."""
    return combined_moments(part.geoms, part.hulls)[0] * DENSITIES["object"].value


def _over(level: Level, xy: np.ndarray) -> np.ndarray:
    """Return (n,) bool: above the footprint, or above the shadow inside its outline."""
    from scipy import ndimage

    area = level.area
    outline = ndimage.binary_closing(
        np.pad(area.mask, 40), np.ones((3, 3)), iterations=min(38, int(0.3 / area.cell_m))
    )[40:-40, 40:-40]
    outline = ndimage.binary_dilation(outline, np.ones((3, 3)), iterations=2)
    cells, inside = area.cell_of(xy)
    return inside & outline[cells[:, 0], cells[:, 1]]
