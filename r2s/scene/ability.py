"""Which task a robot can do, and why it cannot do another."""

from __future__ import annotations

from r2s.artifacts.robot import RobotInfo
from r2s.scene.errors import task_impossible
from r2s.tasks.specs import AUTO, task_kind

# Imported, simulated, drawn; r2s has nothing to train them for.
WITHOUT_TASK = ("hand", "aerial", "other")


def natural_task(robot: RobotInfo) -> str:
    """Return the task that a robot gets when nobody names one."""
    if robot.base != "floating":
        return "reach"
    return "navigate" if robot.wheels else "velocity"


def chosen_task(wanted: str, robot: RobotInfo) -> str:
    """Return the task that is wanted, or the natural one for `auto`.

    Raises:
        R2SError: the robot cannot do it (`R2S-SCENE-004`).
    """
    task = natural_task(robot) if wanted == AUTO else wanted
    if robot.kind in WITHOUT_TASK:
        raise task_impossible(
            robot, task, f"is of kind {robot.kind!r}, for which there is none", ""
        )
    missing = LACKS[task_kind(task).robot](robot)
    if missing:
        other = natural_task(robot)
        able = other != task and not LACKS[task_kind(other).robot](robot)
        raise task_impossible(robot, task, missing, other if able else "")
    if task_kind(task).grips and not robot.gripper:
        raise task_impossible(robot, task, "has no gripper", natural_task(robot))
    if not robot.actuators:
        raise task_impossible(robot, task, "has no actuators", "")
    return task


def _not_an_arm(robot: RobotInfo) -> str:
    if robot.chain is None or not robot.ee_site:
        return "has no arm with an end effector"
    return "has a floating base" if robot.base == "floating" else ""


def _not_legged(robot: RobotInfo) -> str:
    if robot.base != "floating":
        return "is bolted down"
    return "" if robot.feet else "has no legs to walk on"


def _not_rolling(robot: RobotInfo) -> str:
    if robot.base != "floating":
        return "is bolted down"
    if not robot.wheels:
        return "has no wheels that turn"
    if robot.drive != "differential":
        return f"has an {robot.drive} drive, and only wheels of a differential one steer by rolling"
    return ""


LACKS = {"arm": _not_an_arm, "legs": _not_legged, "base": _not_rolling}
