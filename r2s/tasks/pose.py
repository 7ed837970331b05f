"""Pose: bring the end effector to a goal, turned as the goal says, and hold it there.

Success: at the end of the episode the end effector has been within `tolerance_m` and `tolerance_rad` of
the goal, with joint speeds below `hold_speed_rad_s` (norm), for the last `hold_s` without a break. Each
goal is the pose of a configuration that reaches it, so arms of fewer than six joints have goals too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks import reach
from r2s.tasks.kinematics import chain_axes, length, quat_axes, turn_to
from r2s.tasks.reach import Reach
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
    known_joints,
)

TURN = "goal_turn"  # [rad], added to a moment's signals once, for all terms
LEVER_M = 0.1  # the first guess turns by a radian as readily as it moves so far
FACING_RAD = 0.8  # where the pull towards the goal's orientation has fallen to a quarter


def facing(task: Pose, moment: Moment) -> jax.Array:
    """1 turned as the goal says, with a slope everywhere; worth more the nearer the goal."""
    near = 1.0 - jnp.tanh(moment.signals[reach.DISTANCE] / task.reach.approach_m)
    return near * (1.0 - jnp.tanh(moment.signals[TURN] / FACING_RAD))


def precision(task: Pose, moment: Moment) -> jax.Array:
    """A bell of both tolerances' widths."""
    turned = moment.signals[TURN] / task.number("tolerance_rad")
    return reach.precision(task.reach, moment) * jnp.exp(-(turned**2))


def stillness(task: Pose, moment: Moment) -> jax.Array:
    """The success event, softened: at the goal, turned and slow."""
    return precision(task, moment) * reach.slowness(task, moment)


def approach(task: Pose, moment: Moment) -> jax.Array:
    """See `reach.approach`."""
    return reach.approach(task.reach, moment)


TERMS: dict[str, RewardTerm] = {
    "approach": approach,
    "facing": facing,
    "precision": precision,
    "stillness": stillness,
    "joint_speed": reach.joint_speed,
    "action_rate": reach.action_rate,
}


@dataclass(frozen=True)
class Pose(Bound):
    reach: Reach
    turns: np.ndarray  # (n, 4) float32, wxyz: orientation of each goal in the robot base frame
    # Joint positions of `joint_pos` -> (3, 3), the end effector's axes, one a row, robot base frame.
    axes: Callable[[jax.Array], jax.Array]
    rate: ResolvedRate | None

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Pose:
        """Return the task on a scene.

        Raises:
            R2SError: the scene has no goals, no chain, or no configurations of its goals
                (`R2S-TASK-005`).
        """
        position = Reach.bind(spec, scene)
        info, known = scene.info, scene.goal_configurations
        assert info.chain is not None
        if len(known) != len(scene.goals) or known.shape[1] != len(info.actions.joints):
            raise R2SError(
                "R2S-TASK-005",
                f"this scene has {len(known)} configurations for {len(scene.goals)} goals",
                where=f"robot {info.robot.name}",
                why="a goal's orientation is that of the configuration that reaches it",
                remedy="r2s build-scene --task pose",
            )
        axes = chain_axes(info.chain, info.signal("joint_pos").elements)
        joints = jnp.asarray(known_joints(scene))
        frames = np.asarray(jax.vmap(axes)(joints)).swapaxes(1, 2)
        turns = Rotation.from_matrix(frames).as_quat(canonical=True, scalar_first=True)
        low, high, turns = position.low, position.high, turns.astype(np.float32)

        def frame(joints: jax.Array) -> jax.Array:
            return jnp.append(position.tip(joints), LEVER_M * axes(joints))

        rate = ResolvedRate.of(scene, frame, position.goals)
        return cls(spec, info.control_s, low, high, position, turns, axes, rate)

    @property
    def draws(self) -> Draws:
        return self.reach.draws

    def reset(self, uniform: jax.Array) -> TaskState:
        return {**self.reach.reset(uniform), "turn": reach.chosen(self.turns, uniform[0])}

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        return {**self.reach.commands(state), "goal_quat": state["turn"]}

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        distance, turn = self.error(moment), self.turn(moment)
        moment = moment._replace(
            signals={**moment.signals, reach.DISTANCE: distance, TURN: turn},
        )
        speed = jnp.sqrt(jnp.sum(moment.signals["joint_vel"] ** 2))
        there = (distance < self.number("tolerance_m")) & (turn < self.number("tolerance_rad"))
        slow = speed < self.number("hold_speed_rad_s")
        held = jnp.where(there & slow, moment.state["held"] + 1, 0)
        terms = {name: term(self, moment) for name, term in TERMS.items()}
        judgement = Judgement(terms, jnp.zeros((), bool), held >= self.steps("hold_s"))
        return {**moment.state, "held": held}, judgement

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        return self.reach.start(uniform, home, state)

    @property
    def guesses(self) -> bool:
        return self.rate is not None

    def guess(self, seen: Signals) -> jax.Array:
        """Return the action (a,) that goes and turns straight to the goal."""
        assert self.rate is not None
        turn = quat_axes(seen["goal_quat"]) - self.axes(seen["joint_pos"])
        way = jnp.append(seen["ee_to_goal"], LEVER_M * turn)
        return self.rate.action(seen, way, seen["goal_pos"])

    def error(self, moment: Moment) -> jax.Array:
        """Return the distance from end effector to goal [m]."""
        return self.reach.error(moment)

    def turn(self, moment: Moment) -> jax.Array:
        """Return the angle from the end effector's orientation to the goal's [rad]."""
        left = turn_to(self.axes(moment.signals["joint_pos"]), moment.state["turn"])
        return jnp.arctan2(length(left[:3]), left[3])
