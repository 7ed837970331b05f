"""Walls, floor and ceiling: infinite planes where nothing lies behind them, else thin boxes.

A MuJoCo plane is a half space: everything behind it collides. So a surface becomes a `plane` only if
(nearly) no scan point and no observed free space lies behind it. Every other surface becomes boxes just
behind it, as far as points reach, so that a door stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import Area, components, cover, rasterize
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.planes import Plane, largest_plane
from r2s.reconstruct.solids import make_geom

Rectangle = tuple[np.ndarray, np.ndarray]  # (2,) low and (2,) high corner [m]

UP = np.array([0.0, 0.0, 1.0])
_UPRIGHT_COSINE = np.sin(np.deg2rad(6.0))
_MAX_WALLS = 24
_BEHIND_POINTS = 0.002  # share of all scan points that may lie behind a plane
BEHIND_FREE = 0.002  # share of observed free space that may lie behind a plane ...
BELOW_FLOOR = 0.005  # ... and below a floor, where noise and reflections end, and no robot goes
_IN_FRONT_M = 0.015  # how far points may lie in front of a box and still be explained by it
_NOISE_IN_FRONT = 2.2  # 97 % of a normal distribution lie below 1.9 of its standard deviations
_BENT = 0.15  # share of a face's points that may lie farther in front of its plane
_SLIVER_M = 0.01
_BRIDGE_M = 0.25  # unseen gaps of a wall narrower than twice this are closed


@dataclass(frozen=True)
class Face:
    """One flat side of the place.

    Attributes:
        plane: its normal points to the side it was seen from.
        T_world_face: (4, 4), z = normal; for walls y = up.
        points: indices into the cloud.
        area: where points lie, in the face's x and y.
    """

    plane: Plane
    T_world_face: np.ndarray
    points: np.ndarray
    area: Area

    def local(self, points: np.ndarray) -> np.ndarray:
        """Return (n, 3) world points in the face's frame."""
        return (points - self.T_world_face[:3, 3]) @ self.T_world_face[:3, :3]


def find_walls(
    cloud: Cloud, available: np.ndarray, min_area_m2: float, min_height_m: float, rng
) -> list[Face]:
    """Return upright faces of at least that area and height among available points (n,) bool."""
    rest = available & (np.abs(cloud.normals[:, 2]) < 0.6)
    walls: list[Face] = []
    cell = max(2.5 * cloud.voxel_m, 0.03)
    for _ in range(_MAX_WALLS):
        index = np.flatnonzero(rest)
        if len(index) * cloud.voxel_m**2 < 0.3 * min_area_m2:
            break
        found = largest_plane(
            cloud.points[index],
            cloud.normals[index],
            tolerance_m=1.5 * cloud.tolerance_m,
            patch_m=max(0.2, 6 * cloud.voxel_m),
            max_tilt_from=(UP, 0.0, _UPRIGHT_COSINE),
            rng=rng,
        )
        if found is None:
            break
        plane, mask = found
        members = index[mask]
        rest[members] = False
        plane = _towards_seen_side(plane, cloud.normals[members])
        frame = _wall_frame(plane, cloud.points[members].mean(0))
        local = (cloud.points - frame[:3, 3]) @ frame[:3, :3]
        near = available & (np.abs(local[:, 2]) < 2 * cloud.merge_m)
        near &= np.abs(cloud.normals @ plane.normal) > 0.7
        for area in components(
            rasterize(local[members][:, :2], cell, close_cells=2, fill=False), min_area_m2
        ):
            rows = np.flatnonzero(area.mask.any(axis=0))
            if (rows[-1] - rows[0] + 1) * cell < min_height_m:
                continue
            own = np.flatnonzero(near)
            own = own[_grown(area, 2).contains(local[own, :2])]
            walls.append(Face(plane, frame, own, area))
            rest[own] = False
            available = available.copy()
            available[own] = False
    return walls


