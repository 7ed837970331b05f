"""What every task asks for, as data: importing this needs no JAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from r2s.artifacts.scene import TaskSpec
from r2s.core.errors import UsageError

REACH = TaskSpec(
    name="reach",
    parameters={
        "episode_s": 3.0,
        "tolerance_m": 0.03,
        # Success is the tolerance held this long, at less than this joint speed, at the end.
        "hold_s": 0.2,
        "hold_speed_rad_s": 0.5,
        "start_joint_rad": 0.2,
    },
    weights={
        "approach": 1.0,
        "precision": 1.0,
        "stillness": 2.0,
        "joint_speed": -0.01,
        "action_rate": -0.05,
    },
)

POSE = TaskSpec(
    name="pose",
    parameters={**REACH.parameters, "episode_s": 4.0, "tolerance_rad": 0.2},
    weights={**REACH.weights, "facing": 1.0},
)

PUSH = TaskSpec(
    name="push",
    parameters={
        "episode_s": 5.0,
        "tolerance_m": 0.03,
        # Success is the thing within tolerance of its goal in the plane, and this slow, for so long.
        "hold_s": 0.4,
        "hold_speed_m_s": 0.05,
        # The episode is over when the thing has dropped or leant so far.
        "fallen_m": 0.05,
        "toppled_rad": 0.8,
        # How far from its place in the scan the thing starts, and how far it is turned there.
        "start_within_m": 0.2,
        "start_turn_rad": 0.3,
        # How far its goal is from there.
        "least_push_m": 0.08,
        "most_push_m": 0.2,
        "start_joint_rad": 0.1,
    },
    weights={
        "approach": 1.5,
        "progress": 1.5,
        "precision": 1.5,
        "stillness": 1.5,
        "joint_speed": -0.005,
        "action_rate": -0.02,
    },
)

PICK = TaskSpec(
    name="pick",
    parameters={
        "episode_s": 5.0,
        "tolerance_m": 0.03,
        # Success is the thing within tolerance of its goal, and this slow, for so long.
        "hold_s": 0.4,
        "hold_speed_m_s": 0.1,
        # The episode is over when the thing has dropped so far.
        "fallen_m": 0.05,
        # How far from its place in the scan the thing starts, and how far it is turned there.
        "start_within_m": 0.2,
        "start_turn_rad": 0.3,
        # How far above that its goal is.
        "lift_m": 0.1,
        "start_joint_rad": 0.1,
    },
    weights={
        "approach": 1.0,
        "grasp": 0.5,
        "progress": 2.0,
        "precision": 1.5,
        "stillness": 1.5,
        "joint_speed": -0.005,
        "action_rate": -0.02,
    },
)

VELOCITY = TaskSpec(
    name="velocity",
    parameters={
        "episode_s": 10.0,
        "command_s": 5.0,
        "forward_m_s": 0.8,
        "sideways_m_s": 0.4,
        "yaw_rad_s": 0.8,
        "standing_fraction": 0.1,
        "command_m_s2": 2.0,
        "command_rad_s2": 4.0,
        # Success is no fall, and mean errors of the episode below these.
        "success_error_m_s": 0.15,
        "success_error_rad_s": 0.3,
        "minimum_height_fraction": 0.5,
        "maximum_tilt_rad": 1.0,
        "start_joint_rad": 0.1,
    },
    weights={
        "track_linear": 2.0,
        "track_angular": 1.0,
        "vertical_speed": -1.0,
        "roll_pitch_rate": -0.05,
        "tilt": -2.0,
        "height": -10.0,
        "action_rate": -0.02,
        "joint_speed": -0.0005,
        "posture": -0.1,
        "alive": 0.5,
    },
)

NAVIGATE = TaskSpec(
    name="navigate",
    parameters={
        "episode_s": 12.0,
        "tolerance_m": 0.2,
        # Success is the tolerance held this long, slower than this, at the end, and nothing touched.
        "hold_s": 0.5,
        "hold_speed_m_s": 0.1,
        # Routes: how far a goal is, and how much longer than the straight line the way there may be.
        # The policy has no map and no memory: what asks for a plan is no goal.
        "nearest_m": 0.5,
        "farthest_m": 4.0,
        "detour": 1.3,
        # What a ray may come down to before it costs, beyond the base's own radius.
        "margin_m": 0.15,
    },
    weights={
        "progress": 4.0,
        "arrival": 1.0,
        "stillness": 2.0,
        "heading": 0.2,
        "closeness": -1.0,
        "collision": -100.0,
        "action_rate": -0.05,
    },
)

# A longer arm is as precise in angle, not in metres: 4 % of its reach from 0.75 m on.
TOLERANCE_OF_REACH = 0.04
AUTO = "auto"  # in place of a task's name: the one natural for the robot


@dataclass(frozen=True)
class TaskKind:
    """What a task needs beside its code.

    Attributes:
        spec: default numbers and weights.
        code: where its class is, `module:Class`.
        robot: what can do it: `arm` (a bolted chain with an end effector), `legs` (a floating base) or
            `base` (one that rolls on wheels).
        moves: what it moves beside the robot: `nothing`, or a `thing` of the place, which training leaves
            free, whose pose the robot must be told, and for which the scene has starts and goals.
        grips: a gripper holds the thing; its joints act with the arm's.
        pace: share of its usual speed at which an arm moves. At all of it, noise that explores throws
            the end effector centimetres in every control period, and what it touches out of its way.
        control_hz: control rate [Hz].
        discount: worth of the next step's reward.
        entropy: reward for keeping to explore. At a tenth of the usual a 7-axis arm settled for one way
            around its base and missed the goals behind; with any an arm does not stay at a thing.
        initial_std: exploration noise at the start, of action's 1. With 0.3 most legs that begin with
            a trot fall at first, with half of it few.
        copies: copies to train with, by device. Chosen on the 2-core reference machine: small batches
            learn with the fewest steps; an accelerator is idle below a few thousand.
    """

    spec: TaskSpec
    code: str
    robot: Literal["arm", "legs", "base"]
    control_hz: float
    discount: float
    copies: dict[Literal["cpu", "accelerator"], int]
    moves: Literal["nothing", "thing"] = "nothing"
    grips: bool = False
    pace: float = 1.0
    entropy: float = 0.02
    initial_std: float = 0.5


KINDS = {
    kind.spec.name: kind
    for kind in (
        TaskKind(
            REACH, "r2s.tasks.reach:Reach", "arm", 25.0, 0.97, {"cpu": 256, "accelerator": 2048}
        ),
        TaskKind(
            POSE, "r2s.tasks.pose:Pose", "arm", 25.0, 0.97, {"cpu": 512, "accelerator": 2048}
        ),
        TaskKind(
            PUSH, "r2s.tasks.push:Push", "arm", 25.0, 0.95, {"cpu": 256, "accelerator": 2048},
            "thing", pace=0.4, entropy=0.0, initial_std=0.3,
        ),
        TaskKind(
            PICK, "r2s.tasks.pick:Pick", "arm", 25.0, 0.95, {"cpu": 256, "accelerator": 2048},
            "thing", grips=True, pace=0.4, entropy=0.0, initial_std=0.3,
        ),
        TaskKind(
            VELOCITY, "r2s.tasks.velocity:Velocity", "legs", 50.0, 0.97,
            {"cpu": 256, "accelerator": 4096}, entropy=0.0, initial_std=0.15,
        ),
        TaskKind(
            NAVIGATE, "r2s.tasks.navigate:Navigate", "base", 10.0, 0.98,
            {"cpu": 256, "accelerator": 2048},
        ),
    )
}  # fmt: skip


def task_kind(name: str) -> TaskKind:
    """Return what the task called `name` asks for.

    Raises:
        UsageError: there is no such task (`R2S-TASK-001`).
    """
    if name in KINDS:
        return KINDS[name]
    raise UsageError(
        "R2S-TASK-001",
        f"there is no task called {name!r}",
        why="a task is code: observations, rewards and a success event",
        remedy=f"r2s build-scene --task {'|'.join(KINDS)}   # or one of your own: FILE.py:Class",
    )


def known_task(name: str) -> str:
    """Return `name`, checked: a task's name or `auto` (`R2S-TASK-001` otherwise)."""
    return name if name == AUTO else task_kind(name).spec.name


def default_spec(name: str, reach_m: float = 0.0) -> TaskSpec:
    """Return the default numbers of the task called `name` for a robot that reaches so far.

    Raises:
        UsageError: there is no such task (`R2S-TASK-001`).
    """
    kind = task_kind(name)
    spec, least = kind.spec, kind.spec.parameters.get("tolerance_m")
    if least is None or kind.robot != "arm":
        return spec
    tolerance_m = max(least, round(TOLERANCE_OF_REACH * reach_m, 2))
    parameters = {**spec.parameters, "tolerance_m": tolerance_m}
    return spec.model_copy(update={"parameters": parameters})
