"""Two sets of colliders per link: hulls of its collision shapes, and a few capsules and spheres.

The capsules are least-squares fits of the union's signed distance to points on the surface of the
hulls, so they neither swallow the link nor leave it bare; how far off they are is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import least_squares

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, Mesh, Shape
from r2s.robot.meshes import few_vertices
from r2s.robot.shapes import sphere_points, surface_mesh, surface_samples

MAX_HULL_VERTICES = 64
SAMPLES_PER_LINK = 240
MAX_CAPSULES = 3
# One capsule is enough below this error, as a share of the link's size, with a floor in metres.
GOOD_SHARE, GOOD_M = 0.06, 0.004
# A box replaces capsules only where it is clearly better: for a root, which collides with nothing
# but the robot itself, soon; for a moving link, which pays for it at every step, late.
BOX_GAIN = 0.5
BOX_SHARE = 0.15
ROUND = 0.25  # capsules shorter than this many radii (half length) become spheres
AIR_SAMPLES = 160
FIT_VERTICES = 120  # finer hulls only cost time in the fit
OUTSIDE_WEIGHT = 2.0  # a bare surface is worse than a slightly fat capsule

_BALL = sphere_points(60)


@dataclass(frozen=True)
class Collider:
    """A convex collider in MuJoCo's conventions, in the body frame; `mesh` for hulls only."""

    kind: Literal["sphere", "capsule", "box", "cylinder", "ellipsoid", "hull"]
    size: tuple[float, float, float]
    T_body_geom: Array
    mesh: Mesh | None = None
    friction: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class LinkColliders:
    """The colliders of one body; `error_m` is the 95th percentile distance between the two sets."""

    exact: tuple[Collider, ...]
    train: tuple[Collider, ...]
    error_m: float


def fit_colliders(robot: Description) -> dict[str, LinkColliders]:
    """Return the colliders of every body that has a shape, by body name.

    A link without collision shapes uses its visual ones, with a repair.
    """
    result: dict[str, LinkColliders] = {}
    anything = any(body.collisions for body in robot.bodies)
    for body in robot.bodies:
        shapes = body.collisions
        # Where the file has colliders at all, a welded link without one is meant to have none.
        if not shapes and body.visuals and (body.joints or not anything):
            shapes = body.visuals
            robot.repair(
                "collider-from-visual",
                body.name,
                "no collision shape",
                f"{len(shapes)} hulls of its visual shapes",
                "a link that touches nothing would pass through the table",
            )
        if shapes:
            result[body.name] = fit_link(body, shapes)
    return result


def fit_link(body: Body, shapes: list[Shape]) -> LinkColliders:
    """Return both collider sets of one body; a root may get a box."""
    hulls = [surface_mesh(shape) for shape in shapes]
    exact = tuple(_exact(shape, hull) for shape, hull in zip(shapes, hulls, strict=True))
    keep = [_as_round(shape) for shape in shapes]
    if all(collider is not None for collider in keep):
        train = [collider for collider in keep if collider is not None]
        if len(train) <= MAX_CAPSULES:
            return LinkColliders(exact, tuple(train), 0.0)
    # A ball at the end of a link is its foot or fingertip: it stays exactly what it is.
    balls = [c for c, s in zip(keep, shapes, strict=True) if c is not None and s.kind == "sphere"]
    rest = [h for h, s in zip(hulls, shapes, strict=True) if s.kind != "sphere"] or hulls
    friction = next((shape.friction for shape in shapes if shape.friction), None)
    fitted, error = fit_union(rest, box_share=GOOD_SHARE if body.parent is None else BOX_SHARE)
    train = tuple(_with_friction(collider, friction) for collider in fitted) + tuple(
        balls if len(rest) < len(hulls) else ()
    )
    return LinkColliders(exact, train, round(float(error), 6))


