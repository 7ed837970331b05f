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
from r2s.tasks.task import Moment, RewardTerm, action_rate, joint_speed

NEAR_M = 0.02  # so near to where the thing is held, closing is worth something


def grasp(task: Pick, moment: Moment) -> jax.Array:
    """How far the gripper is told to close, with the thing between its fingers."""
    near = jnp.exp(-((moment.signals[WAY] / NEAR_M) ** 2))
    target = moment.signals["joint_target"][task.fingers]
    shut = (target - task.opened) / (task.closed - task.opened)
    return near * jnp.clip(jnp.mean(shut), 0.0, 1.0)


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

    def way(self, moment: Moment) -> jax.Array:
        """Return how far the end effector is from where it holds the thing [m]."""
        place = moment.signals["object_pos"] + self.above_m * self.up
        return length(place - self.tip(moment.signals["joint_pos"]))
