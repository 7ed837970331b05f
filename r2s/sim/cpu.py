"""The cpu engine: a host loop over `mujoco.batch`, with per-copy model fields.

No compile time for physics, bit-identical at any number of threads, and a copy that fails is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import jax
import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from r2s.policy.networks import PolicyState
from r2s.sim.environment import Chance, Environment, EnvState, strongly_typed
from r2s.sim.protocol import Failure, PhysicsClock, Trajectories

# Warnings after which a copy's numbers mean nothing. MuJoCo resets a copy with a bad state by itself,
# so without these counters a blow-up would look like a good step.
FATAL_WARNINGS = (
    mujoco.mjtWarning.mjWARN_CONTACTFULL,
    mujoco.mjtWarning.mjWARN_CNSTRFULL,
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
    mujoco.mjtWarning.mjWARN_BADCTRL,
)
FATAL = [int(kind) for kind in FATAL_WARNINGS]
WARNING_COUNT = 1  # column of mjWarningStat: (last info, number)


@dataclass(frozen=True)
class CpuState:
    """Attributes:
    env: everything that is not physics.
    rows: (N, nstate) float64, MuJoCo's integration state of every copy.
    """

    env: EnvState
    rows: np.ndarray


class CpuCollector:
    """See `Collector`. The batch is a cache: each collection starts by loading its state."""

    engine = "cpu"

    def __init__(self, environment: Environment, copies: int, threads: int = 0):
        self.environment = environment
        self.copies = copies
        self.clock = PhysicsClock()
        self.batch = Batch(environment.model, copies, threads)
        self._ctrl = self.batch.bind("ctrl")
        self._qpos = self.batch.bind("qpos")
        self._sensordata = self.batch.bind("sensordata")
        shapes = environment.plan.shapes
        self._fields = {name: self.batch.expand(name) for name in sorted(shapes)}
        self._applied: np.ndarray | None = None  # randomization the fields hold, (N, v)
        self._fresh = _fresh_row(environment.model)

    def initial(self, key: jax.Array | np.ndarray, *, staggered: bool) -> CpuState:
        chance = self.environment.host_chance(np.asarray(key), 1, self.copies)
        first = jax.tree.map(lambda x: x[0], chance)
        env, qpos = self.environment.jitted.initial(first, np.float32(staggered))
        rows = np.tile(self._fresh, (self.copies, 1))
        self.batch.state[:] = rows
        self._qpos[:] = np.asarray(qpos)
        return CpuState(strongly_typed(env), self.batch.state.copy())

    def collect(
        self,
        policy: PolicyState,
        state: CpuState,
        key: jax.Array | np.ndarray,
        *,
        steps: int,
        explore: bool,
    ) -> tuple[Trajectories, CpuState, list[Failure]]:
        begun = perf_counter()
        self.batch.state[:] = state.rows
        self._randomize(state.env)
        env, failures, rows = state.env, [], []
        chances = self.environment.host_chance(np.asarray(key), steps, self.copies)
        observations, exploring = [env.observation], np.float32(explore)
        act, judge = self.environment.jitted.act, self.environment.jitted.outcome
        for step in range(steps):
            chance = Chance(*(numbers[step] for numbers in chances))
            acted_env, command, acted = act(policy, env, chance, exploring)
            failed, causes = self._physics(command)
            env, outcome, reset = judge(env, acted_env, self._sensordata, failed, chance)
            crashed = np.flatnonzero(np.asarray(outcome.crashed))
            if len(crashed):
                failures += self._report(step, crashed, causes, np.asarray(outcome.sample))
            self._restart(env, np.asarray(reset.mask), reset.qpos)
            observations.append(env.observation)
            rows.append((acted, outcome))
        after = CpuState(env, self.batch.state.copy())
        self.clock.collect_s += perf_counter() - begun
        return _stacked(observations, rows), after, failures

    def arrays(self, state: CpuState) -> dict[str, np.ndarray]:
        leaves = jax.tree_util.tree_leaves_with_path(state.env)
        named = {f"env{jax.tree_util.keystr(path)}": np.asarray(leaf) for path, leaf in leaves}
        return {**named, "rows": state.rows}

    def restore(self, arrays: dict[str, np.ndarray]) -> CpuState:
        chance = self.environment.host_chance(np.zeros(2, np.uint32), 1, self.copies)
        first = jax.tree.map(lambda x: x[0], chance)
        shape = jax.eval_shape(self.environment.initial, first, np.float32(0))[0]
        env = jax.tree_util.tree_map_with_path(
            lambda path, _: jax.numpy.asarray(arrays[f"env{jax.tree_util.keystr(path)}"]), shape
        )
        return CpuState(env, np.array(arrays["rows"]))

    def _physics(self, command: Any) -> tuple[np.ndarray, dict[int, str]]:
        """Step every copy through one control period; return which failed, and why."""
        where, batch = self.environment.where, self.batch
        warned = batch.warning[:, FATAL, WARNING_COUNT].copy()
        early, late, switch = (np.asarray(x) for x in command)
        causes: dict[int, str] = {}
        begun = perf_counter()
        try:
            if self.environment.plan.action_latency is None:
                self._ctrl[:] = late
                batch.step(nstep=where.substeps)
            else:
                first = np.arange(where.substeps)[None, :, None] < switch[:, None, None]
                control = np.where(first, early[:, None], late[:, None]).astype(np.float64)
                batch.rollout(where.substeps, control=control, record=())
        except SimulationError as error:
            causes = {int(i): batch.error(int(i)) or str(error) for i in error.ids}
        self.clock.physics_s += perf_counter() - begun
        self.clock.physics_steps += self.copies * where.substeps
        risen = batch.warning[:, FATAL, WARNING_COUNT] > warned
        for i in np.flatnonzero(risen.any(axis=1)):
            kinds = [FATAL_WARNINGS[k].name for k in np.flatnonzero(risen[i])]
            causes.setdefault(int(i), "warning " + ", ".join(kinds))
        failed = np.zeros(self.copies, bool)
        failed[list(causes)] = True
        return failed, causes

    def _restart(self, env: EnvState, mask: np.ndarray, qpos: Any) -> None:
        ids = np.flatnonzero(mask)
        if not len(ids):
            return
        self.batch.state[ids] = self._fresh
        self._qpos[ids] = np.asarray(qpos)[ids]
        self._randomize(env)

    def _randomize(self, env: EnvState) -> None:
        """Make the batch's model fields those of the copies' draws, where they differ."""
        if not self._fields:
            return
        plan = self.environment.plan
        draws = {name: np.asarray(values) for name, values in env.draws.items()}
        wanted = np.concatenate([draws[entry.name] for entry, _ in plan.entries], axis=1)
        changed = (
            np.arange(self.copies)
            if self._applied is None
            else np.flatnonzero((wanted != self._applied).any(axis=1))
        )
        if not len(changed):
            return
        draws = {
            name: np.float64(np.asarray(values)[changed]) for name, values in env.draws.items()
        }
        for name, values in plan.fields(draws, np).items():
            self._fields[name][changed] = values
        if plan.needs_set_const:
            self.batch.set_const(changed.astype(np.int32))
        self._applied = wanted.copy()

    def _report(self, step: int, ids: np.ndarray, causes: dict[int, str], sample: np.ndarray):
        names = self.environment.plan.columns
        return [
            Failure(
                int(i), step, causes.get(int(i), "a sensor is not finite"),
                {name: float(v) for name, v in zip(names, sample[i], strict=True)},
            )
            for i in ids
        ]  # fmt: skip


def _fresh_row(model: mujoco.MjModel) -> np.ndarray:
    """Return the integration state (nstate,) of a copy at rest in the model's defaults."""
    batch = Batch(model, 1, 1)
    batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
    return batch.state[0].copy()


def _stacked(observations: list, rows: list) -> Trajectories:
    def stack(parts: list) -> np.ndarray:
        return np.stack([np.asarray(part) for part in parts])

    acted, outcome = zip(*rows, strict=True)
    fields = {
        name: stack([getattr(row, name) for row in group])
        for group in (acted, outcome)
        for name in group[0]._fields
    }
    return Trajectories(observation=stack(observations), **fields)
