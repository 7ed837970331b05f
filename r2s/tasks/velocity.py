"""Velocity: a floating base follows commanded forward, sideways and turning speeds.

Success: the episode ends without a fall, and the episode's mean errors of the planar velocity [m/s]
and of the yaw rate [rad/s] are below their limits.

Nobody drives a robot into a wall: a command that would leave the free floor (the scene's spawns say where
that is) is turned inwards. Nor should they ask for what no robot can do: commands begin at rest and change at
most by `command_m_s2` and `command_rad_s2`, as navigation stacks and teleoperation nodes are set to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks.gait import Gait
from r2s.tasks.kinematics import heading, length, projected_gravity
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
    at_pose,
    chosen,
    home_joints,
    joint_limits,
    joint_speed,
)

NEEDED = ("joint_pos", "joint_vel", "base_quat", "base_lin_vel", "base_ang_vel", "base_height")
GAIT = "gait_phase"
COMMAND_DRAWS = 4  # three speeds and whether to stand
LOOK_AHEAD_S = 0.6  # how far ahead a command has to stay on the free floor
# A place is free within so many of the spawns' usual distances of one of them, and at least this near.
FREE_SPACINGS, FREE_LEAST_M = 3.0, 0.1
INWARDS_M = 0.5  # within about this distance the spawns' balance says where inwards is
# A reward falls to 1/e at so many times the error that is still a success. A peak and not the usual bell:
# a trot that begins near its command would feel little of what is left.
PEAK_WIDTH = 2.0


def track_linear(task: Velocity, moment: Moment) -> jax.Array:
    """A peak at no planar velocity error."""
    return jnp.exp(-task.error(moment) / (PEAK_WIDTH * task.number("success_error_m_s")))


def track_angular(task: Velocity, moment: Moment) -> jax.Array:
    """A peak at no yaw rate error."""
    return jnp.exp(-task.angular_error(moment) / (PEAK_WIDTH * task.number("success_error_rad_s")))


def vertical_speed(task: Velocity, moment: Moment) -> jax.Array:
    """Squared vertical speed of the base [m^2/s^2]."""
    return moment.signals["base_lin_vel"][2] ** 2


def roll_pitch_rate(task: Velocity, moment: Moment) -> jax.Array:
    """Squared roll and pitch rates [rad^2/s^2]."""
    return jnp.sum(moment.signals["base_ang_vel"][:2] ** 2)


def tilt(task: Velocity, moment: Moment) -> jax.Array:
    """Squared sine of the base's tilt."""
    return jnp.sum(projected_gravity(moment.signals["base_quat"])[:2] ** 2)


def height(task: Velocity, moment: Moment) -> jax.Array:
    """Squared distance from the height of the home pose [m^2]."""
    return (moment.signals["base_height"][0] - task.home_height_m) ** 2


def posture(task: Velocity, moment: Moment) -> jax.Array:
    """Squared distance of the joints from home [rad^2]."""
    return jnp.sum((moment.signals["joint_pos"] - task.home_joints) ** 2)


def alive(task: Velocity, moment: Moment) -> jax.Array:
    """1: not having fallen is worth something."""
    return jnp.ones(())


TERMS: dict[str, RewardTerm] = {
    "track_linear": track_linear,
    "track_angular": track_angular,
    "vertical_speed": vertical_speed,
    "roll_pitch_rate": roll_pitch_rate,
    "tilt": tilt,
    "height": height,
    "action_rate": action_rate,
    "joint_speed": joint_speed,
    "posture": posture,
    "alive": alive,
}


