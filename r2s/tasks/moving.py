"""What tasks that move a thing of the place share: its start, its goal, when it is there, when it is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.tasks.kinematics import chain_position, length
from r2s.tasks.resolved_rate import ResolvedRate
from r2s.tasks.task import (
    Bound,
    Draws,
    Judgement,
    Moment,
    RewardTerm,
    Start,
    TaskState,
    chosen,
    home_joints,
    joint_limits,
    known_joints,
    upright_at,
)

NEEDED = ("joint_pos", "joint_vel", "object_pos", "object_vel", "object_up")
# [m], added to a moment's signals once, for all terms: from thing to goal; from the end effector to where it
# has to be to move the thing.
DISTANCE, WAY = "goal_distance", "way_to_thing"
CLOSE_M = 0.05  # the last of that way has a slope of its own
# The first guess comes from ABOVE_M over its place, STEEP times as high as it is aside by more than BESIDE_M.
ABOVE_M, STEEP, BESIDE_M = 0.12, 4.0, 0.01


def approach(task: Moving, moment: Moment) -> jax.Array:
    """1 with the end effector where it moves the thing; half of it for the way there, half for its end."""
    way = moment.signals[WAY]
    return 1.0 - 0.5 * (jnp.tanh(way / task.far_m) + jnp.tanh(way / CLOSE_M))


def precision(task: Moving, moment: Moment) -> jax.Array:
    """A bell of the tolerance's width: what makes the last centimetres worth it."""
    return jnp.exp(-((moment.signals[DISTANCE] / task.number("tolerance_m")) ** 2))


def stillness(task: Moving, moment: Moment) -> jax.Array:
    """The success event, softened: the thing at its goal, and slow."""
    speed = jnp.sum(moment.signals["object_vel"] ** 2) / task.number("hold_speed_m_s") ** 2
    return precision(task, moment) * jnp.exp(-speed)


