"""Between policy and physics: delays, noise, observations, rewards, resets. Pure JAX, all copies at once.

One control step is `act` (policy to joint targets), physics (the engine's own), `outcome` (sensors to
reward, end, observation and, where an episode ended, a new start). The cpu engine calls the two jitted
functions from a host loop, the mjx engine from inside `lax.scan`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.scene import Scene, SceneInfo
from r2s.artifacts.signal import COMMAND_SIGNALS
from r2s.core.errors import R2SError
from r2s.policy import networks
from r2s.policy.networks import PolicyState
from r2s.sim.begin import start_qpos, task_start
from r2s.sim.model import Layout, layout
from r2s.sim.randomization import Plan, compile_plan
from r2s.sim.truth import sensors_of, true_moment
from r2s.tasks.kinematics import phase
from r2s.tasks.task import Task, TaskState, bind, derive


class EnvState(NamedTuple):
    """Everything of N copies that is not physics.

    Attributes:
        task: the task's memory, leading axis N.
        draws: randomization of each copy, entry name to (N, k).
        target: (N, a) joint targets commanded last [rad or m; rad/s or m/s in mode `velocity`].
        action: (N, a) action applied last, in [-1, 1].
        sent: (N, h, a) targets of the last control steps, newest last; the actuators follow late.
        sensed: (N, l, w) true sensor signals of the last control steps, newest last.
        steps: (N,) int32 control steps of this episode; limit: (N,) int32 where it ends.
        settling: (N,) bool, the first control step after a reset: no action, nothing learned.
        total: (N,) rewards of this episode.
        observation: (N, d) critic input; the actor's columns come first.
    """

    task: dict[str, jax.Array]
    draws: dict[str, jax.Array]
    target: jax.Array
    action: jax.Array
    sent: jax.Array
    sensed: jax.Array
    steps: jax.Array
    limit: jax.Array
    settling: jax.Array
    total: jax.Array
    observation: jax.Array


class Command(NamedTuple):
    """Actuator inputs of one control period: `early` before physics step `switch`, `late` from it on.

    Attributes:
        early, late: (N, nu).
        switch: (N,) int32 physics steps.
    """

    early: jax.Array
    late: jax.Array
    switch: jax.Array


class Acted(NamedTuple):
    """Attributes:
    action: (N, a) as sampled; log_prob: (N,).
    """

    action: jax.Array
    log_prob: jax.Array


class Outcome(NamedTuple):
    """What one control step led to; see `Trajectories` for the fields' meaning, each (N,)."""

    reward: jax.Array
    terminated: jax.Array
    ended: jax.Array
    valid: jax.Array
    crashed: jax.Array
    counted: jax.Array
    success: jax.Array
    episode_return: jax.Array
    sample: jax.Array
    terms: jax.Array


class Chance(NamedTuple):
    """Every random number of one control step, drawn by the engine: numpy's or JAX's generator.

    The environment itself is deterministic. Drawing on the host spares the cpu engine the compilation
    of JAX's generators (about a second each) and their hundreds of tiny kernels per step.

    Attributes:
        action: (N, a) standard normal, exploration.
        sensor: (N, w) standard normal, sensor noise.
        task: (N, k) uniform in [0, 1), for `Task.advance`.
        restart: (N, r) uniform, for a new episode: randomization, task, start, whether to start anywhere,
            where, and how long the first one is.
    """

    action: jax.Array | np.ndarray
    sensor: jax.Array | np.ndarray
    task: jax.Array | np.ndarray
    restart: jax.Array | np.ndarray


class ChanceWidths(NamedTuple):
    """Widths of the arrays of a `Chance`."""

    action: int
    sensor: int
    task: int
    restart: int


class Reset(NamedTuple):
    """Attributes:
    mask: (N,) bool, copies that start anew.
    qpos: (N, nq) their positions; velocities are zero.
    """

    mask: jax.Array
    qpos: jax.Array


class Jitted(NamedTuple):
    act: Callable
    outcome: Callable
    initial: Callable


