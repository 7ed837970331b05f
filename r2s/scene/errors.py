"""What can go wrong while a scene is built, in words.

R2S-SCENE-001  the robot stands nowhere
R2S-SCENE-002  the place the user gave collides
R2S-SCENE-003  nothing is reachable
R2S-SCENE-004  this robot cannot do this task
R2S-SCENE-005  the scene does not settle
R2S-SCENE-006  MuJoCo refuses the model
R2S-SCENE-007  a floating robot has no free floor
R2S-SCENE-008  a setting contradicts another
R2S-SCENE-009  there is nothing under the place the user gave
R2S-SCENE-040  no movable thing has the name the user gave
R2S-SCENE-041  nothing can be moved by the robot
R2S-SCENE-042  the thing a task moves does not stay, or is out of reach
R2S-SCENE-043  a thing has no room to be pushed in
R2S-SCENE-044  a gripper does not get around a thing
R2S-SCENE-050  a base's laser scanner sees nothing but the robot
R2S-SCENE-051  too few routes over free floor
"""

from __future__ import annotations

from collections.abc import Sequence

from r2s.artifacts.robot import RobotInfo
from r2s.core.errors import R2SError, UsageError


def no_place(robot: RobotInfo, tried: int, best: str, surfaces: Sequence[str]) -> R2SError:
    return R2SError(
        "R2S-SCENE-001",
        f"{robot.name} stands nowhere without touching the twin ({tried} places tried)",
        where=f"surfaces looked at: {', '.join(surfaces) or 'none'}; best place: {best}",
        why=f"it needs a free disc of {robot.base_radius_m:.2f} m radius and a free home pose",
        remedy="r2s build-scene --place X,Y   (or --mount stand)",
    )


def place_collides(robot: RobotInfo, place: Sequence[float], pairs: Sequence[str]) -> R2SError:
    where = ", ".join(f"{value:g}" for value in place)
    return R2SError(
        "R2S-SCENE-002",
        f"{robot.name} at home touches the twin at the place that was given",
        where=f"--place {where}: {'; '.join(pairs[:4])}",
        why="an episode that begins in a collision teaches nothing",
        remedy="raise Z, move the base, or leave --place out to have one found",
    )


def nothing_under(robot: RobotInfo, x: float, y: float, surfaces: Sequence[str]) -> R2SError:
    return R2SError(
        "R2S-SCENE-009",
        f"there is nothing under ({x:g}, {y:g}) for {robot.name} to stand on",
        where=f"--place {x:g},{y:g}; surfaces here: {', '.join(surfaces) or 'none'}",
        why="a place without a height is on top of what is below it",
        remedy="r2s layout   (where things are), or say the height: --place X,Y,Z,YAW",
    )


def nothing_reachable(robot: RobotInfo, free: int, sampled: int, needed: int, why: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-003",
        f"only {free} of {sampled} sampled configurations reach free space (needed: {needed})",
        where=f"{robot.name}, reach {robot.reach_m:.2f} m: {why}",
        why="a reach task without goals cannot be trained",
        remedy="r2s build-scene --place X,Y   (more room), or --goal-clearance-m 0.01",
    )


def task_impossible(robot: RobotInfo, task: str, missing: str, other: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-004",
        f"{robot.name} cannot do the task {task!r}: it {missing}",
        where=f"robot kind {robot.kind}, base {robot.base}",
        why="the task's signals and actions do not exist on this robot",
        remedy=f"the same command with --task {other}"
        if other
        else "choose another robot, or say what it is: --robot-profile FILE with `kind: ...`",
    )


def not_settling(what: str, where: str, why: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-005",
        what,
        where=where,
        why=why,
        remedy="r2s build-scene --objects fixed   (bolts objects down), or give --place",
    )


