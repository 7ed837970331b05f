"""Doors and windows: rectangles of a wall's plane with no returns, through which rays went on.

A wall has an opening only where somebody looked through it. What is merely unseen stays closed or
unknown, and so does a door that was shut during the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Opening
from r2s.core.rigid import matrix_to_quat
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.planes import Plane
from r2s.reconstruct.rays import Rays
from r2s.reconstruct.shell import Face, face_skin_m
from r2s.reconstruct.solids import Hull, nearest_distance

_CELL_M = 0.05
_BEYOND_WALL_M = 0.5  # where rays end nearer behind the plane, there is a niche, a pane, a blind
_LEAST_RAYS = 30  # through one opening
_TALL_M = 1.5  # a face whose upper edge is lower over the floor is furniture, not a wall
_BEYOND_M = 1.5  # how far past a face's own end an opening may reach: to the corner of the room
_WIDTH_M = (0.3, 3.0)  # wider is the rest of the room, not an opening in this wall
_HEIGHT_M = 0.3
_DOOR_HEIGHT_M = 1.2
_SILL_M = 0.25  # an opening that begins lower over the floor is a door
_JAMB_M = 0.3  # how far the nearest return may be from the outermost ray at a side
_BOUNDED = 0.5  # share of rows that need a return at both sides
_FILLED = 0.6  # share of the rectangle that rays crossed
_RETURNS = 0.1  # of all rays that meet the rectangle, those that may end in it
_SAME_WALL_M = 0.6  # both sides of a wall are nearer to each other
_PASSAGE_M = 0.4  # how far before and behind the wall a passage must be clear
_DEPTHS = 41  # 2 cm apart: the thinnest slabs are 3 cm
_CLEAR_M = 0.05


@dataclass(frozen=True)
class Hole:
    """One opening in the frame of the wall it was found in.

    Attributes:
        T_world_wall: (4, 4), z = the wall's normal, y = up; its origin lies on the wall.
        low, high: (2,) corners of the rectangle in x and y [m].
        is_door: it reaches the floor.
        rays, returns: how many crossed the rectangle, and how many ended in it.
    """

    T_world_wall: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_door: bool
    rays: int
    returns: int

    def within(self, T_world_face: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return its (2,) corners in the frame of another face of the same wall, None if it is not one."""
        if abs(float(self.T_world_wall[:3, 2] @ T_world_face[:3, 2])) < 0.95:
            return None
        x, y = np.array([self.low, self.high]).T
        corners = np.array([[x[i], y[j], 0.0] for i in (0, 1) for j in (0, 1)])
        local = (self.to_world(corners) - T_world_face[:3, 3]) @ T_world_face[:3, :3]
        if np.abs(local[:, 2]).min() > _SAME_WALL_M:
            return None
        return local[:, :2].min(0), local[:, :2].max(0)

    def to_world(self, local: np.ndarray) -> np.ndarray:
        """Return (n, 3) points of the wall's frame in the world."""
        return local @ self.T_world_wall[:3, :3].T + self.T_world_wall[:3, 3]

    def passage(self, spacing_m: float = _CELL_M, depths: int = 9) -> np.ndarray:
        """Return (m, depths, 3) world points, before and behind each of m points of it."""
        sides = [
            np.linspace(lo, hi, max(2, int((hi - lo) / spacing_m)) + 2)[1:-1]
            for lo, hi in zip(self.low, self.high, strict=True)
        ]
        depth = np.linspace(-_PASSAGE_M, _PASSAGE_M, depths)
        x, y, z = np.meshgrid(*sides, depth, indexing="ij")
        points = self.to_world(np.column_stack([x.ravel(), y.ravel(), z.ravel()]))
        return points.reshape(-1, len(depth), 3)


def find_holes(walls: Sequence[Face], floor_m: float, cloud: Cloud, rays: Rays) -> list[Hole]:
    """Return the openings of the walls of a place whose floor is at height `floor_m`, most rays first."""
    found: list[Hole] = []
    for frame, faces in _by_frame(walls):
        plane = faces[0].plane
        low, high = _extent(faces)
        if high[1] + frame[2, 3] < floor_m + _TALL_M:
            continue
        low[1] = min(low[1], floor_m - frame[2, 3])
        crossings = _crossings(plane, frame, cloud, rays)
        inside = _inside(crossings[:, :2], low, high)
        if inside.sum() < _LEAST_RAYS:
            continue
        local = faces[0].local(cloud.points)
        band = np.abs(local[:, 2]) <= max(cloud.merge_m, _CELL_M)
        returns = local[band & _inside(local[:, :2], low, high), :2]
        own = np.concatenate([face.points for face in faces])
        found += _holes(frame, floor_m, low, crossings[inside], returns, local[own, :2], cloud)
    found.sort(key=lambda hole: (-hole.rays, *hole.low))
    return [hole for i, hole in enumerate(found) if not any(_same(hole, b) for b in found[:i])]


