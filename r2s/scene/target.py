"""The one thing that a task moves: named by the user, or chosen by how well it can be pushed or held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.robot import RobotInfo
from r2s.scene.environment import Environment, Thing
from r2s.scene.errors import no_such_thing, nothing_to_move, thing_lost
from r2s.scene.gripper import Grip
from r2s.scene.signals import observing
from r2s.scene.surfaces import Surface, surfaces
from r2s.scene.twin import Twin
from r2s.scene.upright import UprightBox, outline

GRAVITY_M_S2 = 9.81
RESTS_M = 0.02  # a thing's lowest point is this near the top of what it stands on
LARGEST = 0.4  # of the reach: a wider thing leaves an arm no way around it
FINGER_M = 0.008  # a gripper that opens around a thing has at least this much room at either side


@dataclass(frozen=True, eq=False)
class Target:
    """What a task moves, as it stands in the scan.

    Attributes:
        box: the upright box around it; `points` (n, 3) its outline, metres, world frame.
        surface: what it stands on, None for nothing level.
        force_n: what it takes to slide it.
        stability: half its narrower side over the height of its centre of mass, over its friction: from 1 on
            it slides and does not topple, pushed at the height of its centre of mass.
        room_m: what a gripper has left around its narrower side, -inf without one.
        fault: why an arm cannot move it, or "".
    """

    thing: Thing
    box: UprightBox
    points: np.ndarray
    surface: Surface | None
    force_n: float
    stability: float
    room_m: float
    fault: str

    @property
    def lowest_m(self) -> float:
        return float(self.box.centre[2] - self.box.half[2])

    def __str__(self) -> str:
        a, b, c = 2 * self.box.half
        return (
            f"{self.thing.name} ({a:.2f} x {b:.2f} x {c:.2f} m, {self.thing.mass:.2g} kg, "
            f"{self.force_n:.1f} N to slide it, stability {self.stability:.1f})"
        )


def find_target(
    place: Environment,
    robot: RobotInfo,
    wanted: str,
    base: tuple[float, ...] = (),
    grip: Grip | None = None,
) -> Target:
    """Return the thing called `wanted`, or for "" the best of those that can be moved.

    To be pushed that is the most stable one, to be held the one that fills half of the gripper.

    Args:
        grip: what shall hold the thing, None to push it.
        base: x, y, ... of where the robot's base is put [m]: only what is in its reach counts; () anywhere.

    Raises:
        R2SError: no movable thing has that name (`R2S-SCENE-040`), or none can be moved
            (`R2S-SCENE-041`).
    """
    found = [_target(thing, place, robot, base, grip) for thing in place.things if thing.movable]
    named = [target for target in found if target.thing.name == wanted]
    if wanted and not named:
        raise no_such_thing(wanted, [str(target) for target in found])
    able = [target for target in named or found if not target.fault]
    if not able:
        faults = [f"{target}: {target.fault}" for target in named or found]
        raise nothing_to_move(robot, "pick up" if grip else "push", faults, wanted)
    if grip is None:
        return max(able, key=lambda target: (target.stability, target.thing.name))
    return min(able, key=lambda t: (abs(t.room_m - grip.opening_m / 2), t.thing.name))


def still_free(twin: Twin, target: Target, notes: Sequence[str]) -> tuple[Twin, Target]:
    """Return the settled twin with sensors on what the task moves, and that as it lies now.

    Args:
        notes: what was said of things that do not move any more.

    Raises:
        R2SError: it was bolted down, out of reach or because it does not stay (`R2S-SCENE-042`).
    """
    name, info = target.thing.name, twin.robot.info
    if name not in twin.place.movable:
        raise thing_lost(name, notes)
    seen = replace(twin, vocabulary=observing(twin.vocabulary, info, name))
    return seen, find_target(twin.place, info, name, grip=twin.grip)


def push_force_n(robot: RobotInfo) -> float:
    """Return the force [N] that an arm has at full stretch, from its weakest joint."""
    chain = robot.chain.joints if robot.chain else ()
    efforts = [joint.effort for joint in robot.joints if joint.name in chain and joint.effort > 0]
    return min(efforts, default=np.inf) / max(robot.reach_m, 1e-3)


def _target(
    thing: Thing,
    place: Environment,
    robot: RobotInfo,
    base: tuple[float, ...],
    grip: Grip | None,
) -> Target:
    points = outline(thing, place.hulls)
    box = UprightBox.around(points)
    lowest = box.centre[2] - box.half[2]
    height = max(float(thing.com[2] - lowest), 1e-3)
    force = thing.friction * thing.mass * GRAVITY_M_S2
    stability = float(box.half[:2].min()) / height / max(thing.friction, 1e-3)
    surface = _under(thing, float(lowest), place)
    narrow = 2 * float(box.half[:2].min())
    room = grip.opening_m - narrow if grip else -np.inf
    weight = thing.mass * GRAVITY_M_S2
    wrong = _not_held(narrow, room, weight, robot) if grip else _not_pushed(box, force, robot)
    if surface is None:
        wrong = "does not stand on a level support or floor"
    return Target(
        thing, box, points, surface, round(force, 3), round(stability, 3), round(room, 4),
        wrong or _too_far(thing, robot, base),
    )  # fmt: skip


def _not_held(narrow: float, room: float, weight: float, robot: RobotInfo) -> str:
    if room < 2 * FINGER_M:
        return f"{1000 * narrow:.0f} mm wide, the gripper opens {1000 * (narrow + room):.0f} mm"
    if weight > push_force_n(robot):
        return f"weighs {weight:.1f} N, the arm lifts {push_force_n(robot):.1f} N at full stretch"
    return ""


def _not_pushed(box: UprightBox, force: float, robot: RobotInfo) -> str:
    if force > push_force_n(robot):
        return f"the arm has {push_force_n(robot):.1f} N at full stretch"
    width = 2 * float(np.linalg.norm(box.half[:2]))
    if width > LARGEST * robot.reach_m:
        return f"{width:.2f} m across, too wide for a reach of {robot.reach_m:.2f} m"
    return ""


def _too_far(thing: Thing, robot: RobotInfo, base: tuple[float, ...]) -> str:
    if base:
        distance = float(np.hypot(thing.com[0] - base[0], thing.com[1] - base[1]))
        if distance > robot.reach_m:
            return f"{distance:.2f} m from the robot, which reaches {robot.reach_m:.2f} m"
    return ""


def _under(thing: Thing, lowest: float, place: Environment) -> Surface | None:
    """Return the level surface that a thing stands on, its own parent first."""
    x, y = thing.com[:2]
    below = [
        surface
        for surface in surfaces(place)
        if abs(surface.top - lowest) < RESTS_M
        and surface.low[0] < x < surface.high[0]
        and surface.low[1] < y < surface.high[1]
    ]
    return min(below, key=lambda s: (s.name != thing.parent, abs(s.top - lowest)), default=None)