def outer_samples(hulls: list[Mesh]) -> Array:
    """Return (n, 3) points on the surface of a union of convex hulls."""
    areas = np.array([_area(hull) for hull in hulls])
    counts = np.maximum(SAMPLES_PER_LINK * areas / max(areas.sum(), 1e-12), 12).astype(int)
    kept = []
    planes = [_half_spaces(hull) for hull in hulls]
    for index, hull in enumerate(hulls):
        points = surface_samples(hull, int(counts[index]))
        inside = np.zeros(len(points), dtype=bool)
        for other, (normal, offset) in enumerate(planes):
            if other != index:
                inside |= (points @ normal.T + offset).max(axis=1) < -1e-4
        kept.append(points[~inside])
    points = np.concatenate(kept)
    return points if len(points) >= 12 else np.concatenate([hull.vertices for hull in hulls])


def fit_union(hulls: list[Mesh], *, box_share: float) -> tuple[list[Collider], float]:
    """Return capsules (or a box) for a union of convex hulls, and their error [m].

    The error is the 95th percentile of |distance|, from the hulls' surface to the colliders and back.
    """
    union = _Union([few_vertices(hull, FIT_VERTICES) for hull in hulls])
    points = union.surface
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    good = max(GOOD_SHARE * size, GOOD_M)
    best: tuple[Array, float] | None = None
    for count in range(1, MAX_CAPSULES + 1):
        fit = _fit_capsules(union, count)
        error = _error(union, fit)
        # More geoms cost every step of training: take them only for a clear gain.
        if best is None or error < 0.8 * best[1]:
            best = (fit, error)
        if best[1] <= good:
            break
    assert best is not None
    colliders, error = [_collider(*row) for row in _rows(best[0])], best[1]
    if error > max(box_share * size, GOOD_M):
        box, box_error = _fit_box(points)
        if box_error < BOX_GAIN * error:
            return [box], box_error
    return colliders, error


class _Union:
    """A union of convex hulls: points on its surface, points in the air around it, its distance."""

    def __init__(self, hulls: list[Mesh]):
        self.planes = [_half_spaces(hull) for hull in hulls]
        self.surface = outer_samples(hulls)
        low, high = self.surface.min(axis=0), self.surface.max(axis=0)
        self.low, self.high = low, high
        margin = 0.2 * float((high - low).max())
        air = (low - margin) + (high - low + 2 * margin) * _spread(4 * AIR_SAMPLES)
        self.air = air[self.outside(air) > 0.05 * margin][:AIR_SAMPLES]

    def outside(self, points: Array) -> Array:
        """Return (n,) distances outside the union, negative inside; a lower bound near corners."""
        return np.min(
            [(points @ normal.T + offset).max(axis=1) for normal, offset in self.planes], axis=0
        )


def _fit_capsules(union: _Union, count: int) -> Array:
    """Return (count, 7) capsules: two end points and a radius, least squares of the union's distance.

    Surface points pull the capsules to them; points in the air push capsules out of it.
    """
    points, air = union.surface, union.air
    centre = points.mean(axis=0)
    starts = [_start(points, centre, axis, count) for axis in _axes(points)]
    scale = max(float((union.high - union.low).max()), 1e-6)
    radius_high = float(np.sort(union.high - union.low)[1]) / 2 + 1e-4

    everywhere = np.concatenate([points, air])
    solid = np.arange(len(everywhere)) < len(points)

    def weight(distance: Array) -> Array:
        return np.where(solid, np.where(distance > 0, OUTSIDE_WEIGHT, 1.0), distance < 0)

    def residual(x: Array) -> Array:
        distance = _distance(everywhere, x.reshape(-1, 7) * scale)
        return weight(distance) * distance / scale

    def jacobian(x: Array) -> Array:
        distance, gradient = _distance_gradient(everywhere, x.reshape(-1, 7) * scale)
        return weight(distance)[:, None] * gradient

    low = np.tile(np.r_[union.low, union.low, 1e-4], count) / scale
    high = np.tile(np.r_[union.high + 1e-6, union.high + 1e-6, radius_high + 1e-4], count) / scale
    candidates = []
    for start in starts[: 3 if count == 1 else 2]:
        inside = np.clip((start / scale).ravel(), low + 1e-9, high - 1e-9)
        found = least_squares(residual, inside, jacobian, bounds=(low, high), max_nfev=40)  # pyright: ignore[reportArgumentType]  scipy's stub knows names only
        candidates.append((found.cost, found.x.reshape(-1, 7) * scale))
    return min(candidates, key=lambda item: item[0])[1]


