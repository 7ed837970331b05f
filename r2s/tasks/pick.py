"""Pick: take hold of a thing of the place with the gripper and lift it.

Success: at the end of the episode the thing has been within `tolerance_m` of its goal, `lift_m` above where
it stood, and slower than `hold_speed_m_s`, for the last `hold_s` without a break. An episode in which it
falls off its support is over; it may turn between the fingers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.tasks.kinematics import length
from r2s.tasks.moving import DISTANCE, WAY, Moving, approach, precision, stillness
from r2s.tasks.task import Moment, RewardTerm, Signals, action_rate, joint_speed

NEAR_M = 0.02  # so near to where the thing is held, closing is worth something
SHUT = 0.5  # the first guess lifts once the fingers are told to close so far


def grasp(task: Pick, moment: Moment) -> jax.Array:
    """How far the gripper is told to close, with the thing between its fingers."""
    near = jnp.exp(-((moment.signals[WAY] / NEAR_M) ** 2))
    shut = jnp.mean(task.shut(moment.signals["joint_target"]))
    return near * jnp.clip(shut, 0.0, 1.0)


def progress(task: Pick, moment: Moment) -> jax.Array:
    """1 with the thing at its goal, 0 where it stood."""
    return jnp.clip(1.0 - moment.signals[DISTANCE] / task.number("lift_m"), 0.0, 1.0)


TERMS: dict[str, RewardTerm] = {
    "approach": approach,
    "grasp": grasp,
    "progress": progress,
    "precision": precision,
    "stillness": stillness,
    "joint_speed": joint_speed,
    "action_rate": action_rate,
}


@dataclass(frozen=True)
class Pick(Moving):
    """Attributes:
    fingers: rows of the gripper's joints among the action's.
    opened, closed: their positions around the thing, and at the end of their way [rad or m].
    """

    TERMS: ClassVar[Mapping[str, RewardTerm]] = TERMS

    fingers: np.ndarray
    opened: np.ndarray
    closed: np.ndarray

    @classmethod
    def learnt(cls, scene: Scene, hands: np.ndarray) -> dict[str, Any]:
        actions = scene.info.actions
        fingers = np.flatnonzero([name in scene.info.robot.gripper for name in actions.joints])
        opened = np.asarray(scene.goal_configurations, np.float32)[0, fingers]
        low, high = (np.asarray(end, np.float32)[fingers] for end in (actions.low, actions.high))
        # The end of the way that is farther from open is where they meet.
        closed = np.where(high - opened > opened - low, high, low)
        return {"fingers": fingers, "opened": opened, "closed": closed}

    def place(self, thing: jax.Array, to_goal: jax.Array, tip: jax.Array) -> jax.Array:
        """Return where the end effector holds the thing (3,) [m]."""
        return thing + self.above_m * self.up

    def guess(self, seen: Signals) -> jax.Array:
        """Return the action (a,) that comes down on the thing, closes and, closed around it, lifts."""
        assert self.rate is not None
        thing, to_goal = seen["object_pos"], seen["object_to_goal"]
        tip = thing - seen["ee_to_object"]
        way = self.place(thing, to_goal, tip) - tip
        near = length(way) < NEAR_M
        shut = jnp.mean(self.shut(seen["joint_target"])) > SHUT
        holds = shut & (length(way) < 2 * NEAR_M)
        down = self.over(way, length(self.flat(way)))
        action = self.rate.action(seen, jnp.where(holds, to_goal, down), thing)
        closing = jnp.sign(self.closed - self.opened) * jnp.where(near | holds, 1.0, -1.0)
        return action.at[self.fingers].set(closing)

    def shut(self, targets: jax.Array) -> jax.Array:
        """Return how far the fingers (f,) are told to close (0 open, 1 shut), of targets (a,)."""
        return (targets[self.fingers] - self.opened) / (self.closed - self.opened)
