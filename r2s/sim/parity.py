"""Are two engines the same on this very scene? One step, and fifty, from the same states."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch

from r2s.core.errors import R2SError
from r2s.sim.environment import Environment
from r2s.sim.mjx import COMPILER_OPTIONS, mjx, put_model, same_types

# MJX computes in float32 (relative 6e-8) and its solver stops at another iterate than C's. Measured on
# arms of 2 to 6 joints: 1e-7 to 3e-7 in free motion. A copy that touches something, or whose actuator
# is at its force limit (C then drops its damping from the implicit integration, MJX does not), differs
# visibly after one step and agrees again after fifty.
ONE_STEP_BOUND = 1e-4  # largest velocity difference of free copies after one step [rad/s or m/s]
FIFTY_STEP_BOUND = 2e-2  # median over copies of the largest position difference [rad or m]
LONG_STEPS = 50
NEAR_RAD = 0.05  # targets lie this near to the start, so that actuators do not saturate


@dataclass(frozen=True)
class EngineParity:
    """Differences between `mjx` and `cpu`.

    Attributes:
        one_step_velocity: (copies,) largest over dofs after one step.
        fifty_step_position: (copies,) largest over coordinates after fifty.
        free: (copies,) bool, nothing touches and no actuator is at its limit in the first step.
    """

    one_step_velocity: np.ndarray
    fifty_step_position: np.ndarray
    free: np.ndarray

    @property
    def one_step(self) -> float:
        """Largest velocity difference of the free copies; 0 where there are none."""
        return float(self.one_step_velocity[self.free].max(initial=0.0))

    @property
    def fifty_step(self) -> float:
        """Median position difference."""
        return float(np.median(self.fifty_step_position))


def engine_parity(environment: Environment, copies: int = 16, seed: int = 0) -> EngineParity:
    """Run both engines from the task's own starts, with the same random targets.

    Raises:
        R2SError: MJX does not know something in the model (`R2S-SIM-020`).
    """
    model = environment.model
    chance = environment.device_chance(jax.random.PRNGKey(seed), copies)
    _, qpos = environment.jitted.initial(chance, np.float32(0))
    start = np.asarray(qpos)
    ctrl = _targets(environment, start, seed)
    batch = Batch(model, copies)
    batch.bind("qpos")[:] = start
    batch.bind("ctrl")[:] = ctrl
    batch.step(nstep=1)
    velocity = batch.bind("qvel").copy()
    batch.step(nstep=LONG_STEPS - 1)
    position = batch.bind("qpos").copy()

    device, blank = put_model(model)

    def run(qpos: jax.Array, ctrl: jax.Array):
        def step(data: mjx.Data, _):
            after = same_types(data, mjx.step(device, data))
            return after, after.qvel

        data, velocities = jax.lax.scan(
            step, blank.replace(qpos=qpos, ctrl=ctrl), length=LONG_STEPS
        )
        return velocities[0], data.qpos

    first, last = jax.jit(jax.vmap(run), compiler_options=COMPILER_OPTIONS)(qpos, jnp.float32(ctrl))
    return EngineParity(
        np.abs(np.asarray(first) - velocity).max(axis=1),
        np.abs(np.asarray(last) - position).max(axis=1),
        np.array([_free(model, *row) for row in zip(start, ctrl, strict=True)]),
    )


def require_parity(environment: Environment) -> EngineParity:
    """Return the parity of this scene.

    Raises:
        R2SError: the engines differ more than the stated bounds (`R2S-SIM-021`).
    """
    found = engine_parity(environment)
    if found.one_step <= ONE_STEP_BOUND and found.fifty_step <= FIFTY_STEP_BOUND:
        return found
    raise R2SError(
        "R2S-SIM-021",
        f"engines mjx and cpu differ: {found.one_step:.2g} after one step "
        f"(bound {ONE_STEP_BOUND:g}), {found.fifty_step:.2g} after {LONG_STEPS} "
        f"(bound {FIFTY_STEP_BOUND:g})",
        where="scene_train.xml",
        why="a policy would train on other physics than it is validated on",
        remedy="r2s train --engine cpu",
    )


def _targets(environment: Environment, qpos: np.ndarray, seed: int) -> np.ndarray:
    """Return (copies, nu) joint targets near the start, inside the limits."""
    where, actions = environment.where, environment.info.actions
    start = qpos[:, where.qpos_index]
    draw = np.random.default_rng(seed).uniform(-NEAR_RAD, NEAR_RAD, start.shape)
    ctrl = np.tile(where.home_ctrl, (len(qpos), 1))
    ctrl[:, where.ctrl_index] = np.clip(actions.holding(start) + draw, actions.low, actions.high)
    return ctrl.astype(np.float32)


def _free(model: mujoco.MjModel, qpos: np.ndarray, ctrl: np.ndarray) -> bool:
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = qpos, ctrl
    mujoco.mj_forward(model, data)
    limited = model.actuator_forcelimited.astype(bool)
    at_limit = (data.actuator_force <= model.actuator_forcerange[:, 0]) | (
        data.actuator_force >= model.actuator_forcerange[:, 1]
    )
    return data.nefc == 0 and not np.any(limited & at_limit)
