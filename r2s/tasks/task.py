"""What a task is: pure functions of true signals, bound to one scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene, SceneInfo, TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks import kinematics
from r2s.tasks.specs import default_spec, task_kind

Signals = Mapping[str, jax.Array]  # signal name -> (width,), one copy
TaskState = dict[str, jax.Array]
TIP, TURN = "ee_pos", "ee_turn_to_goal"  # from the joints along the chain
# Vectors from one point to another; `r2s.edge.contract` has the same.
BETWEEN = {
    "ee_to_goal": (TIP, "goal_pos"),
    "ee_to_object": (TIP, "object_pos"),
    "object_to_goal": ("object_pos", "goal_pos"),
}


class Moment(NamedTuple):
    """What a reward term may look at, for one copy at one control step.

    Attributes:
        signals: true values after the step: sensors, `joint_target`, `last_action`, the task's commands
            and everything derived from them without noise.
        action: (a,) the applied action in [-1, 1]; `previous_action` is the one before.
        state: the task's own memory.
    """

    signals: Signals
    action: jax.Array
    previous_action: jax.Array
    state: TaskState


class Judgement(NamedTuple):
    """What the task says of one control step.

    Attributes:
        terms: reward term name to unweighted value.
        terminated: the episode cannot go on (a fall); its future is worth nothing.
        success: would the episode be a success if it ended now?
    """

    terms: dict[str, jax.Array]
    terminated: jax.Array
    success: jax.Array


class Task(Protocol):
    """A task bound to a scene. Every method is pure and works on one copy; callers `vmap`.

    Chance comes in as uniform numbers in [0, 1), so that one draw per control step serves a whole
    batch: every call of a JAX generator costs about a second of compile time on a CPU.
    """

    @property
    def spec(self) -> TaskSpec:
        """Its numbers, defaults included."""
        ...

    @property
    def control_s(self) -> float:
        """Control period [s]."""
        ...

    @property
    def draws(self) -> Draws:
        """How many uniform numbers `reset`, `start` and `advance` take."""
        ...

    @property
    def episode_steps(self) -> int:
        """Control steps after which an episode ends."""
        ...

    def reset(self, uniform: jax.Array) -> TaskState:
        """Return the memory of a new episode (goal, command, counters)."""
        ...

    def commands(self, state: TaskState) -> dict[str, jax.Array]:
        """Return the signals that the task itself provides (`goal_pos`, `command_velocity`)."""
        ...

    def advance(self, moment: Moment, uniform: jax.Array) -> tuple[TaskState, Judgement]:
        """Judge one control step and return the new memory."""
        ...

    def start(self, uniform: jax.Array, home: Start, state: TaskState) -> Start:
        """Return where the new episode of memory `state` begins, from the home pose."""
        ...

    def thing(self, state: TaskState, home: jax.Array) -> jax.Array:
        """Return where the thing that the task moves begins: (7,) position [m] and wxyz, world frame."""
        ...

    def elsewhere(self, state: TaskState, uniform: jax.Array, known: np.ndarray) -> jax.Array:
        """Return a configuration (a,) of the (n, a) `known` ones that an episode may also begin in."""
        ...

    def error(self, moment: Moment) -> jax.Array:
        """Return how far this moment is from what is wanted, in the task's own unit."""
        ...

    @property
    def guesses(self) -> bool:
        """Whether it has a first `guess`."""
        ...

    def guess(self, seen: Signals) -> jax.Array:
        """Return an action (a,) to begin with, of what the policy observes: training starts from it."""
        ...


class Draws(NamedTuple):
    """Numbers of uniform draws a task takes where."""

    reset: int
    start: int
    advance: int


class Start(NamedTuple):
    """Attributes:
    joints: (a,) positions of the action's joints [rad or m]; they are at rest.
    base: (7,) position [m] and wxyz of a floating base in the world, ignored for a fixed one.
    """

    joints: jax.Array
    base: jax.Array


