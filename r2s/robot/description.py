"""What both readers produce: bodies, joints and shapes in SI units, before any decision is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from r2s.artifacts.robot import Motor, Repair
from r2s.core.rigid import Array

ShapeKind = Literal["mesh", "box", "sphere", "cylinder", "capsule", "ellipsoid"]


@dataclass
class Mesh:
    """Triangles: `vertices` (n, 3) float64 metres, `faces` (m, 3) int; `folder` is the end of its file's."""

    name: str
    vertices: Array
    faces: np.ndarray
    folder: str = ""


@dataclass
class Shape:
    """One visual or collision shape.

    Attributes:
        T_body_shape: (4, 4), maps shape to body frame.
        size: metres, MuJoCo's meaning (half extents; radius, half length); ignored for a mesh.
        rgba: colour of a visual shape.
        friction: sliding, torsional, rolling, or None for the default.
    """

    kind: ShapeKind
    T_body_shape: Array
    size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mesh: Mesh | None = None
    rgba: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)
    friction: tuple[float, float, float] | None = None


@dataclass
class JointDescription:
    """A degree of freedom as the source states it; None where the source is silent.

    Attributes:
        axis, anchor: unit axis and anchor [m], body frame.
        reference: coordinate at which the body is in its stated pose [rad or m].
        mimic: (joint, multiplier, offset): this = multiplier * joint + offset, or None.
        kp, kd: gains of the source's own position actuator.
        motor: of a profile.
    """

    name: str
    kind: Literal["hinge", "slide"]
    axis: Array
    anchor: Array
    low: float
    high: float
    limited: bool
    reference: float = 0.0
    velocity: float | None = None
    effort: float | None = None
    damping: float | None = None
    armature: float | None = None
    friction: float = 0.0
    stiffness: float = 0.0
    springref: float = 0.0
    mimic: tuple[str, float, float] | None = None
    passive: bool = False
    kp: float | None = None
    kd: float | None = None
    motor: Motor | None = None


@dataclass
class Body:
    """One link.

    Attributes:
        T_parent_body: (4, 4), pose in the parent body at joint coordinates `reference`.
        com: centre of mass [m], body frame.
        inertia: (3, 3) about the centre of mass, body axes [kg*m^2]; None if the source has none.
    """

    name: str
    parent: str | None
    T_parent_body: Array
    mass: float = 0.0
    com: Array = field(default_factory=lambda: np.zeros(3))
    inertia: Array | None = None
    joints: list[JointDescription] = field(default_factory=list)
    visuals: list[Shape] = field(default_factory=list)
    collisions: list[Shape] = field(default_factory=list)


@dataclass
class Site:
    """A named frame on a body: a sensor mount, a tool centre, an empty link."""

    name: str
    body: str
    T_body_site: Array


@dataclass
class Description:
    """A robot as its file states it. `bodies` lists parents before children; the first is the root.

    Attributes:
        floating: whether the file itself says so; None if it is silent.
        home: joint positions of the file's own home pose, by joint name.
        base_height_m: height of the base in that pose, or None.
        repairs: what the reader changed.
    """

    name: str
    source_format: Literal["urdf", "mjcf"]
    bodies: list[Body]
    sites: list[Site] = field(default_factory=list)
    floating: bool | None = None
    home: dict[str, float] = field(default_factory=dict)
    base_height_m: float | None = None
    repairs: list[Repair] = field(default_factory=list)

    def body(self, name: str) -> Body:
        """Return the body called `name`."""
        return next(body for body in self.bodies if body.name == name)

    def children(self, name: str) -> list[Body]:
        """Return the bodies whose parent is `name`, in file order."""
        return [body for body in self.bodies if body.parent == name]

    @property
    def joints(self) -> list[JointDescription]:
        return [joint for body in self.bodies for joint in body.joints]

    def repair(self, rule: str, element: str, before: object, after: object, reason: str) -> None:
        """Log one change."""
        self.repairs.append(
            Repair(rule=rule, element=element, before=str(before), after=str(after), reason=reason)
        )
