"""The place as data: what the reconstruction found, ready to be written into either model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from r2s.artifacts.geometry import Geom, Range, Vec3
from r2s.artifacts.pictures import NO_TEXTURE
from r2s.artifacts.reconstruction import Body, Reconstruction, Skin
from r2s.artifacts.scene import STAND
from r2s.core.heightfield import grid_heights

# Mass of a movable thing whose reconstruction gave none: its bounding box at this density [kg/m3].
ASSUMED_DENSITY = 450.0
LEAST_AREA_M2 = 1e-4  # of a surface for pictures
SMALLEST_INERTIA = 1e-7  # kg m2, below which a free body is stiffer than the time step


@dataclass(frozen=True)
class Thing:
    """One body of the place.

    Attributes:
        geoms: colliders, world frame.
        priority: of its friction against another's; see `_priority`.
        mass, com, inertia: of a movable thing; (3, 3) about the centre of mass, world axes.
        visual: index of its surface for pictures, -1: its colliders are drawn.
        offset: metres it was moved by to free it of overlaps, which its surface was not.
    """

    name: str
    role: str
    movable: bool
    geoms: tuple[Geom, ...]
    friction: float
    color: Vec3
    parent: str = ""
    priority: int = 0
    mass: float = 0.0
    com: Vec3 = (0.0, 0.0, 0.0)
    inertia: tuple[float, ...] = (0.0,) * 9
    visual: int = -1
    offset: Vec3 = (0.0, 0.0, 0.0)

    def frozen(self) -> Thing:
        """Return the thing bolted to where it is."""
        return replace(self, movable=False)

    def moved(self, offset: np.ndarray) -> Thing:
        """Return the thing moved by (3,) metres."""
        geoms = tuple(
            g.model_copy(update={"position": _vec(np.add(g.position, offset))}) for g in self.geoms
        )
        moved = _vec(np.add(self.offset, offset))
        return replace(self, geoms=geoms, com=_vec(np.add(self.com, offset)), offset=moved)


@dataclass(frozen=True)
class Environment:
    """Everything in the place.

    Attributes:
        hulls: vertices (v, 3) float64, metres, in the frame of the geom that names them; the nodes of a
            height field.
        visuals: surfaces for pictures, world frame.
        texture: (h, w, 3) uint8 of all of them; (0, 0, 3) where they have no colours.
    """

    things: tuple[Thing, ...]
    hulls: tuple[np.ndarray, ...]
    visuals: tuple[Skin, ...] = ()
    texture: np.ndarray = field(default_factory=lambda: NO_TEXTURE.image)

    def thing(self, name: str) -> Thing:
        return next(thing for thing in self.things if thing.name == name)

    def with_thing(self, thing: Thing) -> Environment:
        """Return the environment with `thing` added, or in place of its namesake."""
        if all(thing.name != other.name for other in self.things):
            return replace(self, things=(*self.things, thing))
        things = tuple(thing if thing.name == other.name else other for other in self.things)
        return replace(self, things=things)

    @property
    def movable(self) -> tuple[str, ...]:
        return tuple(thing.name for thing in self.things if thing.movable)

    @property
    def field_files(self) -> dict[str, bytes]:
        """Asset files of the height fields, in MuJoCo's own format: rows, columns, heights."""
        found = {}
        for geom in (geom for thing in self.things for geom in thing.geoms):
            if geom.shape == "hfield":
                heights = grid_heights(self.hulls[geom.hull]).astype("<f4")
                head = np.array(heights.shape, "<i4").tobytes()
                found[field_file(geom)] = head + heights.tobytes()
        return found

    @cached_property
    def boxes(self) -> tuple[list[tuple[str, Geom]], np.ndarray, np.ndarray]:
        """Return (thing's name, geom) of every collider, and (g, 3) corners around them [m].

        Planes are half spaces here: infinite whatever size they are drawn with.
        """
        found = [(thing.name, geom) for thing in self.things for geom in thing.geoms]
        corners = [
            (np.full(3, -np.inf), np.full(3, np.inf))
            if geom.shape == "plane"
            else geom_bounds(geom, self.hulls)
            for _, geom in found
        ]
        low = np.array([box[0] for box in corners]).reshape(-1, 3)
        high = np.array([box[1] for box in corners]).reshape(-1, 3)
        return found, low, high

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (3,) corners of the box around everything [m], of an endless floor what was seen."""
        boxes = [geom_bounds(g, self.hulls) for t in self.things for g in t.geoms]
        boxes = [box for box in boxes if np.all(np.isfinite(box[0]))]
        floors = [t for t in self.things if t.role == "floor" and t.visual >= 0]
        seen = [self.visuals[floor.visual].vertices for floor in floors]
        boxes += [(points.min(axis=0), points.max(axis=0)) for points in seen]
        if not boxes:
            return np.full(3, -1.0), np.full(3, 1.0)
        return np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)


def environment(reconstruction: Reconstruction) -> Environment:
    """Return the bodies of a reconstruction, in its order."""
    hulls = tuple(np.asarray(v, np.float64) for v, _ in reconstruction.hulls)
    bodies = reconstruction.info.bodies
    visuals = tuple(map(reconstruction.skin, range(len(bodies))))
    things = tuple(
        _thing(body, index if _can_be_drawn(visuals[index]) else -1, hulls)
        for index, body in enumerate(bodies)
    )
    return Environment(things, hulls, visuals, reconstruction.texture)


def _can_be_drawn(skin: Skin) -> bool:
    """Whether MuJoCo takes a mesh: it has four corners and some area."""
    a, b, c = (skin.vertices[skin.faces[:, i]].astype(float) for i in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    return len(skin.vertices) > 3 and area > LEAST_AREA_M2


def field_file(geom: Geom) -> str:
    """Return the asset file of a height field."""
    return f"assets/terrain_{geom.hull}.hfield"


def stand(x: float, y: float, floor: float, top: float, half_m: float) -> Thing:
    """Return a box that lifts a robot base above the floor: its top at `top`, (2 half_m) wide."""
    half_height = (top - floor) / 2
    geom = Geom(
        shape="box",
        size=(half_m, half_m, half_height),
        position=(x, y, floor + half_height),
    )
    return Thing(STAND, "support", False, (geom,), 0.8, (0.35, 0.37, 0.4))


def geom_bounds(geom: Geom, hulls: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the world-aligned (3,) corners around a geom; planes without size are infinite."""
    from r2s.core.rigid import quat_to_matrix

    rotation = quat_to_matrix(geom.quaternion)
    centre, size = np.asarray(geom.position), np.asarray(geom.size)
    if geom.shape == "plane":
        if size[0] <= 0 or size[1] <= 0:
            return np.full(3, -np.inf), np.full(3, np.inf)
        half = np.abs(rotation) @ np.array([size[0], size[1], 0.0])
    elif geom.shape == "hull":
        points = hulls[geom.hull] @ rotation.T + centre
        return points.min(axis=0), points.max(axis=0)
    elif geom.shape == "hfield":
        top = float(hulls[geom.hull][:, 2].max())
        return centre - size, centre + np.array([size[0], size[1], top])
    elif geom.shape == "box":
        half = np.abs(rotation) @ size
    elif geom.shape == "sphere":
        half = np.full(3, size[0])
    elif geom.shape == "capsule":
        half = np.abs(rotation[:, 2]) * size[1] + size[0]
    else:
        axis = rotation[:, 2]
        half = np.abs(axis) * size[1] + size[0] * np.sqrt(np.maximum(1 - axis**2, 0))
    return centre - half, centre + half


