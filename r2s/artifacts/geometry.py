"""Collision geometry as data: the shapes a reconstruction is made of, before any engine sees them."""

from __future__ import annotations

from typing import Literal

from r2s.artifacts.base import Frozen

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]


class Geom(Frozen):
    """One convex collider in MuJoCo's conventions.

    Attributes:
        shape: `plane` (z = outward normal), `box`, `sphere`, `cylinder`, `capsule` (axis z) or `hull`.
        size: metres, MuJoCo's meaning: plane (half x, half y, 0; 0 = infinite), box half extents,
            sphere (radius, 0, 0), cylinder and capsule (radius, half length, 0), hull (0, 0, 0).
        position: metres, world frame.
        quaternion: wxyz, world frame.
        hull: index into the reconstruction's hulls, or -1. Hull vertices are in the geom's own frame.
    """

    shape: Literal["plane", "box", "sphere", "cylinder", "capsule", "hull"]
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
