"""Push: bring a thing of the place to a goal on what it stands on, and leave it there.

Success: at the end of the episode the thing has been within `tolerance_m` of its goal in the plane, and
slower than `hold_speed_m_s`, for the last `hold_s` without a break. An episode in which it falls off its
support or topples is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.tasks.kinematics import chain_position, length
from r2s.tasks.task import (
    Bound,
    Draws,
    Judgement,
    Moment,
    RewardTerm,
    Start,
    TaskState,
    action_rate,
    chosen,
    joint_limits,
    joint_speed,
    known_joints,
    upright_at,
)

NEEDED = ("joint_pos", "joint_vel", "object_pos", "object_vel", "object_up")
# [m], added to a moment's signals once, for all terms.
DISTANCE, BEHIND = "goal_distance", "behind_distance"
APPROACH_M = 0.15  # the end effector is drawn to its place behind the thing by a slope this wide
# Once behind the thing, that place is so much nearer to it than a scene proves to be free: who goes there
# pushes. Seen from the side it is off the thing, and above it by as much as it is off: the way there would
# push the thing aside, and an arm that has come down beside it finds no way around.
PRESS_M = 0.05


def approach(task: Push, moment: Moment) -> jax.Array:
    """1 with the end effector behind the thing as seen from the goal, or with the thing at the goal."""
    arrived = moment.signals[DISTANCE] < task.number("tolerance_m")
    return jnp.where(arrived, 1.0, 1.0 - jnp.tanh(moment.signals[BEHIND] / APPROACH_M))


def progress(task: Push, moment: Moment) -> jax.Array:
    """1 with the thing at the goal, 0 far away, with a slope over the longest push."""
    return 1.0 - jnp.tanh(2.0 * moment.signals[DISTANCE] / task.number("most_push_m"))


def precision(task: Push, moment: Moment) -> jax.Array:
    """A bell of the tolerance's width: what makes the last centimetres worth it."""
    return jnp.exp(-((moment.signals[DISTANCE] / task.number("tolerance_m")) ** 2))


def stillness(task: Push, moment: Moment) -> jax.Array:
    """The success event, softened: the thing at its goal, and slow."""
    speed = jnp.sum(moment.signals["object_vel"] ** 2) / task.number("hold_speed_m_s") ** 2
    return precision(task, moment) * jnp.exp(-speed)


TERMS: dict[str, RewardTerm] = {
    "approach": approach,
    "progress": progress,
    "precision": precision,
    "stillness": stillness,
    "joint_speed": joint_speed,
    "action_rate": action_rate,
}