RewardTerm = Callable[[Any, Moment], jax.Array]


@dataclass(frozen=True)
class Bound:
    """What every task keeps of its scene."""

    spec: TaskSpec
    control_s: float
    low: np.ndarray  # (a,) limits of the action's joints
    high: np.ndarray

    def number(self, name: str) -> float:
        return self.spec.parameters[name]

    def steps(self, name: str) -> int:
        """Return the parameter `name` [s] in control steps, at least one."""
        return max(1, round(self.number(name) / self.control_s))

    @property
    def episode_steps(self) -> int:
        return self.steps("episode_s")

    def near_home(self, uniform: jax.Array, home: Start) -> Start:
        """Return the start with its joints at most `start_joint_rad` from home, inside the limits."""
        spread = self.number("start_joint_rad")
        joints = jittered_joints(uniform, home.joints, spread, self.low, self.high)
        return home._replace(joints=joints)

    def thing(self, state: TaskState, home: jax.Array) -> jax.Array:
        return home

    def elsewhere(self, state: TaskState, uniform: jax.Array, known: np.ndarray) -> jax.Array:
        return chosen(known, uniform)

    @property
    def guesses(self) -> bool:
        return False

    def guess(self, seen: Signals) -> jax.Array:
        raise NotImplementedError


def merged(spec: TaskSpec) -> TaskSpec:
    """Return `spec` completed with its task's defaults; a user's own task has none elsewhere.

    Raises:
        UsageError: no such task (`R2S-TASK-001`).
        R2SError: a parameter or weight the task does not know (`R2S-TASK-002`).
    """
    if spec.code:
        return spec
    defaults = default_spec(spec.name)
    for kind in ("parameters", "weights"):
        known = getattr(defaults, kind)
        unknown = sorted(set(getattr(spec, kind)) - set(known))
        if unknown:
            raise R2SError(
                "R2S-TASK-002",
                f"task {spec.name} has no {kind} called {', '.join(unknown)}",
                where=f"task {spec.name}",
                why="a misspelt number would silently do nothing",
                remedy=f"use one of: {', '.join(sorted(known))}",
            )
    return TaskSpec(
        name=spec.name,
        parameters={**defaults.parameters, **spec.parameters},
        weights={**defaults.weights, **spec.weights},
    )


def bind(scene: Scene) -> Task:
    """Return the scene's task.

    Raises:
        UsageError: no such task (`R2S-TASK-001`).
        UnsafeInput: it is a user's own, and nobody here trusts its code (`R2S-TASK-029`).
        R2SError: the scene lacks what the task needs, or a user's task is not one (see `user`, `shapes`).
    """
    spec = merged(scene.info.task)
    if spec.code:
        return _bind_own(spec, scene)
    module, name = task_kind(spec.name).code.split(":")
    return getattr(import_module(module), name).bind(spec, scene)


def _bind_own(spec: TaskSpec, scene: Scene) -> Task:
    from r2s.tasks.shapes import checked
    from r2s.tasks.user import loaded, running, task_in

    user = task_in(scene)
    cls: Any = loaded(user)
    with running(user, "bind"):
        bound = cls.bind(spec, scene)
    return checked(bound, user, scene)


