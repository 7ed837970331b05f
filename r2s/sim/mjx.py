"""The mjx engine: the whole collection is one `lax.scan` on the device, physics by MuJoCo XLA.

The same task, delays, noise and resets as on the cpu engine; only `physics` differs. Constants that
MuJoCo derives from a model (`body_invweight0`, ...) stay those of the default model here, because MJX
cannot recompute them on the device; they only shape the softness of constraints.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from time import perf_counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.core.errors import R2SError
from r2s.policy.networks import PolicyState
from r2s.sim.environment import (
    Acted,
    Environment,
    EnvState,
    Outcome,
    strongly_typed,
)
from r2s.sim.protocol import Failure, PhysicsClock, Trajectories

with redirect_stdout(StringIO()):  # it prints that the optional warp is missing; stdout is --json's
    from mujoco import mjx

# On a CPU, XLA's newer fusion emitters compute the poses of a chain of bodies anew for every body after
# it: 450 ms a step of 64 arms of 6 joints, 53 ms without them. On other devices it says nothing.
COMPILER_OPTIONS = {"xla_cpu_use_fusion_emitters": False}
LARGEST_NUMBER = 1e10  # mjMAXVAL: beyond it the C engine gives up, and so do we
KEPT = ("qpos", "qvel", "act", "qacc_warmstart", "time")


class Physics(NamedTuple):
    """What of `mjx.Data` outlives a control step, each (N, ...)."""

    qpos: jax.Array
    qvel: jax.Array
    act: jax.Array
    qacc_warmstart: jax.Array
    time: jax.Array


class MjxState(NamedTuple):
    """Attributes:
    env: everything that is not physics.
    physics: see `Physics`.
    """

    env: EnvState
    physics: Physics


class MjxCollector:
    """See `Collector`."""

    engine = "mjx"

    def __init__(self, environment: Environment, copies: int):
        self.environment = environment
        self.copies = copies
        self.clock = PhysicsClock()
        self.model, self.blank = put_model(environment.model)
        # Steps per compiled program, set by the first collection: a longer one (an evaluation) repeats
        # the program and cuts what is too much, because compiling another costs half a minute.
        self.chunk = 0
        self._collect = jax.jit(
            self._scan, static_argnames=("steps",), compiler_options=COMPILER_OPTIONS
        )

    def initial(self, key: jax.Array | np.ndarray, *, staggered: bool) -> MjxState:
        chance = self.environment.device_chance(jnp.asarray(key), self.copies)
        env, qpos = self.environment.jitted.initial(chance, jnp.float32(staggered))
        rest = {name: getattr(self.blank, name) for name in KEPT}
        rows = {
            name: jnp.broadcast_to(value, (self.copies, *value.shape))
            for name, value in rest.items()
        }
        state = MjxState(env, Physics(**{**rows, "qpos": qpos.astype(rows["qpos"].dtype)}))
        return strongly_typed(state)

    def collect(
        self,
        policy: PolicyState,
        state: MjxState,
        key: jax.Array | np.ndarray,
        *,
        steps: int,
        explore: bool,
    ) -> tuple[Trajectories, MjxState, list[Failure]]:
        begun = perf_counter()
        self.chunk = self.chunk or steps
        parts: list[Trajectories] = []
        after = state
        for number in range(-(-steps // self.chunk)):
            numbered = jax.random.fold_in(jnp.asarray(key), number)
            part, after = self._collect(
                policy, after, numbered, jnp.float32(explore), steps=self.chunk
            )
            parts.append(part)
        seen = jax.block_until_ready(_joined(parts, steps))
        took = perf_counter() - begun
        # One compiled program: physics and the rest cannot be told apart by a clock.
        self.clock.collect_s += took
        self.clock.physics_s += took
        self.clock.physics_steps += (
            len(parts) * self.chunk * self.copies * self.environment.where.substeps
        )
        return seen, after, self._report(seen)

    def arrays(self, state: MjxState) -> dict[str, np.ndarray]:
        leaves = jax.tree_util.tree_leaves_with_path(state)
        return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}

    def restore(self, arrays: dict[str, np.ndarray]) -> MjxState:
        shape = self.initial(jax.random.PRNGKey(0), staggered=False)
        return jax.tree_util.tree_map_with_path(
            lambda path, _: jnp.asarray(arrays[jax.tree_util.keystr(path)]), shape
        )

    def _scan(self, policy: PolicyState, state: MjxState, key, explore, steps: int):
        environment = self.environment

        def step(carry: MjxState, key: jax.Array):
            before, physics = carry
            chance = environment.device_chance(key, self.copies)
            env, command, acted = environment.act(policy, before, chance, explore)
            fields = environment.plan.fields(before.draws, jnp)
            physics, sensordata, failed = jax.vmap(self._control_period)(physics, fields, command)
            env, outcome, reset = environment.outcome(before, env, sensordata, failed, chance)
            physics = self._restarted(physics, reset.mask, reset.qpos)
            return MjxState(env, physics), (acted, outcome, env.observation)

        keys = jax.random.split(key, steps)
        first = state.env.observation
        after, (acted, outcome, observation) = jax.lax.scan(step, state, keys)
        return _trajectories(first, observation, acted, outcome), after

    def _control_period(self, physics: Physics, fields: dict[str, jax.Array], command):
        """Step one copy through one control period; return physics, sensors, and whether it failed."""
        model = self.model.tree_replace(
            {name: value.astype(getattr(self.model, name).dtype) for name, value in fields.items()}
        )
        data = self.blank.replace(**physics._asdict())

        def substep(data: mjx.Data, index: jax.Array):
            ctrl = jnp.where(index < command.switch, command.early, command.late)
            after = mjx.step(model, data.replace(ctrl=ctrl.astype(data.ctrl.dtype)))
            return same_types(data, after), None

        data, _ = jax.lax.scan(substep, data, jnp.arange(self.environment.where.substeps))
        kept = Physics(**{name: getattr(data, name) for name in KEPT})
        sane = jnp.stack(
            [jnp.all(jnp.abs(x) < LARGEST_NUMBER) for x in (data.qpos, data.qvel, data.qacc)]
        )
        return kept, data.sensordata, ~jnp.all(sane)

    def _restarted(self, physics: Physics, mask: jax.Array, qpos: jax.Array) -> Physics:
        rest = {name: getattr(self.blank, name) for name in KEPT}
        rows = Physics(**{**rest, "qpos": qpos.astype(physics.qpos.dtype)})

        def pick(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(mask.reshape(mask.shape + (1,) * (old.ndim - 1)), new, old)

        return jax.tree.map(pick, rows, physics)

    def _report(self, seen: Trajectories) -> list[Failure]:
        names, sample = self.environment.plan.columns, None
        failures = []
        for step, copy in np.argwhere(np.asarray(seen.crashed)):
            sample = np.asarray(seen.sample) if sample is None else sample
            drawn = {n: float(v) for n, v in zip(names, sample[step, copy], strict=True)}
            cause = "a position, velocity, acceleration or sensor is not finite"
            failures.append(Failure(int(copy), int(step), cause, drawn))
        return failures


def put_model(model: mujoco.MjModel) -> tuple[mjx.Model, mjx.Data]:
    """Return the model and blank data on the device, data with the types that a step gives back.

    Raises:
        R2SError: MJX does not simulate something in the model (`R2S-SIM-020`).
    """
    try:
        device = mjx.put_model(model)
        blank = mjx.make_data(model)
    except (NotImplementedError, ValueError) as error:
        raise R2SError(
            "R2S-SIM-020",
            f"MJX cannot simulate this scene: {error}",
            where="scene_train.xml",
            why="MJX knows fewer shape pairs and options than MuJoCo",
            remedy="r2s train --engine cpu",
        ) from error
    return device, blank


def same_types(before: mjx.Data, after: mjx.Data) -> mjx.Data:
    """Return `after` with the array types of `before`, as a scan's carry must have."""
    return jax.tree.map(lambda a, b: jnp.asarray(b, jnp.asarray(a).dtype), before, after)


def _joined(parts: list[Trajectories], steps: int) -> Trajectories:
    """Return the first `steps` steps of trajectories that follow one another."""
    if len(parts) == 1 and len(parts[0].reward) == steps:
        return parts[0]
    fields = {
        name: jnp.concatenate([getattr(part, name) for part in parts])[:steps]
        for name in Trajectories._fields
        if name != "observation"
    }
    rows = [parts[0].observation[:1], *(part.observation[1:] for part in parts)]
    return Trajectories(observation=jnp.concatenate(rows)[: steps + 1], **fields)


def _trajectories(
    first: jax.Array, observation: jax.Array, acted: Acted, outcome: Outcome
) -> Trajectories:
    return Trajectories(
        observation=jnp.concatenate([first[None], observation]),
        **acted._asdict(),
        **outcome._asdict(),
    )
