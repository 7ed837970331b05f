"""Push: bring a thing of the place to a goal on what it stands on, and leave it there.

Success: at the end of the episode the thing has been within `tolerance_m` of its goal in the plane, and
slower than `hold_speed_m_s`, for the last `hold_s` without a break. An episode in which it falls off its
support or topples is over.
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
from r2s.tasks.moving import DISTANCE, Moving, approach, precision, stillness
from r2s.tasks.task import Moment, RewardTerm, Signals, action_rate, joint_speed

# Once behind the thing, that place is so much nearer to it than a scene proves to be free: who goes there
# pushes. Seen from the side it is off the thing, and above it by as much as it is off: the way there would
# push the thing aside, and an arm that has come down beside it finds no way around.
PRESS_M = 0.05
DOWN_M = 0.03  # so high above that place it is not behind the thing yet, and would come down on it


def behind(task: Push, moment: Moment) -> jax.Array:
    """1 with the end effector behind the thing as seen from the goal, or with the thing at the goal."""
    arrived = moment.signals[DISTANCE] < task.number("tolerance_m")
    return jnp.where(arrived, 1.0, approach(task, moment))


def progress(task: Push, moment: Moment) -> jax.Array:
    """1 with the thing at the goal, 0 far away, with a slope over the longest push."""
    return 1.0 - jnp.tanh(2.0 * moment.signals[DISTANCE] / task.number("most_push_m"))


TERMS: dict[str, RewardTerm] = {
    "approach": behind,
    "progress": progress,
    "precision": precision,
    "stillness": stillness,
    "joint_speed": joint_speed,
    "action_rate": action_rate,
}


@dataclass(frozen=True)
class Push(Moving):
    """Attributes:
    standoff_m: from the thing's centre of mass to where the end effector is behind it, in the plane.
    """

    TERMS: ClassVar[Mapping[str, RewardTerm]] = TERMS

    standoff_m: float

    @classmethod
    def learnt(cls, scene: Scene, hands: np.ndarray) -> dict[str, Any]:
        return {
            "standoff_m": float(np.median(np.linalg.norm((hands - scene.spawns)[:, :2], axis=1)))
        }

    def to_goal(self, moment: Moment) -> jax.Array:
        """Return the vector (3,) from thing to goal, without its height [m]."""
        return self.flat(moment.state["goal"] - moment.signals["object_pos"])

    def place(self, thing: jax.Array, to_goal: jax.Array, tip: jax.Array) -> jax.Array:
        """Return the place (3,) behind the thing [m]."""
        ahead, forth = self.flat(thing - tip), to_goal / length(to_goal)
        aligned = jnp.maximum(jnp.sum(ahead * forth) / length(ahead), 0.0)
        high = jnp.sum((tip - thing) * self.up) - self.above_m
        low = jnp.clip(1.0 - high / DOWN_M, 0.0, 1.0)
        off = jnp.maximum(self.standoff_m - PRESS_M * aligned * low, 0.0)
        rise = self.above_m + self.standoff_m * (1.0 - aligned)
        return thing - off * forth + rise * self.up

    def guess(self, seen: Signals) -> jax.Array:
        """Return the action (a,) that goes behind the thing and through it, until that is at the goal."""
        assert self.rate is not None
        thing, to_goal = seen["object_pos"], self.flat(seen["object_to_goal"])
        tip = thing - seen["ee_to_object"]
        way = self.place(thing, to_goal, tip) - tip
        along, forth = self.flat(way), to_goal / length(to_goal)
        ahead = jnp.sum(along * forth)
        aside = length(along - ahead * forth) + jnp.maximum(-ahead, 0.0)
        left = length(to_goal) > self.number("tolerance_m") / 2
        return left * self.rate.action(seen, self.over(way, aside), thing)

    def lost(self, moment: Moment) -> jax.Array:
        """Has the thing dropped off what it stood on, or toppled?"""
        leant = moment.signals["object_up"][2] < jnp.cos(self.number("toppled_rad"))
        return super().lost(moment) | leant