@dataclass(frozen=True)
class Push(Bound):
    """Attributes:
    goals: (n, 3) float32, metres, robot base frame: where the thing's centre of mass shall go.
    starts: (n, 3) float32: its x, y [m], yaw [rad] in the world; one for each goal.
    tip: joint positions of `joint_pos` -> (3,) metres, robot base frame.
    up: (3,) float32: the world's up in the robot base frame.
    standoff_m: from the thing's centre of mass to where the end effector is behind it, in the plane;
        `above_m`: how much higher that is.
    """

    goals: np.ndarray
    starts: np.ndarray
    tip: Callable[[jax.Array], jax.Array]
    up: np.ndarray
    standoff_m: float
    above_m: float

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Push:
        """Return the task on a scene.

        Raises:
            R2SError: the scene has nothing to push, or no starts and goals for it (`R2S-TASK-040`).
        """
        info = scene.info
        names = {signal.name for signal in info.signals}
        missing = [name for name in NEEDED if name not in names]
        pairs = min(len(scene.goals), len(scene.spawns), len(scene.goal_configurations))
        if info.chain is None or not info.thing or missing or not pairs:
            raise R2SError(
                "R2S-TASK-040",
                f"this scene has nothing that {info.robot.name} could push",
                where=f"thing: {info.thing or 'none'}; starts with a goal: {pairs}; "
                f"missing signals: {', '.join(missing) or 'none'}",
                why="push needs a free thing, where it starts, and where it shall go",
                remedy="r2s build-scene --task push",
            )
        low, high = joint_limits(info)
        goals = np.asarray(scene.goals, np.float32)
        starts = np.asarray(scene.spawns, np.float32)
        tip = chain_position(info.chain, info.signal("joint_pos").elements)
        behind = info.to_world(np.asarray(jax.lax.map(tip, jnp.asarray(known_joints(scene)))))
        thing = info.to_world(goals)
        standoff_m = float(np.median(np.linalg.norm((behind - starts)[:, :2], axis=1)))
        above_m = float(np.median((behind - thing)[:, 2]))
        up = np.asarray(quat_to_matrix(info.base_quaternion).T @ [0, 0, 1], np.float32)
        return cls(spec, info.control_s, low, high, goals, starts, tip, up, standoff_m, above_m)

    @property
    def draws(self) -> Draws:
        return Draws(reset=1, start=len(self.low), advance=0)

    def reset(self, uniform: jax.Array) -> TaskState:
        row = chosen(np.arange(len(self.goals), dtype=np.int32), uniform[0])
        return {"row": row, "goal": jnp.asarray(self.goals)[row], "held": jnp.zeros((), jnp.int32)}

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        return {"goal_pos": state["goal"]}

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        signals, state = moment.signals, moment.state
        distance, speed = self.error(moment), length(signals["object_vel"])
        seen = {**signals, DISTANCE: distance, BEHIND: self.from_behind(moment)}
        moment = moment._replace(signals=seen)
        there = (distance < self.number("tolerance_m")) & (speed < self.number("hold_speed_m_s"))
        held = jnp.where(there, state["held"] + 1, 0)
        lost, terms = self.lost(moment), {name: term(self, moment) for name, term in TERMS.items()}
        judgement = Judgement(terms, lost, (held >= self.steps("hold_s")) & ~lost)
        return {**state, "held": held}, judgement

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        return self.near_home(uniform, home)

    def thing(self, state: TaskState, home: jax.Array) -> jax.Array:
        return upright_at(jnp.asarray(self.starts)[state["row"]], home)

    def elsewhere(self, state: TaskState, uniform: jax.Array, known: np.ndarray) -> jax.Array:
        return jnp.asarray(known)[state["row"]]  # behind the thing; behind another it may be inside

    def error(self, moment: Moment) -> jax.Array:
        """Return the distance from thing to goal in the plane [m]."""
        return length(self.to_goal(moment))

    def to_goal(self, moment: Moment) -> jax.Array:
        """Return the vector (3,) from thing to goal, without its height [m]."""
        return self.flat(moment.state["goal"] - moment.signals["object_pos"])

    def flat(self, vector: jax.Array) -> jax.Array:
        """Return a vector (3,) of the base frame without its height."""
        return vector - self.up * jnp.sum(vector * self.up)

    def from_behind(self, moment: Moment) -> jax.Array:
        """Return how far the end effector is from its place behind the thing [m]."""
        gap, tip = self.to_goal(moment), self.tip(moment.signals["joint_pos"])
        ahead, forth = self.flat(moment.signals["object_pos"] - tip), gap / length(gap)
        aligned = jnp.maximum(jnp.sum(ahead * forth) / length(ahead), 0.0)
        off = jnp.maximum(self.standoff_m - PRESS_M * aligned, 0.0)
        rise = self.above_m + self.standoff_m * (1.0 - aligned)
        place = moment.signals["object_pos"] - off * forth + rise * self.up
        return length(place - tip)

    def lost(self, moment: Moment) -> jax.Array:
        """Has the thing dropped off what it stood on, or toppled?"""
        drop = jnp.sum((moment.state["goal"] - moment.signals["object_pos"]) * self.up)
        leant = moment.signals["object_up"][2] < jnp.cos(self.number("toppled_rad"))
        return (drop > self.number("fallen_m")) | leant
