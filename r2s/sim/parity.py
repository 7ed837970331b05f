"""Are two engines the same on this very scene? One step, and fifty, from the same states."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from mujoco.batch import Batch

from r2s.core.errors import R2SError
from r2s.sim.environment import Environment
from r2s.sim.mjx import mjx, put_model, same_types

# MJX computes in float32 (relative 6e-8) and its solver stops at another iterate than C's. Measured on
# arms of 4 and 6 joints among planes and capsules: 2e-6 and 2e-4 in free motion.
ONE_STEP_BOUND = 1e-3  # largest velocity difference after one step [rad/s or m/s]
FIFTY_STEP_BOUND = 2e-2  # median over copies of the largest position difference [rad or m]
LONG_STEPS = 50


@dataclass(frozen=True)
class EngineParity:
    """Differences between `mjx` and `cpu`.

    Attributes:
        one_step_velocity: largest over copies and dofs after one step.
        fifty_step_position: (copies,) largest over coordinates after fifty; a copy that touches
            something may diverge, so the median is what is bounded.
    """

    one_step_velocity: float
    fifty_step_position: np.ndarray

    @property
    def fifty_step_median(self) -> float:
        return float(np.median(self.fifty_step_position))


def engine_parity(environment: Environment, copies: int = 16, seed: int = 0) -> EngineParity:
    """Run both engines from the task's own starts, with the same random targets.

    Raises:
        R2SError: MJX does not know something in the model (`R2S-SIM-020`).
    """
    model = environment.model
    chance = environment.device_chance(jax.random.PRNGKey(seed), copies)
    _, qpos = environment.jitted.initial(chance, np.float32(0))
    ctrl = _targets(environment, copies, seed)
    batch = Batch(model, copies)
    batch.bind("qpos")[:] = np.asarray(qpos)
    batch.bind("ctrl")[:] = ctrl
    batch.step(nstep=1)
    velocity = batch.bind("qvel").copy()
    batch.step(nstep=LONG_STEPS - 1)
    position = batch.bind("qpos").copy()

    device, blank = put_model(model)

    def run(qpos: jax.Array, ctrl: jax.Array):
        start = blank.replace(qpos=qpos, ctrl=ctrl)

        def step(data: mjx.Data, _):
            after = same_types(data, mjx.step(device, data))
            return after, after.qvel

        last, velocities = jax.lax.scan(step, start, length=LONG_STEPS)
        return velocities[0], last.qpos

    first, last = jax.jit(jax.vmap(run))(jnp.float32(qpos), jnp.float32(ctrl))
    return EngineParity(
        float(np.abs(np.asarray(first) - velocity).max()),
        np.abs(np.asarray(last) - position).max(axis=1),
    )


def require_parity(environment: Environment) -> EngineParity:
    """Return the parity of this scene.

    Raises:
        R2SError: the engines differ more than the stated bounds (`R2S-SIM-021`).
    """
    found = engine_parity(environment)
    if found.one_step_velocity <= ONE_STEP_BOUND and found.fifty_step_median <= FIFTY_STEP_BOUND:
        return found
    raise R2SError(
        "R2S-SIM-021",
        f"engines mjx and cpu differ: {found.one_step_velocity:.2g} after one step "
        f"(bound {ONE_STEP_BOUND:g}), {found.fifty_step_median:.2g} after {LONG_STEPS} "
        f"(bound {FIFTY_STEP_BOUND:g})",
        where="scene_train.xml",
        why="a policy would train on other physics than it is validated on",
        remedy="r2s train --engine cpu",
    )


def _targets(environment: Environment, copies: int, seed: int) -> np.ndarray:
    """Return (copies, nu) joint targets near home, inside the limits."""
    where, actions = environment.where, environment.info.actions
    draw = np.random.default_rng(seed).uniform(-0.2, 0.2, (copies, len(actions.joints)))
    ctrl = np.tile(where.home_ctrl, (copies, 1))
    home = where.home_qpos[where.qpos_index]
    ctrl[:, where.ctrl_index] = np.clip(home + draw, actions.low, actions.high)
    return ctrl
