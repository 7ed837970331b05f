"""Navigate: a base on wheels drives to a goal on the floor of the place, seeing with a laser scanner.

Success: at the end of the episode the base has been within `tolerance_m` of the goal, slower than
`hold_speed_m_s`, for the last `hold_s` without a break. Touching anything but the floor ends the episode.

Row i of the scene's goals belongs to row i of its spawns: a route, known to be drivable.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks.kinematics import base_to_goal, length, seen_ranges
from r2s.tasks.task import (
    Bound,
    Draws,
    Judgement,
    Moment,
    RewardTerm,
    Start,
    TaskState,
    action_rate,
    at_pose,
    chosen,
    joint_limits,
)

NEEDED = ("joint_vel", "base_pos", "base_quat", "base_lin_vel", "laser_ranges", "bumps")
AHEAD = "goal_ahead"  # (2,) [m], added to a moment's signals once, for all terms


def progress(task: Navigate, moment: Moment) -> jax.Array:
    """Speed towards the goal [m/s]: over an episode, the metres gained."""
    return (moment.state["distance"] - gap(moment)) / task.control_s


def arrival(task: Navigate, moment: Moment) -> jax.Array:
    """A bell of the tolerance's width: being there is worth more than passing by."""
    return jnp.exp(-((gap(moment) / task.number("tolerance_m")) ** 2))


def stillness(task: Navigate, moment: Moment) -> jax.Array:
    """The success event, softened: at the goal and slow."""
    slowness = (speed(moment) / task.number("hold_speed_m_s")) ** 2
    return arrival(task, moment) * jnp.exp(-slowness)


def heading(task: Navigate, moment: Moment) -> jax.Array:
    """Cosine of the goal's bearing, 0 once there: what is ahead is what can be driven to."""
    away = 1.0 - arrival(task, moment)
    return away * moment.signals[AHEAD][0] / jnp.maximum(gap(moment), 1e-3)


def closeness(task: Navigate, moment: Moment) -> jax.Array:
    """0 with the margin kept all around, 1 where a ray is down to the base's radius."""
    nearest = jnp.min(seen_ranges(moment.signals["laser_ranges"])) - task.radius_m
    return jnp.clip(1.0 - nearest / task.number("margin_m"), 0.0, 1.0)


def collision(task: Navigate, moment: Moment) -> jax.Array:
    """1 in the step that touches something; it is the last."""
    return jnp.float32(touching(moment))


TERMS: dict[str, RewardTerm] = {
    "progress": progress,
    "arrival": arrival,
    "stillness": stillness,
    "heading": heading,
    "closeness": closeness,
    "collision": collision,
    "action_rate": action_rate,
}


def gap(moment: Moment) -> jax.Array:
    """Return the distance to the goal [m]."""
    return length(moment.signals[AHEAD])


def speed(moment: Moment) -> jax.Array:
    """Return the base's speed along the floor [m/s]."""
    return length(moment.signals["base_lin_vel"][:2])


def touching(moment: Moment) -> jax.Array:
    """Does the robot touch anything above the floor?"""
    return moment.signals["bumps"][0] > 0


@dataclass(frozen=True)
class Navigate(Bound):
    starts: np.ndarray  # (n, 3) float32: x, y [m], yaw [rad], world frame
    goals: np.ndarray  # (n, 2) float32: x, y [m], world frame; of the start in the same row
    radius_m: float  # of the base

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Navigate:
        """Return the task on a scene.

        Raises:
            R2SError: signals are missing, or the scene has no routes (`R2S-TASK-050`).
        """
        info = scene.info
        names = {signal.name for signal in info.signals}
        missing = [name for name in NEEDED if name not in names]
        routes = len(scene.goals) if len(scene.goals) == len(scene.spawns) else 0
        if missing or not routes:
            raise R2SError(
                "R2S-TASK-050",
                f"{info.robot.name} cannot navigate in this scene",
                where=f"missing signals: {', '.join(missing) or 'none'}; routes: {routes}",
                why="the task drives a base from a start to its goal and judges what it touches",
                remedy="r2s build-scene --task navigate",
            )
        low, high = joint_limits(info)
        starts = np.asarray(scene.spawns, np.float32)
        goals = info.to_world(scene.goals)[:, :2].astype(np.float32)
        return cls(spec, info.control_s, low, high, starts, goals, info.robot.base_radius_m)

    @property
    def draws(self) -> Draws:
        return Draws(reset=1, start=0, advance=0)

    def reset(self, uniform: jax.Array) -> TaskState:
        route = chosen(np.concatenate([self.starts, self.goals], axis=1), uniform[0])
        start, goal = route[:3], route[3:]
        return {
            "start": start,
            "goal": goal,
            "distance": jnp.sqrt(jnp.sum((goal - start[:2]) ** 2)),
            "held": jnp.zeros((), jnp.int32),
        }

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        return {"goal_pos": state["goal"]}

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        moment = moment._replace(signals={**moment.signals, AHEAD: self.ahead(moment)})
        slow = speed(moment) < self.number("hold_speed_m_s")
        there = (gap(moment) < self.number("tolerance_m")) & slow
        held = jnp.where(there, moment.state["held"] + 1, 0)
        terms = {name: term(self, moment) for name, term in TERMS.items()}
        ended = touching(moment)
        judgement = Judgement(terms, ended, (held >= self.steps("hold_s")) & ~ended)
        return {**moment.state, "distance": gap(moment), "held": held}, judgement

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        return at_pose(home, state["start"])

    def error(self, moment: Moment) -> jax.Array:
        """Return the distance from base to goal [m]."""
        return length(self.ahead(moment))

    def ahead(self, moment: Moment) -> jax.Array:
        """Return the goal (2,) [m] ahead and to the left of the base."""
        signals = moment.signals
        return base_to_goal(signals["base_pos"], signals["base_quat"], moment.state["goal"])