@dataclass(frozen=True, eq=False)
class Environment:
    """One scene, compiled: what both engines share.

    Attributes:
        start_anywhere: see `build`.
        every_term: tell the reward terms of every copy, and not their means (a check of a task does).
    """

    scene: Scene
    model: mujoco.MjModel
    where: Layout
    plan: Plan
    task: Task
    network: NetworkSpec
    observation_clip: float
    start_anywhere: float = 0.0
    every_term: bool = False

    @classmethod
    def build(
        cls,
        scene: Scene,
        model: mujoco.MjModel,
        network: NetworkSpec,
        observation_clip: float,
        start_anywhere: float = 0.0,
    ) -> Environment:
        """Bind a scene's signals, task and randomization to its compiled model.

        Args:
            start_anywhere: share of episodes that begin in a configuration of some goal instead of
                near home. From home alone an arm never sees what lies behind it and settles for the
                nearest point in front.

        Raises:
            R2SError: an actor input is privileged or unknown (`R2S-SIM-004`), or see `layout`,
                `compile_plan`, `bind`.
        """
        info = scene.info
        check_observations(info)
        where = layout(model, scene)
        plan = compile_plan(model, info, where)
        task = bind(scene)
        return cls(scene, model, where, plan, task, network, observation_clip, start_anywhere)

    @property
    def info(self) -> SceneInfo:
        return self.scene.info

    @property
    def observation_width(self) -> int:
        return sum(self.info.signal(name).width for name in self.info.observations)

    @property
    def critic_width(self) -> int:
        return self.observation_width + sum(self.info.signal(n).width for n in self.info.critic)

    @property
    def action_width(self) -> int:
        return len(self.info.actions.joints)

    @property
    def term_names(self) -> tuple[str, ...]:
        return tuple(sorted(self.task.spec.weights))

    @cached_property
    def jitted(self) -> Jitted:
        """The compiled functions, shared by every collector of this environment."""
        return Jitted(
            jax.jit(self.act),
            jax.jit(self.outcome),
            jax.jit(self.initial),
        )

    # -- one control step ------------------------------------------------------------------------

    def act(
        self, policy: PolicyState, state: EnvState, chance: Chance, explore: jax.Array
    ) -> tuple[EnvState, Command, Acted]:
        """Choose targets for the next control period; `explore` () is 1 for training, 0 to judge."""
        spec = self.info.actions
        seen = state.observation[:, : self.observation_width]
        mean = networks.action_mean(policy, self.network, seen, self.observation_clip)
        log_sigma = networks.log_std(policy.params)
        action = mean + jnp.exp(log_sigma) * (explore * chance.action)
        log_prob = networks.gaussian_log_prob(action, mean, log_sigma)

        applied = jnp.clip(action, -1.0, 1.0)
        origin = state.target if spec.mode == "relative" else jnp.float32(spec.offset)
        wanted = jnp.clip(
            origin + jnp.float32(spec.scale) * applied,
            jnp.float32(spec.low),
            jnp.float32(spec.high),
        )
        hold = state.settling[:, None]
        target = jnp.where(hold, state.target, wanted)
        sent = jnp.concatenate([state.sent[:, 1:], target[:, None]], axis=1)
        after = state._replace(target=target, action=jnp.where(hold, 0.0, applied), sent=sent)
        return after, self._command(after), Acted(action, log_prob)

    def outcome(
        self,
        before: EnvState,
        state: EnvState,
        sensordata: jax.Array,
        failed: jax.Array,
        chance: Chance,
    ) -> tuple[EnvState, Outcome, Reset]:
        """Judge the control period that just passed and start ended copies anew.

        Args:
            before: the state that `act` was given; `state` is the one it returned.
            sensordata: (N, nsensordata) after physics.
            failed: (N,) bool, the engine reported an error or a warning.
        """
        crashed = failed | ~jnp.all(jnp.isfinite(sensordata), axis=-1)
        sensors = sensors_of(self.where, jnp.where(crashed[:, None], 0.0, sensordata))
        live = ~state.settling & ~crashed

        moment = jax.vmap(partial(true_moment, self.task))(
            sensors, state.task, state.target, state.action, before.action
        )
        task, judged = jax.vmap(self.task.advance)(moment, jnp.asarray(chance.task))
        task = _where(state.settling, state.task, task)
        weights = self.task.spec.weights
        terms = jnp.stack(
            [judged.terms[n] * (weights[n] * self.task.control_s) for n in self.term_names], -1
        )
        terms = jnp.where(live[:, None], terms, 0.0)
        reward = jnp.sum(terms, axis=-1)

        steps = state.steps + ~state.settling
        terminated = live & judged.terminated
        finished = live & (terminated | (steps >= state.limit))
        ended = finished | crashed
        total = state.total + reward
        counted = finished & ((state.limit == self.task.episode_steps) | terminated)
        outcome = Outcome(
            reward=reward,
            terminated=terminated,
            ended=ended,
            valid=live,
            crashed=crashed,
            counted=counted,
            success=counted & judged.success,
            episode_return=jnp.where(counted, total, 0.0),
            sample=self.plan.flatten(state.draws),
            terms=terms
            if self.every_term
            else jnp.sum(terms, axis=0) / jnp.maximum(jnp.sum(live), 1),
        )

        state = state._replace(task=task, steps=steps, total=total)
        state = self._sense(state, sensors)
        state = state._replace(
            observation=jnp.where(
                crashed[:, None], before.observation, self._observe(state, sensors, chance.sensor)
            ),
            settling=jnp.zeros_like(state.settling),
        )
        state, qpos = jax.lax.cond(
            jnp.any(ended),
            self._restart,
            self._carry_on,
            state,
            ended,
            chance.restart,
            jnp.float32(self.start_anywhere),
        )
        return state, outcome, Reset(ended, qpos)

    def initial(self, chance: Chance, staggered: jax.Array) -> tuple[EnvState, jax.Array]:
        """Return N copies at the start of an episode, and their qpos (N, nq).

        Args:
            staggered: () 1 for training: first episodes are cut at random lengths, and may start
                anywhere; 0 to judge: whole episodes that start where the task says.
        """
        first = jnp.asarray(chance.restart)
        copies, task_end = first.shape[0], self.plan.width + self.task.draws.reset
        a, full = self.action_width, self.task.episode_steps
        limit = jnp.full((copies,), full, jnp.int32)
        blank = EnvState(
            task=jax.vmap(self.task.reset)(first[:, self.plan.width : task_end]),
            draws=self.plan.sample(first[:, : self.plan.width]),
            target=jnp.zeros((copies, a)),
            action=jnp.zeros((copies, a)),
            sent=jnp.zeros((copies, self.action_history, a)),
            sensed=jnp.zeros((copies, self.sensor_history, self.sensor_width)),
            steps=jnp.zeros((copies,), jnp.int32),
            limit=limit,
            settling=jnp.ones((copies,), bool),
            total=jnp.zeros((copies,)),
            observation=jnp.zeros((copies, self.critic_width)),
        )
        state, qpos = self._restart(
            blank, jnp.ones((copies,), bool), first, staggered * self.start_anywhere
        )
        length = jnp.where(staggered, 1 + (first[:, -1] * full).astype(jnp.int32), full)
        return state._replace(limit=length.astype(jnp.int32)), qpos

    def first_guess(self) -> Callable[[jax.Array], jax.Array] | None:
        """Return f: observations (n, d) -> actions (n, a) that the task would begin with, or None."""
        task = self.task
        if not getattr(task, "guesses", False):  # a user's own may not know the word
            return None
        names = self.info.observations
        ends = np.cumsum([self.info.signal(name).width for name in names])[:-1].tolist()

        def guess(row: jax.Array) -> jax.Array:
            return task.guess(dict(zip(names, jnp.split(row, ends), strict=True)))

        return jax.vmap(guess)

    # -- chance ----------------------------------------------------------------------------------

    @property
    def chance_widths(self) -> ChanceWidths:
        """Widths of the numbers one copy takes in one control step."""
        drawn = self.task.draws
        restart = self.plan.width + drawn.reset + drawn.start + 3
        return ChanceWidths(self.action_width, self.sensor_width, drawn.advance, restart)

    def host_chance(self, key: np.ndarray, steps: int, copies: int) -> Chance:
        """Return the numbers of many control steps, each (steps, copies, width), by numpy's Philox."""
        generator = np.random.Generator(
            np.random.Philox(key=int.from_bytes(np.asarray(key).tobytes()))
        )
        normal, uniform = generator.standard_normal, generator.random
        draws = (normal, normal, uniform, uniform)
        return Chance(
            *(
                draw((steps, copies, width), dtype=np.float32)
                for draw, width in zip(draws, self.chance_widths, strict=True)
            )
        )

    def device_chance(self, key: jax.Array, copies: int) -> Chance:
        """Return the numbers of one control step, by JAX's generator."""
        normal, uniform = jax.random.normal, jax.random.uniform
        draws = (normal, normal, uniform, uniform)
        return Chance(
            *(
                draw(k, (copies, width))
                for draw, width, k in zip(
                    draws, self.chance_widths, jax.random.split(key, 4), strict=True
                )
            )
        )

    # -- sizes of the delay lines ----------------------------------------------------------------

    @property
    def action_history(self) -> int:
        entry = self.plan.action_latency
        if entry is None:
            return 1
        periods = round(entry.high / self.model.opt.timestep) // self.where.substeps
        return periods + 2

    @property
    def sensor_names(self) -> tuple[str, ...]:
        return tuple(self.where.sensor_index)

    @property
    def sensor_width(self) -> int:
        return sum(len(index) for index in self.where.sensor_index.values())

    @property
    def sensor_history(self) -> int:
        longest = 0.0
        for name, noise in self.plan.signals.items():
            if noise.latency:
                entry, base = noise.latency[0], self.info.signal(name).latency_s[1]
                reach = {"abs": entry.high, "add": base + entry.high, "scale": base * entry.high}
                longest = max(longest, reach[entry.operation])
        return int(np.ceil(longest / self.info.control_s - 1e-9)) + 1

    # -- inside one control step -----------------------------------------------------------------

    def _command(self, state: EnvState) -> Command:
        copies = state.target.shape[0]
        newest = self.action_history - 1
        if self.plan.action_latency is None:
            ctrl = self._ctrl(state.target)
            return Command(ctrl, ctrl, jnp.zeros((copies,), jnp.int32))
        seconds = state.draws[self.plan.action_latency.name][:, 0]
        delay = jnp.round(seconds / self.model.opt.timestep).astype(jnp.int32)
        periods, switch = delay // self.where.substeps, delay % self.where.substeps
        rows = jnp.arange(copies)
        late = state.sent[rows, newest - periods]
        early = state.sent[rows, jnp.maximum(newest - periods - 1, 0)]
        return Command(self._ctrl(early), self._ctrl(late), switch)

    def _ctrl(self, target: jax.Array) -> jax.Array:
        home = jnp.broadcast_to(jnp.float32(self.where.home_ctrl), (target.shape[0], self.model.nu))
        return home.at[:, self.where.ctrl_index].set(target)

    def _sense(self, state: EnvState, sensors: dict[str, jax.Array]) -> EnvState:
        if not self.sensor_names:
            return state
        now = jnp.concatenate([sensors[name] for name in self.sensor_names], axis=-1)[:, None]
        fresh = jnp.broadcast_to(now, state.sensed.shape)
        moved = jnp.concatenate([state.sensed[:, 1:], now], axis=1)
        return state._replace(sensed=_where(state.settling, fresh, moved))

    def _observe(self, state: EnvState, sensors: dict[str, jax.Array], noise) -> jax.Array:
        """Return the critic's input: the actor's noisy, late view, then privileged truth."""
        own = dict(zip(COMMAND_SIGNALS, (state.target, state.action), strict=True))
        own |= {
            signal.name: jax.vmap(phase, (0, None))(
                state.steps * self.info.control_s, signal.period_s
            )
            for signal in self.info.signals
            if signal.is_clock
        }
        own |= jax.vmap(self.task.commands)(state.task)
        measured = {**self._measured(state, noise), **own}
        view = jax.vmap(derive(self.info, self.info.observations))(measured)
        truth = jax.vmap(derive(self.info, self.info.critic))({**sensors, **own})
        parts = [view[n] for n in self.info.observations] + [truth[n] for n in self.info.critic]
        return jnp.concatenate(parts, axis=-1)

    def _measured(self, state: EnvState, noise) -> dict[str, jax.Array]:
        """Return the sensor signals as the robot reads them: late, biased, noisy."""
        history = state.sensed.shape[1]
        result, start = {}, 0
        for name in self.sensor_names:
            signal, stop = self.info.signal(name), start + len(self.where.sensor_index[name])
            past, disturbed = state.sensed[:, :, start:stop], self.plan.signals.get(name)
            setting = disturbed.__dict__ if disturbed else {}
            value = past[:, -1]
            if setting.get("latency"):
                low_high = signal.latency_s
                seconds = self._setting(state, setting["latency"], sum(low_high) / 2)
                age = jnp.arange(history - 1, -1, -1, dtype=jnp.float32)[None, :, None]
                # A hat function picks and blends the two samples around the delay.
                hat = jnp.maximum(
                    0.0, 1.0 - jnp.abs(age - (seconds / self.info.control_s)[:, None])
                )
                value = jnp.sum(hat * past, axis=1)
            if setting.get("bias"):
                value = value + self._setting(state, setting["bias"], 0.0)
            sigma = signal.noise_sigma
            if setting.get("noise"):
                sigma = self._setting(state, setting["noise"], signal.noise_sigma)
            result[name] = value + sigma * noise[:, start:stop]
            start = stop
        return result

    def _setting(self, state: EnvState, setting, default: float) -> jax.Array:
        entry, draw = setting
        value = state.draws[entry.name][:, draw]
        if entry.operation == "scale":
            return default * value
        return default + value if entry.operation == "add" else value

    def _restart(self, state: EnvState, mask: jax.Array, uniform: jax.Array, anywhere: jax.Array):
        plan, drawn = self.plan, self.task.draws
        ends = np.cumsum([plan.width, drawn.reset, drawn.start]).tolist()
        chance = jnp.split(uniform, ends, axis=1)
        draws = _where(mask, plan.per_run(state.draws, plan.sample(chance[0])), state.draws)
        task = jax.vmap(self.task.reset)(chance[1])
        configurations = np.asarray(self.scene.goal_configurations, np.float32)
        fits = len(configurations) and configurations.shape[1] == self.action_width
        known = configurations if fits else None

        def start(u: jax.Array, other: jax.Array, drawn: dict[str, jax.Array], memory: TaskState):
            begin = task_start(self.task, self.where, u, memory)
            if known is not None:
                elsewhere = self.task.elsewhere(memory, other[1], known)
                begin = begin._replace(
                    joints=jnp.where(other[0] < anywhere, elsewhere, begin.joints)
                )
            qpos = start_qpos(self.task, self.where, begin, memory)
            return self.info.actions.holding(begin.joints), self.plan.moved(qpos, drawn)

        begin, qpos = jax.vmap(start)(chance[2], chance[3], draws, task)
        new = state._replace(
            task=task,
            draws=draws,
            target=begin,
            action=jnp.zeros_like(state.action),
            sent=jnp.broadcast_to(begin[:, None], state.sent.shape),
            steps=jnp.zeros_like(state.steps),
            limit=jnp.full_like(state.limit, self.task.episode_steps),
            settling=jnp.ones_like(state.settling),
            total=jnp.zeros_like(state.total),
        )
        return _where(mask, new, state), qpos

    def _carry_on(self, state: EnvState, mask: jax.Array, uniform: jax.Array, anywhere: jax.Array):
        return state, jnp.zeros((mask.shape[0], self.model.nq), jnp.float32)


def check_observations(info: SceneInfo) -> None:
    """Refuse actor inputs that the real robot cannot have.

    Raises:
        R2SError: an input is privileged or unknown (`R2S-SIM-004`).
    """
    kinds = {signal.name: signal.kind for signal in info.signals}
    wrong = [n for n in info.observations if kinds.get(n, "unknown") in ("privileged", "unknown")]
    unknown = [n for n in info.critic if n not in kinds]
    if wrong or unknown:
        usable = [name for name, kind in kinds.items() if kind != "privileged"]
        raise R2SError(
            "R2S-SIM-004",
            f"the policy cannot observe {', '.join(wrong + unknown)}",
            where=f"observations of the scene of {info.robot.name}",
            why="simulator truth does not exist on the robot; the critic may see it, the actor not",
            remedy=f"choose from: {', '.join(usable)}",
        )


def strongly_typed(tree):
    """Return the tree without JAX's weak types, so that a first state compiles no second program."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), tree)


def _where(mask: jax.Array, yes, no):
    """Return a tree that takes `yes` in the copies of `mask` (N,) and `no` elsewhere."""

    def pick(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, yes, no)
