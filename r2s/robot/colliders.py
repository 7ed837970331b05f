"""Two sets of colliders per link: hulls of its collision shapes, and what training steps fast.

Training takes the cheapest of spheres, capsules, a box that is close enough (`closeness`), else one
hull of few vertices. No cylinders: MJX collides none with a box or a hull.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.robot import ColliderFit
from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.capsules import Union, fit_capsules, principal_axes
from r2s.robot.closeness import closeness
from r2s.robot.description import Body, Description, Shape
from r2s.robot.meshes import convex_hull, few_vertices
from r2s.robot.shapes import Collider, surface_mesh

MAX_HULL_VERTICES = 64
MAX_TRAIN_VERTICES = 32
MAX_CAPSULES = 3
FIT_VERTICES = 120  # finer hulls only cost time in the fit


@dataclass(frozen=True)
class LinkColliders:
    """The colliders of one body, how close the training ones are, and to what."""

    exact: tuple[Collider, ...]
    train: tuple[Collider, ...]
    fit: ColliderFit
    link: Link


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
    link = Link([_solid(shape) for shape in shapes])
    keep = [_as_round(shape) for shape in shapes]
    if all(collider is not None for collider in keep) and len(keep) <= MAX_CAPSULES:
        return link.with_train([collider for collider in keep if collider is not None])
    # A ball at the end of a link is its foot or fingertip: it stays exactly what it is.
    balls = [each for each in link.solids if each.kind == "sphere"]
    rest = [each for each in link.solids if each.kind != "sphere"]
    if not rest or len(balls) > MAX_CAPSULES:
        rest, balls = list(link.solids), []
    return link.with_train([*fit_train(rest, root=body.parent is None), *balls])


def fit_train(solids: Sequence[Collider], *, root: bool) -> list[Collider]:
    """Return the first of these within the bound: capsules, a box, a hull; else the closest."""
    link = Link(solids)
    capsules: list[Callable[[], list[Collider]]] = [
        lambda count=count: fit_capsules(link.union, count) for count in range(1, MAX_CAPSULES + 1)
    ]
    # A moving link pays for a box at every step; a fixed root collides with the robot alone.
    ways = [*capsules, link.box, link.hull]
    if root:
        ways = [capsules[0], link.box, *capsules[1:], link.hull]
    tried = []
    for way in ways:
        train = way()
        fit = link.fit(train)
        if fit.within_bound:
            return train
        tried.append((max(fit.surface_m, fit.outside_m), len(tried), train))
    return min(tried)[2]


class Link:
    """The collision shapes of a link, meshes as hulls, and what may stand for them."""

    def __init__(self, solids: Sequence[Collider]):
        self.solids = tuple(solids)
        self.friction = next((each.friction for each in solids if each.friction), None)
        self.union = Union([_with_vertices(each, FIT_VERTICES) for each in solids])
        self.points: Array = np.concatenate([each.surface.vertices for each in solids])
        self.size_m = float(np.linalg.norm(np.ptp(self.points, axis=0)))

    def fit(self, train: Sequence[Collider]) -> ColliderFit:
        """Return how close training colliders are to the link."""
        found = closeness(self.union, train)
        return ColliderFit(
            shape=described(train),
            surface_m=found.surface_m,
            outside_m=found.outside_m,
            volume_ratio=found.volume_ratio,
            within_bound=found.within(self.size_m),
        )

    def with_train(self, train: Sequence[Collider]) -> LinkColliders:
        """Return the link with these training colliders, and how close they are."""
        train = tuple(replace(each, friction=each.friction or self.friction) for each in train)
        exact = tuple(_with_vertices(each, MAX_HULL_VERTICES) for each in self.solids)
        return LinkColliders(exact, train, self.fit(train), self)

    def hull(self) -> list[Collider]:
        """Return the convex hull of the whole link, of few vertices, none of them outside it."""
        mesh = few_vertices(convex_hull(self.points), MAX_TRAIN_VERTICES)
        return [Collider("hull", (0.0, 0.0, 0.0), np.eye(4), mesh)]

    def box(self) -> list[Collider]:
        """Return the closer of the axis-aligned and the principal box."""
        found = []
        for axes in (np.eye(3), principal_axes(self.union.surface)):
            axes = axes if np.linalg.det(axes) > 0 else axes * [[1], [1], [-1]]
            local = self.points @ axes.T
            low, high = local.min(axis=0), local.max(axis=0)
            x, y, z = np.maximum((high - low) / 2, 5e-4).tolist()
            T = rigid.transform(axes.T, axes.T @ ((low + high) / 2))
            box = Collider("box", (x, y, z), T)
            found.append((closeness(self.union, [box]).error_m, len(found), box))
        return [min(found)[2]]


def described(colliders: Sequence[Collider]) -> str:
    """Return colliders in words: `2 capsules, sphere`."""
    plural = {"box": "boxes"}
    counts = Counter(each.kind for each in colliders)
    return ", ".join(
        kind if count == 1 else f"{count} {plural.get(kind, kind + 's')}"
        for kind, count in counts.items()
    )


def _solid(shape: Shape) -> Collider:
    if shape.kind == "mesh":
        return Collider("hull", (0.0, 0.0, 0.0), np.eye(4), surface_mesh(shape), shape.friction)
    return Collider(shape.kind, shape.size, shape.T_body_shape, None, shape.friction)


def _with_vertices(solid: Collider, count: int) -> Collider:
    return replace(solid, mesh=few_vertices(solid.mesh, count)) if solid.mesh else solid


def _as_round(shape: Shape) -> Collider | None:
    """Return the shape itself if every engine collides it cheaply, else None."""
    if shape.kind in ("sphere", "capsule"):
        return Collider(shape.kind, shape.size, shape.T_body_shape, None, shape.friction)
    if shape.kind == "cylinder" and shape.size[1] > 2 * shape.size[0]:
        radius, half = shape.size[0], shape.size[1] - shape.size[0] / 2
        return Collider("capsule", (radius, half, 0.0), shape.T_body_shape, None, shape.friction)
    return None
