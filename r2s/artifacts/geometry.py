"""Collision geometry as data: the shapes a reconstruction is made of, before any engine sees them."""

from __future__ import annotations

from typing import Literal

from r2s.artifacts.base import Frozen

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]


class Geom(Frozen):
    """One collider in MuJoCo's conventions: convex, or a height field.

    Attributes:
        shape: `plane` (z = outward normal), `box`, `sphere`, `cylinder`, `capsule` (axis z), `hull`, or
            `hfield` (`r2s.core.heightfield`: solid below a grid of heights, in world axes).
        size: metres, MuJoCo's meaning: plane (half x, half y, 0; 0 = infinite), box half extents,
            sphere (radius, 0, 0), cylinder and capsule (radius, half length, 0), hull (0, 0, 0), hfield
            (half x, half y, depth of its base below its own z = 0, which is its lowest node).
        position: metres, world frame.
        quaternion: wxyz, world frame.
        hull: index into the reconstruction's hulls, or -1. Hull vertices are in the geom's own frame,
            and so are the nodes of a height field.
    """

    shape: Literal["plane", "box", "sphere", "cylinder", "capsule", "hull", "hfield"]
    size: Vec3
    position: Vec3
    quaternion: Quat = (1.0, 0.0, 0.0, 0.0)
    hull: int = -1


class Range(Frozen):
    """A physical quantity that is not known exactly.

    Attributes:
        value: best guess; what validation uses at its nominal scenario.
        low, high: bounds that randomization may sample.
        source: `measured`, `table`, `user` or `assumed`.
    """

    value: float
    low: float
    high: float
    source: Literal["measured", "table", "user", "assumed"]