@dataclass(frozen=True)
class Velocity(Bound):
    spawns: np.ndarray  # (m, 3) float32: x, y [m], yaw [rad], world frame
    free_m: float  # how near a spawn the floor counts as free
    home_height_m: float
    home_joints: np.ndarray  # in the order of `joint_pos`
    action_scale: np.ndarray
    gait: Callable[[], Gait | None]  # of legs whose clock the policy sees; found when asked for

    @classmethod
    def bind(cls, spec: TaskSpec, scene: Scene) -> Velocity:
        """Return the task on a scene.

        Raises:
            R2SError: the base is fixed or a signal is missing (`R2S-TASK-006`).
        """
        info = scene.info
        names = {signal.name for signal in info.signals}
        missing = [name for name in NEEDED if name not in names]
        if info.robot.base != "floating" or missing:
            raise R2SError(
                "R2S-TASK-006",
                f"{info.robot.name} cannot follow velocity commands in this scene",
                where=f"base is {info.robot.base}; missing signals: {missing or 'none'}",
                why="the task judges the speed, tilt and height of a floating base",
                remedy="r2s build-scene --task reach",
            )
        low, high = joint_limits(info)
        spawns = np.asarray(scene.spawns, np.float32)
        return cls(
            spec,
            info.control_s,
            low,
            high,
            spawns,
            max(FREE_LEAST_M, FREE_SPACINGS * spacing_m(spawns[:, :2])),
            info.robot.base_height_m,
            home_joints(info),
            np.asarray(info.actions.scale, np.float32),
            cache(partial(_gait, scene)),
        )

    @property
    def draws(self) -> Draws:
        return Draws(reset=COMMAND_DRAWS, start=1 + len(self.low), advance=COMMAND_DRAWS)

    def reset(self, uniform: jax.Array) -> TaskState:
        zero = jnp.zeros(())
        return {
            "wanted": self.wanted(uniform),
            "command": jnp.zeros(3),
            "age": jnp.zeros((), jnp.int32),
            "linear_error": zero,
            "angular_error": zero,
        }

    def wanted(self, uniform: jax.Array) -> jax.Array:
        """Return new speeds (3,): forward, sideways [m/s], yaw rate [rad/s]; sometimes to stand."""
        scale = jnp.array(
            [self.number("forward_m_s"), self.number("sideways_m_s"), self.number("yaw_rad_s")],
            jnp.float32,
        )
        moving = uniform[3] >= self.number("standing_fraction")
        return (2.0 * uniform[:3] - 1.0) * scale * moving

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        return {"command_velocity": state["command"]}

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        state, age = moment.state, moment.state["age"] + 1
        linear = state["linear_error"] + self.error(moment)
        angular = state["angular_error"] + self.angular_error(moment)
        renew = age % self.steps("command_s") == 0
        fallen = self.fallen(moment)
        good = (linear / age < self.number("success_error_m_s")) & (
            angular / age < self.number("success_error_rad_s")
        )
        terms = {name: term(self, moment) for name, term in TERMS.items()}
        wanted = jnp.where(renew, self.wanted(uniform), state["wanted"])
        if len(self.spawns):
            wanted = self.within_free(wanted, moment)
        most = self.control_s * jnp.array(
            [*2 * [self.number("command_m_s2")], self.number("command_rad_s2")], jnp.float32
        )
        after = {
            "wanted": wanted,
            "command": state["command"] + jnp.clip(wanted - state["command"], -most, most),
            "age": age,
            "linear_error": linear,
            "angular_error": angular,
        }
        return after, Judgement(terms, fallen, good & ~fallen)

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        start = self.near_home(uniform[1:], home)
        return at_pose(start, chosen(self.spawns, uniform[0])) if len(self.spawns) else start

    @property
    def guesses(self) -> bool:
        return self.gait() is not None

    def guess(self, seen: Signals) -> jax.Array:
        """Return the open loop of the gait (a,)."""
        gait = self.gait()
        assert gait is not None
        joints = gait.joints(seen[GAIT], seen["command_velocity"])
        return jnp.clip(joints / self.action_scale, -1.0, 1.0)

    def within_free(self, command: jax.Array, moment: Moment) -> jax.Array:
        """Return the command (3,), its planar part turned inwards where it leaves the free floor."""
        _, x, y = moment.signals["base_height"]
        forward, sideways = heading(moment.signals["base_quat"])
        here, free = jnp.stack([x, y]), jnp.asarray(self.spawns[:, :2])
        ahead = here + LOOK_AHEAD_S * (command[0] * forward + command[1] * sideways)
        leaves = jnp.min(jnp.sum((free - ahead) ** 2, axis=1)) > self.free_m**2
        gap = free - here
        weight = jnp.exp(-0.5 * jnp.sum(gap**2, axis=1) / INWARDS_M**2) + 1e-12
        inwards = jnp.sum(weight[:, None] * gap, axis=0)
        inwards = inwards / jnp.maximum(jnp.sqrt(jnp.sum(inwards**2)), 1e-6)
        speed = jnp.sqrt(jnp.sum(command[:2] ** 2))
        limit = jnp.array([self.number("forward_m_s"), self.number("sideways_m_s")])
        turned = speed * jnp.stack([jnp.sum(inwards * forward), jnp.sum(inwards * sideways)])
        planar = jnp.where(leaves, jnp.clip(turned, -limit, limit), command[:2])
        return jnp.append(planar, command[2])

    def error(self, moment: Moment) -> jax.Array:
        """Return the planar velocity error [m/s], base frame."""
        return length(moment.state["command"][:2] - moment.signals["base_lin_vel"][:2])

    def angular_error(self, moment: Moment) -> jax.Array:
        """Return the yaw rate error [rad/s]."""
        return jnp.abs(moment.state["command"][2] - moment.signals["base_ang_vel"][2])

    def fallen(self, moment: Moment) -> jax.Array:
        """Is the base too low or too tilted to recover?"""
        low = moment.signals["base_height"][0] < (
            self.number("minimum_height_fraction") * self.home_height_m
        )
        upright = -projected_gravity(moment.signals["base_quat"])[2]
        return low | (upright < jnp.cos(self.number("maximum_tilt_rad")))


def _gait(scene: Scene) -> Gait | None:
    info = scene.info
    return Gait.of(scene, info.signal(GAIT).period_s) if GAIT in info.observations else None


def spacing_m(xy: np.ndarray) -> float:
    """Return the median distance of points (m, 2) to their nearest neighbour; 0 for fewer than two."""
    from scipy.spatial import KDTree

    if len(xy) < 2:
        return 0.0
    return float(np.median(KDTree(xy).query(xy, k=2)[0][:, 1]))
