"""One primitive per object: box, cylinder or sphere, closed down to its support, judged by the points.

The criterion. For a candidate solid: `explained` = share of the object's points within the tolerance
(max(1 cm, 2.5 sigma)) of its surface; `residual` = mean distance, truncated at the tolerance, over the
tolerance; `phantom` = share of its volume in observed free space. Accepted if explained and phantom
meet the limits; of the accepted, the smallest residual + phantom wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.core.rectangle import min_rectangle
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.solids import make_geom, sample_inside, signed_distance

MIN_EXPLAINED = 0.90
MAX_PHANTOM = 0.05
_SIDE_COSINE = 0.5  # a side point's normal is at least 60 degrees from the vertical
_FACE_POINTS = 15  # a face's offset is measured from at least this many points
_MIN_HALF_M = 0.004
_DEPTH_PRIOR = 0.08  # what a box with its unseen half may cost more than one that is all front


@dataclass(frozen=True)
class Fit:
    """A candidate solid and how well it explains its points (see the module's criterion)."""

    kind: str
    geom: Geom
    explained: float
    residual: float
    phantom: float

    @property
    def accepted(self) -> bool:
        return self.explained >= MIN_EXPLAINED and self.phantom <= MAX_PHANTOM

    @property
    def cost(self) -> float:
        return self.residual + self.phantom + 0.5 * max(0.0, MIN_EXPLAINED - self.explained)


@dataclass(frozen=True)
class Standing:
    """Points of one object in its support's frame.

    Attributes:
        points, normals: (n, 3), z = height above the support [m].
        T_world_support: (4, 4) maps them to the world.
        tolerance_m: see the module.
        completed: (m, 3) the points and what symmetry adds to them (see `completion`).
    """

    points: np.ndarray
    normals: np.ndarray
    T_world_support: np.ndarray
    tolerance_m: float
    completed: np.ndarray

    def geom(self, shape: str, size, position, rotation) -> Geom:
        """Return a geom placed in the support's frame, as a geom in the world."""
        T = self.T_world_support
        world = T[:3, :3] @ np.asarray(position, float) + T[:3, 3]
        return make_geom(shape, size, world, T[:3, :3] @ rotation)

    def world_points(self) -> np.ndarray:
        return self.points @ self.T_world_support[:3, :3].T + self.T_world_support[:3, 3]


def fits(thing: Standing, free: FreeSpace) -> list[Fit]:
    """Return every candidate primitive of a standing object, best first."""
    seen, whole = (judge(thing, "box", box(thing, full), free) for full in (False, True))
    candidates = [("cylinder", upright_cylinder(thing))]
    candidates += [("cylinder", lying_cylinder(thing)), ("sphere", sphere(thing))]
    judged = [whole if whole.cost < seen.cost + _DEPTH_PRIOR else seen]
    judged += [judge(thing, kind, geom, free) for kind, geom in candidates if geom is not None]
    return sorted(judged, key=lambda fit: (not fit.accepted, fit.cost))


def judge(thing: Standing, kind: str, geom: Geom, free: FreeSpace) -> Fit:
    """Measure a candidate against the points and the free space."""
    distance = np.abs(signed_distance(geom, (), thing.world_points()))
    inside = sample_inside(geom, (), free.cell_m, 4000)
    phantom = float(free.contains(inside).mean()) if len(inside) else 0.0
    tolerance = thing.tolerance_m
    return Fit(
        kind,
        geom,
        explained=float((distance <= tolerance).mean()),
        residual=float(np.minimum(distance, tolerance).mean() / tolerance),
        phantom=phantom,
    )


def box(thing: Standing, full: bool = True) -> Geom:
    """Fit an upright box: yaw by closeness to its sides, faces at the median of their points.

    `full` includes the completed points, else it ends where the measured points end.
    """
    p, n = thing.points, thing.normals
    side = np.abs(n[:, 2]) < _SIDE_COSINE
    yaw = _best_yaw(p[:, :2], side)
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    local, local_n = p @ turn, n @ turn
    extent = thing.completed @ turn if full else local
    lo, hi = np.quantile(extent, 0.01, axis=0), np.quantile(extent, 0.99, axis=0)
    for axis in range(3):
        if axis < 2:
            lo[axis] = _face(local[:, axis], local_n[:, axis], lo[axis], thing.tolerance_m)
        hi[axis] = _face(local[:, axis], local_n[:, axis], hi[axis], thing.tolerance_m)
    lo[2] = 0.0
    half = np.maximum(0.5 * (hi - lo), _MIN_HALF_M)
    return thing.geom("box", half, turn @ (lo + half), turn)


def _face(x: np.ndarray, normal: np.ndarray, edge: float, tolerance: float) -> float:
    """Return a face's coordinate: the median of its own points where there are enough, else the edge."""
    own = (np.abs(x - edge) < tolerance) & (np.abs(normal) > 0.8)
    return float(np.median(x[own])) if own.sum() >= _FACE_POINTS else float(edge)


def _best_yaw(xy: np.ndarray, side: np.ndarray) -> float:
    """Return the yaw [rad] in [0, pi/2) whose rectangle's sides lie closest to the side points.

    The closeness criterion of Zhang et al. 2017 (L-shape fitting), truncated; the smallest rectangle
    alone cannot tell an L from its hypotenuse.
    """
    if side.sum() < 3 * _FACE_POINTS:
        return min_rectangle(xy)[1]
    q = xy[side]

    def cost(yaw: float) -> float:
        c, s = np.cos(yaw), np.sin(yaw)
        local = q @ np.array([[c, -s], [s, c]])
        whole = xy @ np.array([[c, -s], [s, c]])
        lo, hi = np.quantile(whole, 0.01, axis=0), np.quantile(whole, 0.99, axis=0)
        gap = np.minimum(np.abs(local - lo), np.abs(hi - local)).min(axis=1)
        return float(np.minimum(gap, 0.02).mean() + 0.02 * np.prod(hi - lo) ** 0.5)

    yaws = np.deg2rad(np.arange(0, 90, 2.0))
    coarse = yaws[int(np.argmin([cost(y) for y in yaws]))]
    fine = coarse + np.deg2rad(np.arange(-2, 2.01, 0.25))
    return float(np.mod(fine[int(np.argmin([cost(y) for y in fine]))], np.pi / 2))


def circle(xy: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Return centre (2,) and radius of the least-squares circle (Kasa start, Gauss-Newton), or None."""
    if len(xy) < 12:
        return None
    mean = xy.mean(0)
    q = xy - mean
    A = np.column_stack([2 * q, np.ones(len(q))])
    solution, _, rank, _ = np.linalg.lstsq(A, (q**2).sum(1), rcond=None)
    if rank < 3 or solution[2] + solution[:2] @ solution[:2] <= 0:
        return None
    centre, radius = solution[:2], float(np.sqrt(solution[2] + solution[:2] @ solution[:2]))
    for _ in range(8):
        d = q - centre
        r = np.maximum(np.linalg.norm(d, axis=1), 1e-9)
        weight = 1 / np.maximum(np.abs(r - radius), 0.003)  # L1-like: a handle does not pull
        J = np.column_stack([-d / r[:, None], -np.ones(len(q))])
        step = np.linalg.lstsq(J * weight[:, None], -(r - radius) * weight, rcond=None)[0]
        centre, radius = centre + step[:2], radius + float(step[2])
    spread = float(np.linalg.norm(xy.max(0) - xy.min(0)))
    if not 0.2 * spread < radius < 1.5 * spread:
        return None
    return centre + mean, radius


def upright_cylinder(thing: Standing) -> Geom | None:
    """Fit a cylinder that stands on the support, from the points of its side."""
    side = np.abs(thing.normals[:, 2]) < _SIDE_COSINE
    found = circle(thing.points[side, :2])
    if found is None:
        return None
    centre, radius = found
    z = thing.points[:, 2]
    top = _face(z, thing.normals[:, 2], float(np.quantile(z, 0.99)), thing.tolerance_m)
    half = max(0.5 * top, _MIN_HALF_M)
    return thing.geom("cylinder", (radius, half), (*centre, half), np.eye(3))


def lying_cylinder(thing: Standing) -> Geom | None:
    """Fit a cylinder that lies on the support, its axis horizontal."""
    xy = thing.points[:, :2]
    yaw = min_rectangle(xy)[1]
    best: tuple[float, Geom] | None = None
    for axis_yaw in (yaw, yaw + np.pi / 2):
        along = np.array([np.cos(axis_yaw), np.sin(axis_yaw)])
        across = np.array([-along[1], along[0]])
        profile = np.column_stack([xy @ across, thing.points[:, 2]])
        found = circle(profile)
        if found is None or abs(found[0][1] - found[1]) > 2 * thing.tolerance_m:
            continue  # it would float or sink
        (u, _), radius = found
        t = xy @ along
        lo, hi = np.quantile(t, [0.01, 0.99])
        centre = along * 0.5 * (lo + hi) + across * u
        rotation = np.column_stack([[across[0], across[1], 0], [0, 0, 1], [along[0], along[1], 0]])
        rotation[:, 2] = np.cross(rotation[:, 0], rotation[:, 1])
        geom = thing.geom(
            "cylinder", (radius, max(0.5 * (hi - lo), _MIN_HALF_M)), (*centre, radius), rotation
        )
        error = float(np.abs(signed_distance(geom, (), thing.world_points())).mean())
        if best is None or error < best[0]:
            best = (error, geom)
    return best[1] if best else None


def sphere(thing: Standing) -> Geom | None:
    """Fit a ball that rests on the support."""
    p = thing.points
    mean = p.mean(0)
    q = p - mean
    A = np.column_stack([2 * q, np.ones(len(q))])
    solution, _, rank, _ = np.linalg.lstsq(A, (q**2).sum(1), rcond=None)
    square = solution[3] + solution[:3] @ solution[:3]
    if rank < 4 or square <= 0:
        return None
    centre, radius = solution[:3] + mean, float(np.sqrt(square))
    if abs(centre[2] - radius) > 3 * thing.tolerance_m or radius > np.linalg.norm(
        np.ptp(p, axis=0)
    ):
        return None
    return thing.geom("sphere", (radius,), (centre[0], centre[1], radius), np.eye(3))