def _axes(points: Array) -> Array:
    """Return the principal axes as rows, longest first."""
    _, vectors = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))
    return vectors.T[::-1]


def _start(points: Array, centre: Array, axis: Array, count: int) -> Array:
    """Return (count, 7) starting capsules: slices of the points across `axis`."""
    along = (points - centre) @ axis
    edges = np.quantile(along, np.linspace(0, 1, count + 1))
    rows = []
    for low, high in pairwise(edges):
        part = points[(along >= low) & (along <= high)]
        middle = part.mean(axis=0)
        direction = _axes(part)[0] if len(part) > 6 and count > 1 else axis
        t = (part - middle) @ direction
        radial = np.linalg.norm(part - middle - t[:, None] * direction, axis=1)
        radius = max(float(np.median(radial)), 1e-4)
        half = max(float(np.ptp(t)) / 2 - radius, 0.05 * radius)
        rows.append([*(middle - half * direction), *(middle + half * direction), radius])
    return np.array(rows)


def _distance(points: Array, capsules: Array) -> Array:
    """Return (n,) signed distances of (n, 3) points to the union of (k, 7) capsules."""
    a, b, radius = capsules[:, :3], capsules[:, 3:6], np.abs(capsules[:, 6])
    d = b - a
    t = np.einsum("nkj,kj->nk", points[:, None] - a, d) / np.maximum((d * d).sum(1), 1e-12)
    nearest = a + np.clip(t, 0, 1)[..., None] * d
    return (np.linalg.norm(points[:, None] - nearest, axis=2) - radius).min(axis=1)


def _distance_gradient(points: Array, capsules: Array) -> tuple[Array, Array]:
    """Return distances (n,) and their derivatives (n, 7 k) by the capsules' numbers."""
    a, b, radius = capsules[:, :3], capsules[:, 3:6], np.abs(capsules[:, 6])
    d = b - a
    t = np.einsum("nkj,kj->nk", points[:, None] - a, d) / np.maximum((d * d).sum(1), 1e-12)
    t = np.clip(t, 0, 1)
    away = points[:, None] - (a + t[..., None] * d)
    length = np.linalg.norm(away, axis=2)
    signed = length - radius
    nearest = signed.argmin(axis=1)
    rows = np.arange(len(points))
    unit = away[rows, nearest] / np.maximum(length[rows, nearest], 1e-12)[:, None]
    share = t[rows, nearest][:, None]
    gradient = np.zeros((len(points), len(capsules), 7))
    gradient[rows, nearest] = np.concatenate(
        [-(1 - share) * unit, -share * unit, -np.ones((len(points), 1))], axis=1
    )
    return signed[rows, nearest], gradient.reshape(len(points), -1)


def _error(union: _Union, capsules: Array) -> float:
    forth = np.abs(_distance(union.surface, capsules))
    points = _capsule_surface(capsules)
    points = points[_distance(points, capsules) > -1e-6]
    back = np.maximum(union.outside(points), 0)
    return float(max(np.quantile(forth, 0.95), np.quantile(back, 0.95)))