def refused_by_mujoco(file: str, error: Exception) -> R2SError:
    return R2SError(
        "R2S-SCENE-006",
        f"MuJoCo cannot compile {file}: {str(error).strip()}",
        where=file,
        why="the twin has to open in plain MuJoCo",
        remedy="r2s show robot/NAME   (its repairs), r2s show reconstruction (the place)",
    )


def no_free_floor(robot: RobotInfo, why: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-007",
        f"{robot.name} has no free floor to stand on",
        where=why,
        why=f"a floating base needs floor with {robot.base_radius_m:.2f} m around it free",
        remedy="scan the floor too, or give r2s build-scene --place X,Y",
    )


def blind_scanner(robot: RobotInfo, body: str, free: int, needed: int) -> R2SError:
    return R2SError(
        "R2S-SCENE-050",
        f"only {free} rays of {robot.name}'s scanner pass the robot itself (needed: {needed})",
        where=f"scanner on {body}",
        why="a base that cannot see drives into things",
        remedy="call the scanner's link `laser` in the robot's description, where it looks around freely",
    )


def no_routes(robot: RobotInfo, found: int, needed: int, why: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-051",
        f"{robot.name} has {found} routes over the free floor (needed: {needed})",
        where=why,
        why="a base needs somewhere to go",
        remedy="r2s build-scene --parameters nearest_m=0.3 --parameters detour=1.6   "
        "(nearer goals, longer ways round), or scan more floor",
    )


def contradiction(what: str, remedy: str) -> UsageError:
    return UsageError(
        "R2S-SCENE-008",
        what,
        where="build-scene",
        why="the settings exclude each other",
        remedy=remedy,
    )


def no_such_thing(wanted: str, things: Sequence[str]) -> R2SError:
    return R2SError(
        "R2S-SCENE-040",
        f"there is no movable thing called {wanted!r}",
        where=f"movable here: {', '.join(things) or 'none'}",
        why="the task moves one thing of the place",
        remedy="r2s layout   (all there is), then --object NAME; `r2s layout edit` makes a thing movable",
    )


def nothing_to_move(robot: RobotInfo, doing: str, faults: Sequence[str], wanted: str) -> R2SError:
    return R2SError(
        "R2S-SCENE-041",
        f"{robot.name} cannot {doing} {wanted or 'any thing of this place'}",
        where="; ".join(faults) or "the place has no movable thing",
        why="the task moves one thing that stands on a level support, in reach of the arm, not too heavy, "
        "and to be picked up no wider than its gripper opens",
        remedy="r2s layout edit   (mass_kg, mobility), another --place, or a longer arm",
    )


def thing_lost(thing: str, notes: Sequence[str]) -> R2SError:
    mine = [note for note in notes if thing in note]
    return R2SError(
        "R2S-SCENE-042",
        f"{thing} cannot be moved in this scene",
        where="; ".join(mine) or f"{thing} is fixed",
        why="a task that moves a thing needs it free, at rest and in reach",
        remedy="the same command with --object NAME of another thing (r2s layout), or --place X,Y",
    )


def no_grasps(robot: RobotInfo, thing: str, found: int, looked: int, area_m2: float) -> R2SError:
    return R2SError(
        "R2S-SCENE-044",
        f"only {found} of {looked} grasps looked at can be made",
        where=f"{thing}; {area_m2:.2f} m2 of its support are free and in reach of {robot.name}",
        why="the open gripper has to come down around the thing, and to go up again as far as it lifts",
        remedy="r2s build-scene --place X,Y   (more room), another --object, or a smaller lift_m",
    )


def no_pushes(robot: RobotInfo, thing: str, found: int, looked: int, area_m2: float) -> R2SError:
    return R2SError(
        "R2S-SCENE-043",
        f"only {found} of {looked} pushes looked at can be made",
        where=f"{thing}; {area_m2:.2f} m2 of its support are free and in reach of {robot.name}",
        why="the end effector has to get behind the thing at its start and at its goal",
        remedy="r2s build-scene --place X,Y   (more room), another --object, or a shorter most_push_m",
    )
