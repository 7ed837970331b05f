"""Colliders that every engine steps fast: planes, boxes, spheres, capsules and few small hulls.

MJX collides no cylinder with a box or a mesh, and its cost grows with geoms and vertices, so the
training model replaces cylinders and large hulls, and leaves out what the robot cannot come near.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from r2s.artifacts.geometry import Geom, Quat, Vec3
from r2s.core.rigid import matrix_to_quat, quat_to_matrix
from r2s.scene.environment import Environment, Thing, geom_bounds
from r2s.scene.upright import UprightBox, outline

MAX_HULLS = 16
MAX_HULL_VERTICES = 32
MAX_GRIPPED = 8  # hulls of a thing between fingers
# A cylinder this many times longer than wide lies like a capsule; a shorter one stands like a box.
SLENDER = 3.0
# Side of the square with the circle's area, over the diameter: the box stands as the cylinder does.
EQUAL_AREA = float(np.sqrt(np.pi)) / 2


def training_environment(
    place: Environment,
    centre: np.ndarray,
    meets: Callable[[Geom], bool],
    moves: str = "",
    *,
    gripped: bool = False,
) -> Environment:
    """Return what a robot at `centre` (3,) world `meets`, simplified.

    Movable things are never left out: both models have the same bodies.

    Args:
        moves: name of the thing that the task moves: its many hulls would cost more than the robot.
        gripped: fingers hold it. A few hulls stay then: what lifts a box loses what tapers.
    """
    if moves and not (gripped and len(place.thing(moves).geoms) <= MAX_GRIPPED):
        place = place.with_thing(one_collider(place.thing(moves), place.hulls))
    budget = _hulls_within_budget(place, centre, moves)
    things = []
    for thing in place.things:
        geoms = tuple(
            training_geom(geom, place.hulls, keep_hull=(thing.name, number) in budget)
            for number, geom in enumerate(thing.geoms)
            if thing.movable or meets(geom)
        )
        if geoms:
            things.append(replace(thing, geoms=geoms, visual=-1))
    return Environment(tuple(things), place.hulls)


def one_collider(thing: Thing, hulls: tuple[np.ndarray, ...]) -> Thing:
    """Return the thing as its only collider, or as the upright box around them and around hulls."""
    if len(thing.geoms) == 1 and thing.geoms[0].shape != "hull":
        return thing
    return replace(thing, geoms=(UprightBox.around(outline(thing, hulls)).geom(),))


def training_geom(geom: Geom, hulls: tuple[np.ndarray, ...], *, keep_hull: bool) -> Geom:
    """Return the geom, or what stands for it in training."""
    if geom.shape == "cylinder":
        radius, half, _ = geom.size
        if half > SLENDER * radius:
            return geom.model_copy(
                update={"shape": "capsule", "size": (radius, half - radius / 2, 0.0)}
            )
        side = EQUAL_AREA * radius
        return geom.model_copy(update={"shape": "box", "size": (side, side, half)})
    if geom.shape == "hull" and not keep_hull:
        return hull_box(geom, hulls[geom.hull])
    return geom


def hull_box(geom: Geom, vertices: np.ndarray) -> Geom:
    """Return the tightest of the own-frame and the principal-axes box around hull `vertices` (v, 3)."""
    centred = vertices - vertices.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes if np.linalg.det(axes) > 0 else axes * [1.0, 1.0, -1.0]
    best = None
    for turn in (np.eye(3), axes):
        local = vertices @ turn
        low, high = local.min(axis=0), local.max(axis=0)
        volume = float(np.prod(high - low))
        if best is None or volume < 0.98 * best[0]:
            best = (volume, turn, (low + high) / 2, np.maximum((high - low) / 2, 1e-3))
    assert best is not None
    _, turn, middle, half = best
    rotation = quat_to_matrix(geom.quaternion)
    return Geom(
        shape="box",
        size=_vec(half),
        position=_vec(rotation @ (turn @ middle) + np.asarray(geom.position)),
        quaternion=_quat(matrix_to_quat(rotation @ turn)),
    )


def distance_to_bounds(geom: Geom, hulls: tuple[np.ndarray, ...], point: np.ndarray) -> float:
    """Return a lower bound of the distance [m] from a point (3,) to a geom."""
    rotation, centre = quat_to_matrix(geom.quaternion), np.asarray(geom.position)
    local = rotation.T @ (np.asarray(point) - centre)
    if geom.shape == "plane":
        return float(abs(local[2]))
    if geom.shape in ("hull", "hfield"):
        low, high = hulls[geom.hull].min(axis=0), hulls[geom.hull].max(axis=0)
    elif geom.shape == "box":
        low, high = -np.asarray(geom.size), np.asarray(geom.size)
    else:
        low, high = geom_bounds(geom.model_copy(update={"quaternion": (1, 0, 0, 0)}), hulls)
        low, high = low - centre, high - centre
    return float(np.linalg.norm(np.maximum(np.maximum(low - local, local - high), 0)))


def _hulls_within_budget(
    place: Environment, centre: np.ndarray, first: str
) -> set[tuple[str, int]]:
    """Return (thing, number) of the hulls that stay hulls: those of `first`, then the robot's nearest."""
    found = [
        (thing.name != first, distance_to_bounds(geom, place.hulls, centre), thing.name, number)
        for thing in place.things
        for number, geom in enumerate(thing.geoms)
        if geom.shape == "hull" and len(place.hulls[geom.hull]) <= MAX_HULL_VERTICES
    ]
    return {(name, number) for *_, name, number in sorted(found)[:MAX_HULLS]}


def count(place: Environment) -> int:
    """Return the number of geoms."""
    return sum(len(thing.geoms) for thing in place.things)


def changes(thing: Thing, simple: Thing) -> bool:
    """Whether training sees other shapes of a thing."""
    return [g.shape for g in thing.geoms] != [g.shape for g in simple.geoms]


def _vec(values) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def _quat(values) -> Quat:
    w, x, y, z = (float(value) for value in values)
    return (w, x, y, z)