def blocks_a_passage(plane: Plane, holes: Sequence[Hole], free: FreeSpace, noise_m: float) -> bool:
    """Return whether a half space behind `plane` would hold air that was seen in a passage."""
    for hole in holes:
        points = hole.passage().reshape(-1, 3)
        seen = points[free.contains(points)]
        if len(seen) and float((plane.height(seen) < -noise_m).mean()) > 0.02:
            return True
    return False


def passages(holes: Sequence[Hole], cloud: Cloud, free: FreeSpace) -> np.ndarray:
    """Return (n, 3) points of air that was seen in and about the openings, clear of every scan point.

    So dense that no collider slips between them.
    """
    from scipy.spatial import KDTree

    if not holes:
        return np.zeros((0, 3))
    points = np.concatenate([hole.passage(depths=_DEPTHS).reshape(-1, 3) for hole in holes])
    points = points[free.contains(points)]
    near, _ = KDTree(cloud.points).query(points, distance_upper_bound=_CLEAR_M)
    return points[np.isinf(near)]


def clear_fraction(hole: Hole, geoms: Sequence[Geom], hulls: Sequence[Hull]) -> float:
    """Return the share of an opening through which a straight line meets no collider."""
    points = hole.passage()
    depth, which = nearest_distance(geoms, hulls, points.reshape(-1, 3), 1e-9)
    inside = ((which >= 0) & (depth < 0)).reshape(points.shape[:2])
    return float((~inside.any(axis=1)).mean())


def described(
    found: Sequence[tuple[int, Hole]],
    names: Sequence[str],
    floor_m: float,
    geoms: Sequence[Geom],
    hulls: Sequence[Hull],
) -> tuple[Opening, ...]:
    """Return openings as the artifact keeps them: (index of its wall, hole) each; `names` by index."""
    result: list[Opening] = []
    for index, hole in found:
        kind = "door" if hole.is_door else "window"
        centre = hole.to_world(np.array([[*(0.5 * (hole.low + hole.high)), 0.0]]))[0]
        width, height = hole.high - hole.low
        sill = 0.0 if hole.is_door else float(hole.low[1] + hole.T_world_wall[2, 3] - floor_m)
        result.append(
            Opening(
                name=f"{kind}_{sum(each.kind == kind for each in result)}",
                kind=kind,
                wall=names[index],
                center_m=(float(centre[0]), float(centre[1]), float(centre[2])),
                quaternion=tuple(map(float, matrix_to_quat(hole.T_world_wall[:3, :3]))),  # type: ignore[arg-type]
                size_m=(float(width), float(height)),
                sill_m=sill,
                clear_fraction=clear_fraction(hole, geoms, hulls),
                evidence=f"{hole.rays:,} rays went through, {hole.returns:,} ended in it",
            )
        )
    return tuple(result)


def _by_frame(walls: Sequence[Face]) -> Iterator[tuple[np.ndarray, list[Face]]]:
    """Yield each frame with its faces: parts of one plane share it."""
    groups: dict[bytes, list[Face]] = {}
    for wall in walls:
        groups.setdefault(wall.T_world_face.tobytes(), []).append(wall)
    for faces in groups.values():
        yield faces[0].T_world_face, faces


def _extent(faces: Sequence[Face]) -> tuple[np.ndarray, np.ndarray]:
    """Return the (2,) corners of where to look in the plane of the faces."""
    centres = np.concatenate([face.area.centres()[face.area.mask] for face in faces])
    beside = np.array([_BEYOND_M, 0.0])
    return centres.min(0) - beside, centres.max(0) + beside


def _crossings(plane: Plane, frame: np.ndarray, cloud: Cloud, rays: Rays) -> np.ndarray:
    """Return (k, 3) where rays go through the plane: the frame's x and y, and how far beyond they end."""
    skin = face_skin_m(cloud)
    ends = cloud.points[rays.points]
    before, after = plane.height(rays.origins), plane.height(ends)
    through = ((before > skin) & (after < -skin)) | ((before < -skin) & (after > skin))
    share = (before[through] / (before[through] - after[through]))[:, None]
    world = rays.origins[through] + share * (ends[through] - rays.origins[through])
    local = (world - frame[:3, 3]) @ frame[:3, :3]
    return np.column_stack([local[:, :2], np.abs(after[through])])


