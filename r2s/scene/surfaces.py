"""Level surfaces of the place, and the free discs on them, found by rays from above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.heightfield import surface_at
from r2s.core.rigid import quat_to_matrix
from r2s.scene.distance import is_near
from r2s.scene.environment import Environment, geom_bounds

GRID_M = 0.05
MAX_GRID = 60  # cells per side
DIRECTIONS = 12
LEVEL_M = 0.012  # a disc's rays may differ by this much ...
UNEVEN_M = 0.06  # ... and by this much on open ground: what legs make up for
HEADROOM_M = 0.25  # free height a base needs above its surface
LEVEL_COSINE = 0.97


@dataclass(frozen=True)
class Surface:
    """A body things stand on.

    Attributes:
        low, high: (2,) corners of its footprint [m].
        top: its height [m].
        even_m: how much a place to stand on may rise and fall.
    """

    name: str
    role: str
    low: tuple[float, float]
    high: tuple[float, float]
    top: float
    even_m: float = LEVEL_M

    def __str__(self) -> str:
        (a, b), (c, d) = self.low, self.high
        return f"{self.name} (x {a:.2f} to {c:.2f}, y {b:.2f} to {d:.2f})"


def surfaces(place: Environment) -> list[Surface]:
    """Return supports (highest share of area first) and floors."""
    low, high = place.bounds()
    found = []
    for thing in place.things:
        if thing.role not in ("support", "floor") or thing.movable:
            continue
        geoms = [g for g in thing.geoms if _is_level(g)]
        if not geoms:
            continue
        boxes = [geom_bounds(g, place.hulls) for g in geoms]
        corner = np.min([b[0][:2] for b in boxes], axis=0)
        opposite = np.max([b[1][:2] for b in boxes], axis=0)
        corner, opposite = np.maximum(corner, low[:2]), np.minimum(opposite, high[:2])
        top = max(_top(g, place) for g in geoms)
        if np.all(opposite > corner) and np.isfinite(top):
            even = UNEVEN_M if any(g.shape == "hfield" for g in geoms) else LEVEL_M
            found.append(Surface(thing.name, thing.role, _pair(corner), _pair(opposite), top, even))
    order = {"support": 0, "floor": 1}
    return sorted(found, key=lambda s: (order[s.role], -area_m2(s), s.name))


def discs(
    place: Environment, surface: Surface, radius_m: float, headroom_m: float = 0.0
) -> list[tuple[float, float, float]]:
    """Return (x, y, z) of a grid of points where a level disc of `radius_m` on `surface` is free."""
    corner, opposite = np.array(surface.low), np.array(surface.high)
    step = cell_m(surface)
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(corner, opposite, strict=True)]
    ring = _disc(radius_m)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    if not len(grid):
        return []
    xy = (grid[:, None] + ring).reshape(-1, 2)
    heights = _height(place, surface, xy).reshape(len(grid), len(ring))
    level = np.isfinite(heights).all(axis=1)
    level &= np.ptp(np.where(np.isfinite(heights), heights, 0.0), axis=1) < surface.even_m
    if not level.any():
        return []
    grid, top = grid[level], heights[level].max(axis=1)
    free = np.ones(len(grid), bool)
    for rise in np.linspace(0.015, max(HEADROOM_M, headroom_m + 0.1), 6):
        points = np.concatenate(
            [np.repeat(grid, len(ring), axis=0) + np.tile(ring, (len(grid), 1)),
             np.repeat(top + rise, len(ring))[:, None]], axis=1,
        )  # fmt: skip
        free &= ~is_near(points, place, 0.0, surface.name).reshape(len(grid), len(ring)).any(axis=1)
    return [(round(float(x), 4), round(float(y), 4), round(float(z), 6))
            for (x, y), z in zip(grid[free], top[free], strict=True)]  # fmt: skip


def cell_m(surface: Surface) -> float:
    """Return the distance [m] of the grid's points that `discs` looks at."""
    return max(GRID_M, float(np.subtract(surface.high, surface.low).max()) / MAX_GRID)


def top_under(place: Environment, xy: tuple[float, float], radius_m: float) -> float | None:
    """Return the height [m] of the highest surface under a disc, None where there is none."""
    at = np.asarray(xy) + _disc(radius_m)
    tops = np.array([_height(place, surface, at) for surface in surfaces(place)]).ravel()
    tops = tops[np.isfinite(tops)]
    return float(tops.max()) if len(tops) else None


def area_m2(surface: Surface) -> float:
    """Return the area of a surface's footprint."""
    return round((surface.high[0] - surface.low[0]) * (surface.high[1] - surface.low[1]), 6)


def _disc(radius_m: float) -> np.ndarray:
    """Return (n, 2) points of a disc: its middle, its rim, and half way."""
    turn = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    rim = radius_m * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.concatenate([np.zeros((1, 2)), rim, 0.5 * rim[::2]])


def _height(place: Environment, surface: Surface, xy: np.ndarray) -> np.ndarray:
    """Return (n,) top height of the surface's body under (n, 2) points, nan beside it."""
    best = np.full(len(xy), -np.inf)
    for geom in place.thing(surface.name).geoms:
        if not _is_level(geom):
            continue
        if geom.shape == "hfield":
            nodes, centre = place.hulls[geom.hull], np.asarray(geom.position)
            z = surface_at(nodes, xy - centre[:2], inside=True)[0] + centre[2]
            best = np.where(_was_seen(place, surface, xy), np.fmax(best, z), best)
            continue
        rotation, centre = quat_to_matrix(geom.quaternion), np.asarray(geom.position)
        axis = int(np.argmax(np.abs(rotation[2])))
        normal = rotation[:, axis] * np.sign(rotation[2, axis])
        half = 0.0 if geom.shape == "plane" else geom.size[axis]
        face = centre + normal * half
        z = face[2] - ((xy - face[:2]) @ normal[:2]) / normal[2]
        local = (np.column_stack([xy, z]) - centre) @ rotation
        inside = np.ones(len(xy), bool)
        if geom.shape == "box" or (geom.shape == "plane" and geom.size[0] > 0):
            for other in {0, 1, 2} - {axis}:
                inside &= np.abs(local[:, other]) <= geom.size[other] + 1e-6
        best = np.where(inside, np.maximum(best, z), best)
    return np.where(np.isfinite(best), best, np.nan)


def _was_seen(place: Environment, surface: Surface, xy: np.ndarray) -> np.ndarray:
    """Return (n,) bool: open ground under (n, 2) was seen, not only bridged between what was."""
    from scipy.spatial import KDTree

    thing = place.thing(surface.name)
    if thing.visual < 0:
        return np.ones(len(xy), bool)
    vertices, faces, _ = place.visuals[thing.visual]
    reach = np.linalg.norm(np.ptp(vertices[faces[0], :2], axis=0))  # across one cell
    return KDTree(vertices[:, :2]).query(xy)[0] <= reach


def _is_level(geom: Geom) -> bool:
    """Whether things stand on a geom: open ground, or a level top, an axis close to the vertical."""
    if geom.shape == "hfield":
        return True
    if geom.shape not in ("box", "plane"):
        return False
    row = np.abs(quat_to_matrix(geom.quaternion)[2])
    return float(row[2] if geom.shape == "plane" else row.max()) > LEVEL_COSINE


def _top(geom: Geom, place: Environment) -> float:
    if geom.shape == "plane":
        return float(geom.position[2])
    return float(geom_bounds(geom, place.hulls)[1][2])


def _pair(values) -> tuple[float, float]:
    a, b = (float(value) for value in values)
    return (a, b)