@dataclass(frozen=True)
class Moving(Bound):
    """Attributes:
    goals: (n, 3) float32, metres, robot base frame: where the thing's centre of mass shall go.
    starts: (n, 3) float32: its x, y [m], yaw [rad] in the world; one for each goal.
    tip: joint positions of `joint_pos` -> (3,) metres, robot base frame.
    up: (3,) float32: the world's up in the robot base frame.
    far_m: how far the things are from the end effector at home, on average.
    above_m: how much higher than a thing's centre of mass the end effector is, ready to move it.
    rate: moves the end effector straight to a place, or None.
    """

    TERMS: ClassVar[Mapping[str, RewardTerm]] = {}

    goals: np.ndarray
    starts: np.ndarray
    tip: Callable[[jax.Array], jax.Array]
    up: np.ndarray
    far_m: float
    above_m: float
    rate: ResolvedRate | None

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Self:
        """Return the task on a scene.

        Raises:
            R2SError: the scene has nothing to move, or no starts and goals for it (`R2S-TASK-040`).
        """
        info = scene.info
        names = {signal.name for signal in info.signals}
        missing = [name for name in NEEDED if name not in names]
        pairs = min(len(scene.goals), len(scene.spawns), len(scene.goal_configurations))
        if info.chain is None or not info.thing or missing or not pairs:
            raise R2SError(
                "R2S-TASK-040",
                f"this scene has nothing that {info.robot.name} could {spec.name}",
                where=f"thing: {info.thing or 'none'}; starts with a goal: {pairs}; "
                f"missing signals: {', '.join(missing) or 'none'}",
                why=f"{spec.name} needs a free thing, where it starts, and where it shall go",
                remedy=f"r2s build-scene --task {spec.name}",
            )
        low, high = joint_limits(info)
        tip = chain_position(info.chain, info.signal("joint_pos").elements)
        up = np.asarray(quat_to_matrix(info.base_quaternion).T @ [0, 0, 1], np.float32)
        goals, starts = (np.asarray(each, np.float32) for each in (scene.goals, scene.spawns))
        at_home = np.asarray(tip(jnp.asarray(home_joints(info))))
        far_m = float(np.mean(np.linalg.norm(goals - at_home, axis=1)))
        # The end effector at the things, and these where they stand, in the world.
        hands = info.to_world(np.asarray(jax.lax.map(tip, jnp.asarray(known_joints(scene)))))
        lift_m = spec.parameters.get("lift_m", 0.0)
        lifted = info.to_world(goals)[:, 2] - lift_m
        above_m = float(np.median(hands[:, 2] - lifted))
        things = goals - lift_m * up
        rate = ResolvedRate.of(scene, tip, things)
        shared = (spec, info.control_s, low, high, goals, starts, tip, up, far_m, above_m, rate)
        return cls(*shared, **cls.learnt(scene, hands))

    @classmethod
    def learnt(cls, scene: Scene, hands: np.ndarray) -> dict[str, Any]:
        """Return the task's own attributes.

        Args:
            hands: (n, 3) metres, world frame: the end effector where the scene has it ready at each start.
        """
        return {}

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
        seen = {**signals, DISTANCE: distance, WAY: self.way(moment)}
        moment = moment._replace(signals=seen)
        there = (distance < self.number("tolerance_m")) & (speed < self.number("hold_speed_m_s"))
        held = jnp.where(there, state["held"] + 1, 0)
        lost, terms = self.lost(moment), {n: term(self, moment) for n, term in self.TERMS.items()}
        judgement = Judgement(terms, lost, (held >= self.steps("hold_s")) & ~lost)
        return {**state, "held": held}, judgement

    def way(self, moment: Moment) -> jax.Array:
        """Return how far the end effector is from where it moves the thing [m]."""
        thing, tip = moment.signals["object_pos"], self.tip(moment.signals["joint_pos"])
        return length(self.place(thing, self.to_goal(moment), tip) - tip)

    def place(self, thing: jax.Array, to_goal: jax.Array, tip: jax.Array) -> jax.Array:
        """Return where the end effector at `tip` has to be to move the thing; all (3,) [m]."""
        raise NotImplementedError

    def over(self, way: jax.Array, aside: jax.Array) -> jax.Array:
        """Return the way (3,) to a place, from above as long as the end effector is `aside` [m]."""
        rise = jnp.minimum(STEEP * jnp.maximum(aside - BESIDE_M, 0.0), ABOVE_M)
        return way + rise * self.up

    def flat(self, vector: jax.Array) -> jax.Array:
        """Return a vector (3,) of the base frame without its height."""
        return vector - self.up * jnp.sum(vector * self.up)

    @property
    def guesses(self) -> bool:
        return self.rate is not None

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        return self.near_home(uniform, home)

    def thing(self, state: TaskState, home: jax.Array) -> jax.Array:
        return upright_at(jnp.asarray(self.starts)[state["row"]], home)

    def elsewhere(self, state: TaskState, uniform: jax.Array, known: np.ndarray) -> jax.Array:
        return jnp.asarray(known)[state["row"]]  # at this thing; at another it may be inside

    def error(self, moment: Moment) -> jax.Array:
        """Return the distance from thing to goal [m]."""
        return length(self.to_goal(moment))

    def to_goal(self, moment: Moment) -> jax.Array:
        """Return the vector (3,) from thing to goal [m]."""
        return moment.state["goal"] - moment.signals["object_pos"]

    def lost(self, moment: Moment) -> jax.Array:
        """Has the thing dropped off what it stood on?"""
        return self.drop(moment) > self.number("fallen_m")

    def drop(self, moment: Moment) -> jax.Array:
        """Return how far the thing is below where it stood [m]."""
        below = jnp.sum((moment.state["goal"] - moment.signals["object_pos"]) * self.up)
        return below - self.spec.parameters.get("lift_m", 0.0)