def _thing(body: Body, visual: int, hulls: tuple[np.ndarray, ...]) -> Thing:
    thing = Thing(
        name=body.name,
        role=body.role,
        movable=body.mobility == "movable" and bool(body.geoms),
        geoms=body.geoms,
        friction=body.friction.value,
        color=body.color,
        parent=body.parent,
        priority=_priority(body),
        visual=visual,
    )
    if not thing.movable:
        return thing
    ixx, iyy, izz, ixy, ixz, iyz = body.inertia_kg_m2
    inertia = np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
    mass, com = _mass(body.mass_kg), np.asarray(body.com_m)
    if mass <= 0 or np.any(np.linalg.eigvalsh(inertia) <= 0):
        mass, com, inertia = _box_inertia(thing, mass, hulls)
    inertia += max(SMALLEST_INERTIA - float(np.linalg.eigvalsh(inertia)[0]), 0.0) * np.eye(3)
    return replace(
        thing, mass=mass, com=_vec(com), inertia=tuple(float(x) for x in inertia.ravel())
    )


def _priority(body: Body) -> int:
    """Return MuJoCo's priority of a body's friction: the higher counts, the larger friction among equals.

    What somebody measured or said counts before what is assumed, a thing's own before its support's.
    """
    known = body.friction.source in ("measured", "user")
    return (1 if body.mobility == "movable" else 0) + (2 if known else 0)


def _mass(mass: Range | None) -> float:
    return mass.value if mass else 0.0


def _box_inertia(thing: Thing, mass: float, hulls) -> tuple[float, np.ndarray, np.ndarray]:
    boxes = [geom_bounds(geom, hulls) for geom in thing.geoms]
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
    edge = high - low
    mass = mass if mass > 0 else float(max(ASSUMED_DENSITY * np.prod(edge), 1e-3))
    square = edge**2
    return mass, (low + high) / 2, mass / 12 * np.diag(square.sum() - square)


def _vec(values) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