def _capsule_surface(capsules: Array) -> Array:
    """Return points on the surface of (k, 7) capsules, about 60 each."""
    found = []
    for row in capsules:
        a, b, radius = row[:3], row[3:6], abs(row[6])
        turn = rigid.rotation_between([0.0, 0.0, 1.0], b - a) if np.any(b - a) else np.eye(3)
        ball = _BALL @ turn.T * radius
        upper = _BALL[:, 2] >= 0
        side = np.where(np.abs(_BALL[:, 2:]) < 0.5, _BALL * [1, 1, 0], 0)
        length = np.linalg.norm(side, axis=1)
        ring = (side[length > 0] / length[length > 0, None]) @ turn.T * radius
        found += [b + ball[upper], a + ball[~upper], (a + b) / 2 + ring, a + ring, b + ring]
    return np.concatenate(found)


def _spread(count: int) -> Array:
    """Return (count, 3) points evenly in the unit cube: the R3 low-discrepancy sequence."""
    step = np.arange(1, count + 1)[:, None]
    return np.mod(step * np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703]), 1)


def _rows(capsules: Array) -> list[tuple[Array, Array, float]]:
    """Return (end, end, radius) in an order that does not depend on the optimizer's."""
    rows = [(row[:3], row[3:6], float(row[6])) for row in np.round(capsules, 6)]
    return sorted(rows, key=lambda row: tuple(row[0] + row[1]))


def _collider(a: Array, b: Array, radius: float) -> Collider:
    half = float(np.linalg.norm(b - a)) / 2
    middle = (a + b) / 2
    if half < ROUND * radius:
        # Same reach along the axis and across it, halved between the two.
        return Collider("sphere", (radius + half / 2, 0.0, 0.0), rigid.transform(None, middle))
    turn = rigid.rotation_between([0.0, 0.0, 1.0], b - a)
    return Collider("capsule", (radius, half, 0.0), rigid.transform(turn, middle))


def _fit_box(points: Array) -> tuple[Collider, float]:
    """Return the best of the axis-aligned and the principal box, and its p95 error."""
    found = []
    for axes in (np.eye(3), _axes(points)):
        axes = axes if np.linalg.det(axes) > 0 else axes * [[1], [1], [-1]]
        local = points @ axes.T
        low, high = local.min(axis=0), local.max(axis=0)
        half = np.maximum((high - low) / 2, 5e-4)
        q = np.abs(local - (low + high) / 2) - half
        outside = np.linalg.norm(np.maximum(q, 0), axis=1)
        error = float(np.quantile(np.abs(outside + np.minimum(q.max(axis=1), 0)), 0.95))
        T = rigid.transform(axes.T, axes.T @ ((low + high) / 2))
        found.append((Collider("box", (float(half[0]), float(half[1]), float(half[2])), T), error))
    return min(found, key=lambda item: item[1])


def _exact(shape: Shape, hull: Mesh) -> Collider:
    if shape.kind == "mesh":
        small = few_vertices(hull, MAX_HULL_VERTICES)
        return Collider("hull", (0.0, 0.0, 0.0), np.eye(4), small, shape.friction)
    return Collider(shape.kind, shape.size, shape.T_body_shape, None, shape.friction)


def _as_round(shape: Shape) -> Collider | None:
    """Return the shape itself if every engine collides it cheaply, else None."""
    if shape.kind in ("sphere", "capsule"):
        return Collider(shape.kind, shape.size, shape.T_body_shape, None, shape.friction)
    if shape.kind == "cylinder" and shape.size[1] > 2 * shape.size[0]:
        radius, half = shape.size[0], shape.size[1] - shape.size[0] / 2
        return Collider("capsule", (radius, half, 0.0), shape.T_body_shape, None, shape.friction)
    return None


def _with_friction(collider: Collider, friction) -> Collider:
    return Collider(collider.kind, collider.size, collider.T_body_geom, collider.mesh, friction)


def _area(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _half_spaces(mesh: Mesh) -> tuple[Array, Array]:
    """Return unit outward normals (m, 3) and offsets (m,): inside where n.x + offset < 0."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
    return normal, -np.einsum("ij,ij->i", normal, a)