def _holes(frame, floor_m, low, crossings, returns, own, cloud: Cloud) -> Iterator[Hole]:
    from scipy import ndimage

    cell = max(_CELL_M, 1.5 * cloud.voxel_m)
    shape = tuple(
        np.floor((np.concatenate([crossings[:, :2], returns]).max(0) - low) / cell).astype(int) + 1
    )
    passed, solid = (_histogram(xy, low, cell, shape) for xy in (crossings[:, :2], returns))
    ring = np.ones((3, 3))
    seen = np.pad(passed > 0, 3) & ~np.pad(solid > 0, 3)
    closed = np.asarray(ndimage.binary_closing(seen, ring, iterations=2), bool)
    wide = closed & ~np.pad(solid > 0, 3)
    wide = ndimage.binary_opening(wide, ring, iterations=2)[3:-3, 3:-3]
    labels, count = ndimage.label(wide)  # type: ignore[misc]
    for number in range(1, count + 1):
        mask = labels == number
        sides = _sides(mask, solid > 0, low, cell, returns)
        if sides is None:
            continue
        lo, hi = sides
        floor = floor_m - frame[2, 3]
        is_door = bool(lo[1] < floor + _SILL_M)
        if is_door:
            lo[1] = floor
        width, height = hi - lo
        if not _WIDTH_M[0] <= width <= _WIDTH_M[1]:
            continue
        if height < (_DOOR_HEIGHT_M if is_door else _HEIGHT_M) or not _beside(own, lo, hi):
            continue
        inner = min(cell, 0.2 * width, 0.2 * height)
        went = crossings[_inside(crossings[:, :2], lo + inner, hi - inner), 2]
        rays, stopped = len(went), int(_inside(returns, lo + inner, hi - inner).sum())
        if rays < _LEAST_RAYS or stopped > _RETURNS * (rays + stopped):
            continue
        if np.median(went) < _BEYOND_WALL_M or _filled(mask, low, cell, lo, hi) < _FILLED:
            continue
        yield Hole(frame, lo, hi, is_door, rays, stopped)


def _sides(mask, solid, low, cell, returns) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the (2,) corners of the rectangle between the returns around a patch of crossed cells.

    None where too few of its rows have returns at both sides: then it is the end of the wall.
    """
    corners = np.zeros((2, 2))
    for axis, across in ((0, mask), (1, mask.T)):
        wall = solid if axis == 0 else solid.T
        length = across.sum(axis=0)
        lines = np.flatnonzero(length > 0.5 * length.max())  # rows of the patch
        edges = np.array([np.flatnonzero(across[:, k])[[0, -1]] for k in lines])
        reach = max(1, round(_JAMB_M / cell))
        for side in (0, 1):
            found = [
                _next_solid(wall[:, k], e[side], side, reach)
                for k, e in zip(lines, edges, strict=True)
            ]
            hit = np.array([each >= 0 for each in found])
            outer = float(np.quantile(edges[:, side], 0.1 if side == 0 else 0.9)) + side
            edge = low[axis] + cell * outer
            if axis == 0 and hit.mean() < _BOUNDED:
                return None
            if hit.mean() >= _BOUNDED:
                edge = _jamb(np.array(found)[hit], lines[hit], axis, side, low, cell, returns)
            corners[side, axis] = edge
    return corners[0], corners[1]


def _next_solid(line: np.ndarray, start: int, side: int, reach: int) -> int:
    """Return the first occupied cell of a line beyond `start`, within `reach` cells, or -1."""
    steps = range(1, reach + 1)
    cells = (start - s if side == 0 else start + s for s in steps)
    return next((int(c) for c in cells if 0 <= c < len(line) and line[c]), -1)


def _jamb(cells, lines, axis: int, side: int, low, cell: float, returns) -> float:
    """Return the median over rows of the innermost return in the row's first occupied cell."""
    index = np.floor((returns - low) / cell).astype(int)
    inner = []
    for c, k in zip(cells, lines, strict=True):
        own = returns[(index[:, axis] == c) & (index[:, 1 - axis] == k), axis]
        if len(own):
            inner.append(own.max() if side == 0 else own.min())
    return float(np.median(inner))


def _histogram(xy: np.ndarray, low, cell: float, shape) -> np.ndarray:
    cells = np.floor((xy - low) / cell).astype(int)
    counts = np.zeros(shape, int)
    np.add.at(counts, tuple(cells.T), 1)
    return counts


def _inside(xy: np.ndarray, lo, hi) -> np.ndarray:
    return np.all((xy > lo) & (xy < hi), axis=1)


def _beside(own: np.ndarray, lo, hi) -> bool:
    """Return whether the wall's own points (n, 2) are next to the rectangle, else it belongs to another."""
    around = _inside(own, lo - _JAMB_M, hi + _JAMB_M) & ~_inside(own, lo, hi)
    return int(around.sum()) >= _LEAST_RAYS


def _filled(mask: np.ndarray, low, cell: float, lo, hi) -> float:
    i, j = np.meshgrid(*(np.arange(n) for n in mask.shape), indexing="ij")
    centres = low + (np.stack([i, j], -1).reshape(-1, 2) + 0.5) * cell
    within = _inside(centres, lo, hi)
    return float(mask.ravel()[within].mean()) if within.any() else 0.0


def _same(one: Hole, other: Hole) -> bool:
    """Return whether two openings are the same hole, seen in the two sides of one wall."""
    there = one.within(other.T_world_wall)
    if there is None:
        return False
    overlap = np.minimum(there[1], other.high) - np.maximum(there[0], other.low)
    least = min(np.prod(there[1] - there[0]), np.prod(other.high - other.low))
    return bool((overlap > 0).all() and np.prod(overlap) > 0.3 * least)