def derive(info: SceneInfo, names: Sequence[str]) -> Callable[[Signals], dict[str, jax.Array]]:
    """Return f: signals of one copy -> the same signals and the derived ones among `names`.

    Fed with true signals it gives truth; fed with measured ones, the robot's own view.

    Raises:
        R2SError: a derivation that this scene cannot compute (`R2S-TASK-004`).
    """
    wanted = [s for s in info.signals if s.kind == "derived" and s.name in names]
    along_chain = [
        s
        for s in wanted
        if TIP in BETWEEN.get(s.derivation, (s.derivation,)) or s.derivation == TURN
    ]
    for signal in along_chain:
        if info.chain is None:
            raise R2SError(
                "R2S-TASK-004",
                f"signal {signal.name} is derived by {signal.derivation!r} along a chain there is not",
                where=f"scene of robot {info.robot.name}",
                why="forward kinematics needs the chain from base to end effector",
                remedy="use a robot with an end effector, or remove the signal from the observations",
            )
    tip = axes = None
    if info.chain is not None and along_chain:
        joints = info.signal("joint_pos").elements
        tip = kinematics.chain_position(info.chain, joints)
        axes = kinematics.chain_axes(info.chain, joints)

    def complete(signals: Signals) -> dict[str, jax.Array]:
        result, points = dict(signals), dict(signals)
        if tip:
            points[TIP] = tip(signals["joint_pos"])
        others = {
            TIP: lambda: points[TIP],
            TURN: lambda: kinematics.turn_to(
                axes(signals["joint_pos"]) if axes else jnp.eye(3), signals["goal_quat"]
            ),
            "projected_gravity": lambda: kinematics.projected_gravity(signals["base_quat"]),
            "goal_direction": lambda: kinematics.goal_direction(
                signals["base_pos"], signals["base_quat"], signals["goal_pos"]
            ),
            "laser_nearness": lambda: kinematics.laser_nearness(signals["laser_ranges"]),
        }
        for signal in wanted:
            if signal.derivation in BETWEEN:
                start, end = BETWEEN[signal.derivation]
                result[signal.name] = points[end] - points[start]
            else:
                result[signal.name] = others[signal.derivation]()
        return result

    return complete


def joint_limits(info: SceneInfo) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high), each (a,) float32, of the action's joints."""
    return np.asarray(info.actions.low, np.float32), np.asarray(info.actions.high, np.float32)


def chosen(rows: np.ndarray, uniform: jax.Array) -> jax.Array:
    """Return one row of (n, ...), each as likely, by a uniform number."""
    index = jnp.minimum((uniform * len(rows)).astype(jnp.int32), len(rows) - 1)
    return jnp.asarray(rows)[index]


def jittered_joints(uniform: jax.Array, home: jax.Array, spread: float, low, high) -> jax.Array:
    """Return home (a,) moved by at most `spread` per joint, inside the limits."""
    return jnp.clip(home + spread * (2.0 * uniform - 1.0), low, high)


def at_pose(home: Start, pose: jax.Array) -> Start:
    """Return the start with its base at (x, y [m], yaw [rad]) of the world, as high as at home."""
    return home._replace(base=upright_at(pose, home.base))


def upright_at(pose: jax.Array, home: jax.Array) -> jax.Array:
    """Return position and wxyz (7,) at (x, y [m], yaw [rad]), upright and as high as those of `home` (7,)."""
    half, zero = pose[2] / 2, jnp.zeros(())
    turn = jnp.stack([jnp.cos(half), zero, zero, jnp.sin(half)])
    return jnp.concatenate([pose[:2], home[2:3], turn])


def home_joints(info: SceneInfo) -> np.ndarray:
    """Return the home pose (n,) float32 in the order of `joint_pos`."""
    home = {joint.name: joint.home for joint in info.robot.joints}
    order = [name.split("/")[-1] for name in info.signal("joint_pos").elements]
    return np.asarray([home[name] for name in order], np.float32)


def known_joints(scene: Scene) -> np.ndarray:
    """Return a scene's configurations (m, n) float32 as `joint_pos`; what is not moved is at home."""
    info, order = scene.info, scene.info.signal("joint_pos").elements
    joints = np.tile(home_joints(info), (len(scene.goal_configurations), 1))
    joints[:, [order.index(name) for name in info.actions.joints]] = scene.goal_configurations
    return joints


def action_rate(task: Any, moment: Moment) -> jax.Array:
    """Squared change of the action: what makes a real robot hum and wear."""
    return jnp.sum((moment.action - moment.previous_action) ** 2)


def joint_speed(task: Any, moment: Moment) -> jax.Array:
    """Squared joint speeds [rad^2/s^2]."""
    return jnp.sum(moment.signals["joint_vel"] ** 2)
