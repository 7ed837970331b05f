"""Wipe: the end effector goes to one end of a line and sweeps along it, point by point.

A task of your own is one file with one class. Try it, change it, train it:

    r2s task check samples/tasks/wipe.py:Wipe        # seconds: is it sound, can it be learnt?
    r2s build-scene --robot my_arm.urdf --task samples/tasks/wipe.py:Wipe
    r2s train

The file is all there is: it may import what is installed (numpy, jax, r2s), and no module beside it. Every
method works on one copy of the robot; r2s runs it for thousands at once, so numbers are JAX arrays, and
`if` becomes `jnp.where`. On the robot, your program gives `goal_pos`, the point to be at now, as this task
does here.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree

from r2s.core.errors import R2SError
from r2s.tasks.kinematics import chain_position
from r2s.tasks.resolved_rate import ResolvedRate
from r2s.tasks.task import (
    Bound,
    Draws,
    Judgement,
    action_rate,
    chosen,
    joint_limits,
    joint_speed,
)

POINTS = 5  # of a line
LENGTH_M = 0.12
KNOWN_WITHIN_M = 0.03  # a point of a line is free and in reach if a goal of the scene is so close


def approach(task, moment):
    """1 at the point to touch, 0 far away."""
    return 1.0 - jnp.tanh(task.error(moment) / 0.15)


def progress(task, moment):
    """Share of the line that is wiped, paid at every step: else touching a point, which moves the goal
    away and makes `approach` smaller, would be a loss, and the arm would learn to wait beside it."""
    return moment.state["touched"] / POINTS


TERMS = {
    "approach": approach,
    "progress": progress,
    "joint_speed": joint_speed,
    "action_rate": action_rate,
}


@dataclass(frozen=True)
class Wipe(Bound):
    # The built-in task whose scene this one plays in: its signals, goals, control rate, actions.
    like = "reach"
    # Your numbers; `r2s build-scene --parameters tolerance_m=0.02` changes one. `episode_s` must be there.
    parameters = {"episode_s": 5.0, "tolerance_m": 0.03, "start_joint_rad": 0.2}
    # Every reward term has a weight; `--weights progress=4` changes one.
    weights = {"approach": 1.0, "progress": 3.0, "joint_speed": -0.01, "action_rate": -0.05}

    # What `bind` makes of a scene, once.
    lines: np.ndarray  # (n, POINTS, 3) float32, metres, robot base frame
    tip: object  # joint positions -> end effector (3,), metres, robot base frame
    rate: object  # moves the end effector straight to a point

    @classmethod
    def bind(cls, spec, scene):
        """Lay lines through the scene's goals, each known to be free and in reach. Plain numpy."""
        goals = np.asarray(scene.goals)
        along = np.cross([0.0, 0.0, 1.0], goals)  # level, and across the arm
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        steps = np.linspace(-LENGTH_M / 2, LENGTH_M / 2, POINTS)
        lines = goals[:, None] + steps[:, None] * along[:, None]
        gaps, _ = cKDTree(goals).query(lines)  # (n, POINTS) metres to the nearest goal
        lines = lines[(gaps < KNOWN_WITHIN_M).all(axis=1)].astype(np.float32)
        if len(lines) == 0:
            reason = "no line of this scene is free and in reach"
            raise R2SError("MY-WIPE-001", reason, remedy="r2s build-scene --goals 3000")
        low, high = joint_limits(scene.info)
        tip = chain_position(scene.info.chain, scene.info.signal("joint_pos").elements)
        rate = ResolvedRate.of(scene, tip, goals)
        return cls(spec, scene.info.control_s, low, high, lines, tip, rate)

    @property
    def draws(self):
        """How many random numbers in [0, 1) `reset`, `start` and `advance` are given."""
        return Draws(reset=1, start=len(self.low), advance=0)

    def reset(self, uniform):
        """The memory of a new episode: which line, and how many of its points are done."""
        return {"line": chosen(self.lines, uniform[0]), "touched": jnp.zeros((), jnp.int32)}

    def commands(self, state):
        """What the robot is told: `goal_pos`, the next point of the line (in the end, the last)."""
        return {"goal_pos": state["line"][jnp.minimum(state["touched"], POINTS - 1)]}

    def advance(self, moment, uniform):
        """Judge one control step: the new memory, the reward terms, has it failed, is it done."""
        there = self.error(moment) < self.number("tolerance_m")
        touched = jnp.minimum(moment.state["touched"] + there, POINTS)
        terms = {name: term(self, moment) for name, term in TERMS.items()}
        never = jnp.zeros((), bool)
        return {**moment.state, "touched": touched}, Judgement(terms, never, touched == POINTS)

    def start(self, uniform, home, state):
        """Where the episode of memory `state` begins: near the home pose."""
        return self.near_home(uniform, home)

    # Optional: an action to begin with, of what the policy observes. Training imitates it first, so that
    # exploration starts from arms that arrive; without `guesses` it starts from arms that twitch.
    @property
    def guesses(self):
        return self.rate is not None

    def guess(self, seen):
        return self.rate.action(seen, seen["ee_to_goal"], seen["goal_pos"])

    def error(self, moment):
        """How far this moment is from what is wanted: metres to the next point."""
        gap = self.commands(moment.state)["goal_pos"] - self.tip(moment.signals["joint_pos"])
        return jnp.sqrt(jnp.sum(gap**2) + 1e-12)
