"""A serial chain as data, so that simulation, training and the robot compute the same forward kinematics."""

from __future__ import annotations

from typing import Literal

from r2s.artifacts.base import Frozen
from r2s.artifacts.geometry import Quat, Vec3


class Link(Frozen):
    """One step down a chain: a fixed transform, then a joint.

    Attributes:
        position, quaternion: pose of the link in its parent link, metres and wxyz.
        joint: name of the joint that moves it, or "" for a fixed link.
        kind: `hinge` or `slide`; ignored where `joint` is "".
        axis: joint axis, unit, link frame.
        anchor: joint anchor, metres, link frame (MuJoCo's `joint pos`).
        reference: joint coordinate at which the link is in the stated pose [rad or m].
    """

    position: Vec3
    quaternion: Quat
    joint: str = ""
    kind: Literal["hinge", "slide"] = "hinge"
    axis: Vec3 = (0.0, 0.0, 1.0)
    anchor: Vec3 = (0.0, 0.0, 0.0)
    reference: float = 0.0


class Chain(Frozen):
    """Links from the robot's base frame to one point of interest; the last link holds the tip's pose."""

    base: str
    tip: str
    links: tuple[Link, ...]

    @property
    def joints(self) -> tuple[str, ...]:
        return tuple(link.joint for link in self.links if link.joint)
