"""Reach: bring the end effector to a goal and hold it there.

Success: at the end of the episode the end effector has been within `tolerance_m` of the goal, with
joint speeds below `hold_speed_rad_s` (norm), for the last `hold_s` without a break.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks.kinematics import chain_position, length
from r2s.tasks.resolved_rate import ResolvedRate
from r2s.tasks.task import (
    Bound,
    Draws,
    Judgement,
    Moment,
    RewardTerm,
    Signals,
    Start,
    TaskState,
    action_rate,
    chosen,
    joint_limits,
    joint_speed,
)

DISTANCE = "goal_distance"  # [m], added to a moment's signals once, for all terms
APPROACH_SCALE = 0.8  # of the goals' mean distance from their centre: a slope across the workspace


def approach(task: Reach, moment: Moment) -> jax.Array:
    """1 at the goal, 0 far away, with a slope everywhere in the workspace."""
    return 1.0 - jnp.tanh(moment.signals[DISTANCE] / task.approach_m)


def precision(task: Reach, moment: Moment) -> jax.Array:
    """A bell of the tolerance's width: what makes the last centimetres worth it."""
    return jnp.exp(-((moment.signals[DISTANCE] / task.number("tolerance_m")) ** 2))


def stillness(task: Reach, moment: Moment) -> jax.Array:
    """The success event, softened: at the goal and slow. Without it a policy hovers and jitters."""
    return precision(task, moment) * slowness(task, moment)


def slowness(task: Bound, moment: Moment) -> jax.Array:
    """1 at rest, a bell of the speed that counts as holding."""
    speed = jnp.sum(moment.signals["joint_vel"] ** 2) / task.number("hold_speed_rad_s") ** 2
    return jnp.exp(-2.0 * speed)


TERMS: dict[str, RewardTerm] = {
    "approach": approach,
    "precision": precision,
    "stillness": stillness,
    "joint_speed": joint_speed,
    "action_rate": action_rate,
}


@dataclass(frozen=True)
class Reach(Bound):
    goals: np.ndarray  # (n, 3) float32, metres, robot base frame
    tip: Callable[
        [jax.Array], jax.Array
    ]  # joint positions of `joint_pos` -> (3,) metres, robot base frame
    approach_m: float  # where the pull towards the goal has fallen to a quarter
    rate: ResolvedRate | None

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Reach:
        """Return the task on a scene.

        Raises:
            R2SError: the scene has no goals or no chain (`R2S-TASK-005`).
        """
        info, goals = scene.info, np.asarray(scene.goals, np.float32)
        if info.chain is None or len(goals) == 0:
            raise R2SError(
                "R2S-TASK-005",
                f"this scene has {len(goals)} goals and {'no' if info.chain is None else 'a'} chain",
                where=f"robot {info.robot.name}",
                why="reach needs reachable goals and a chain from the base to an end effector",
                remedy="r2s build-scene --task reach",
            )
        low, high = joint_limits(info)
        tip = chain_position(info.chain, info.signal("joint_pos").elements)
        spread = np.linalg.norm(goals - goals.mean(axis=0), axis=1).mean()
        approach_m = max(APPROACH_SCALE * float(spread), spec.parameters["tolerance_m"])
        rate = ResolvedRate.of(scene, tip, goals)
        return cls(spec, info.control_s, low, high, goals, tip, approach_m, rate)

    @property
    def draws(self) -> Draws:
        return Draws(reset=1, start=len(self.low), advance=0)

    def reset(self, uniform: jax.Array) -> TaskState:
        return {"goal": chosen(self.goals, uniform[0]), "held": jnp.zeros((), jnp.int32)}

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        return {"goal_pos": state["goal"]}

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        speed = jnp.sqrt(jnp.sum(moment.signals["joint_vel"] ** 2))
        distance = self.error(moment)
        moment = moment._replace(signals={**moment.signals, DISTANCE: distance})
        there = (distance < self.number("tolerance_m")) & (speed < self.number("hold_speed_rad_s"))
        held = jnp.where(there, moment.state["held"] + 1, 0)
        terms = {name: term(self, moment) for name, term in TERMS.items()}
        judgement = Judgement(terms, jnp.zeros((), bool), held >= self.steps("hold_s"))
        return {"goal": moment.state["goal"], "held": held}, judgement

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        return self.near_home(uniform, home)

    @property
    def guesses(self) -> bool:
        return self.rate is not None

    def guess(self, seen: Signals) -> jax.Array:
        """Return the action (a,) that goes straight to the goal."""
        assert self.rate is not None
        return self.rate.action(seen, seen["ee_to_goal"], seen["goal_pos"])

    def error(self, moment: Moment) -> jax.Array:
        """Return the distance from end effector to goal [m]."""
        return length(moment.state["goal"] - self.tip(moment.signals["joint_pos"]))