def is_half_space(
    plane: Plane,
    cloud: Cloud,
    free: FreeSpace,
    free_samples: np.ndarray,
    behind: float = BEHIND_FREE,
) -> bool:
    """Return whether the world ends at this plane: no points and no seen air behind it.

    Points may lie in a thick skin behind it (a second layer, trim), air only within the noise: the
    niche of a window is air.
    """
    skin = face_skin_m(cloud)
    if float((plane.height(cloud.points) < -skin).mean()) > _BEHIND_POINTS:
        return False
    if not len(free_samples):
        return True
    noise = cloud.voxel_m + cloud.tolerance_m
    return float((plane.height(free_samples) < -noise).mean()) <= behind


def face_skin_m(cloud: Cloud) -> float:
    """Return how far behind a face points may still be its own: a second layer, trim, noise [m]."""
    return 3 * cloud.voxel_m + 2 * cloud.merge_m


def is_bent(heights: np.ndarray) -> bool:
    """Return whether one plane leaves too many of its points, at these heights (n,) [m], in front of it."""
    return bool(len(heights)) and float((heights > _IN_FRONT_M).mean()) > _BENT


def plane_geom(face_frame: np.ndarray) -> Geom:
    """Return the infinite plane of a face."""
    return make_geom("plane", (0.0, 0.0, 0.0), face_frame[:3, 3], face_frame[:3, :3])


def slabs(
    frame: np.ndarray,
    area: Area,
    free: FreeSpace,
    *,
    thickness_m: float,
    skin_m: float,
    max_edge_m: float,
    limit: int,
    local: np.ndarray,
    noise_m: float,
    openings: Sequence[Rectangle] = (),
) -> tuple[Geom, ...]:
    """Cover a face with boxes behind it, of edges <= `max_edge_m`, at most `limit`, largest first.

    Unseen gaps narrower than 0.5 m are closed; cells that rays crossed stay open.

    Args:
        skin_m: how deep noise lets rays end behind the surface; free space is asked below that.
        local: (n, 3) the face's points in its frame. A box ends at its outermost point, not at the edge
            of a cell, and its front is where its own points are: a wall may be bowed, or seen twice.
        noise_m: range noise; a front within it of the face's plane is the plane's.
        openings: rectangles of the face that stay open.
    """
    mask = _bridged(frame, area, free, skin_m)
    thickness = _thickness(frame, area.centres()[mask], free, thickness_m, skin_m)
    area = _coarse(Area(area.origin, area.cell_m, mask), max_edge_m)
    geoms = []
    for i0, j0, i1, j1 in cover(area.mask, max(1, round(max_edge_m / area.cell_m)), limit):
        lo, hi = (area.origin + np.array(k) * area.cell_m for k in ((i0, j0), (i1, j1)))
        own = local[np.all((local[:, :2] >= lo) & (local[:, :2] <= hi), axis=1)]
        lo, hi = _tightened(lo, hi, own[:, :2], 1.2 * area.cell_m)
        front = front_m(own[:, 2], noise_m)
        for a, b in without((lo, hi), openings):
            centre = np.array([*(0.5 * (a + b)), front - thickness / 2])
            half = (*(0.5 * (b - a)), thickness / 2)
            position = frame[:3, :3] @ centre + frame[:3, 3]
            geoms.append(make_geom("box", half, position, frame[:3, :3]))
    return tuple(geoms)


def without(whole: Rectangle, holes: Sequence[Rectangle]) -> list[Rectangle]:
    """Return rectangles that cover `whole` but not the holes, disjoint, slivers under 1 cm left out."""
    pieces = [whole]
    for low, high in holes:
        pieces = [rest for piece in pieces for rest in _less(piece, low, high)]
    return [(lo, hi) for lo, hi in pieces if (hi - lo).min() >= _SLIVER_M]


def _less(whole: Rectangle, low: np.ndarray, high: np.ndarray) -> list[Rectangle]:
    """Return a rectangle without another: the parts left and right of it, then below and above."""
    lo, hi = whole
    low, high = np.maximum(low, lo), np.minimum(high, hi)
    if np.any(low >= high):
        return [whole]
    return [
        (lo, np.array([low[0], hi[1]])),
        (np.array([high[0], lo[1]]), hi),
        (np.array([low[0], lo[1]]), np.array([high[0], low[1]])),
        (np.array([low[0], high[1]]), np.array([high[0], hi[1]])),
    ]


def front_m(heights: np.ndarray, noise_m: float) -> float:
    """Return where the front of a box belongs whose points lie at these heights (n,) [m] over its face.

    On the plane, which all points of the face support, where the box's own median is within the noise of
    it; else at that median, or as far before it as leaves 3 % of them more than 15 mm in front: of two layers
    of one wall, the one a robot would meet. Noise is no layer: it is as wide behind the median as before it,
    so what it spreads behind is allowed in front too.
    """
    if not len(heights):
        return 0.0
    back, middle, high = np.quantile(heights, [0.16, 0.5, 0.97])
    allowed = max(_IN_FRONT_M, _NOISE_IN_FRONT * (middle - back))
    front = float(max(middle, high - allowed))
    return front if abs(front) > noise_m else 0.0


def _tightened(lo: np.ndarray, hi: np.ndarray, inside: np.ndarray, most_m: float):
    """Return the rectangle with each side moved in to its first point, by at most `most_m`."""
    if not len(inside):
        return lo, hi
    low, high = inside.min(0), inside.max(0)
    return np.where(low - lo <= most_m, low, lo), np.where(hi - high <= most_m, high, hi)


def _bridged(frame: np.ndarray, area: Area, free: FreeSpace, skin_m: float) -> np.ndarray:
    from scipy import ndimage

    steps = max(1, round(_BRIDGE_M / area.cell_m))
    padded = np.pad(area.mask, steps + 1)
    closed = ndimage.binary_closing(padded, np.ones((3, 3)), iterations=steps)
    closed = closed[steps + 1 : -steps - 1, steps + 1 : -steps - 1]
    centres = area.centres()
    crossed = np.zeros(area.mask.shape, bool)
    for depth in (0.0, -skin_m):
        local = np.concatenate([centres, np.full((*area.mask.shape, 1), depth)], axis=-1)
        world = local.reshape(-1, 3) @ frame[:3, :3].T + frame[:3, 3]
        crossed |= free.contains(world).reshape(area.mask.shape)
    return area.mask | (closed & ~crossed)


def _thickness(frame, centres, free: FreeSpace, wanted_m: float, skin_m: float) -> float:
    """Return the wanted thickness, less where the back of the face was seen."""
    if len(centres) > 3000:
        centres = centres[:: len(centres) // 3000 + 1]
    depth = skin_m
    while depth < wanted_m and len(centres):
        local = np.column_stack([centres, np.full(len(centres), -depth)])
        if free.contains(local @ frame[:3, :3].T + frame[:3, 3]).mean() > 0.03:
            return max(0.02, depth - free.cell_m)
        depth += free.cell_m
    return wanted_m


def _coarse(area: Area, max_edge_m: float) -> Area:
    """Return the area on cells of about a tenth of the longest edge, at least half full."""
    factor = max(1, int(0.1 * max_edge_m / area.cell_m))
    if factor == 1:
        return area
    shape = -(-np.array(area.mask.shape) // factor) * factor
    padded = np.zeros(tuple(shape), float)
    padded[: area.mask.shape[0], : area.mask.shape[1]] = area.mask
    blocks = padded.reshape(shape[0] // factor, factor, shape[1] // factor, factor).mean(
        axis=(1, 3)
    )
    return Area(area.origin, area.cell_m * factor, blocks >= 0.5)


def _towards_seen_side(plane: Plane, normals: np.ndarray) -> Plane:
    if float(np.mean(normals @ plane.normal)) < 0:
        return Plane(-plane.normal, -plane.offset)
    return plane


def _wall_frame(plane: Plane, near: np.ndarray) -> np.ndarray:
    across = np.cross(UP, plane.normal)
    across /= np.linalg.norm(across)
    frame = np.eye(4)
    frame[:3, :3] = np.column_stack([across, np.cross(plane.normal, across), plane.normal])
    frame[:3, 3] = near - plane.height(near[None])[0] * plane.normal
    return frame


def _grown(area: Area, cells: int) -> Area:
    from scipy import ndimage

    return Area(
        area.origin,
        area.cell_m,
        ndimage.binary_dilation(area.mask, np.ones((3, 3)), iterations=cells),
    )
