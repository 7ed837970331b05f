"""Does the batched rollout do what the robot's runtime does? Replayed, one trial at a time, and compared."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from r2s.core.errors import R2SError
from r2s.edge.runtime import Runtime
from r2s.sim.transport import MujocoTransport
from r2s.validate.rollout import SETTLE_PERIODS, Bench, Outcome, make_batch
from r2s.validate.trial import Trials, sensing


def check_equality(bench: Bench, trials: Trials, outcomes: list[Outcome], seed: int) -> int:
    """Run every trial through `edge.Runtime` on a `MujocoTransport`; return how many were bit-equal.

    Raises:
        R2SError: R2S-VALIDATE-003 naming the first trial and tick that differ.
    """
    batch = make_batch(bench, trials)
    for index, outcome in enumerate(outcomes):
        commands, qpos = replay(bench, trials, index, outcome, seed, batch.get_model(index))
        if np.array_equal(commands, outcome.commands) and np.array_equal(qpos, outcome.qpos):
            continue
        rows = np.flatnonzero((commands != outcome.commands).any(axis=1))
        tick = int(rows[0]) if len(rows) else len(commands)
        raise R2SError(
            "R2S-VALIDATE-003",
            f"the edge runtime and the batched validation differ from tick {tick} on",
            where=f"scenario {trials.scenario.name}, trial {trials.numbers[index]}",
            why="the trials would not say what the robot will do",
            remedy="this is a defect of r2s: report it with the output of `r2s doctor`",
        )
    return len(outcomes)


def replay(
    bench: Bench,
    trials: Trials,
    index: int,
    outcome: Outcome,
    seed: int,
    model: mujoco.MjModel,
) -> tuple[np.ndarray, np.ndarray]:
    """Return commands (ticks, joints) and final qpos (nq,) of one trial under the edge runtime."""
    data = mujoco.MjData(model)
    data.qpos[:] = trials.qpos[index]
    data.ctrl[:] = bench.where.home_ctrl
    data.ctrl[bench.where.ctrl_index] = trials.hold[index]
    sensors = sensing(trials, index, bench.scene, bench.where, model.opt.timestep, seed)
    robot = MujocoTransport(
        model,
        data,
        bench.scene.info,
        bench.where,
        sensors,
        action_delay_steps=int(trials.action_delay_steps[index]),
    )
    contract = bench.contract
    unblended = replace(contract, safety=replace(contract.safety, blend_s=0.0))
    runtime = Runtime(unblended, robot)
    runtime.configure(bench.policy)
    robot.wait_until(SETTLE_PERIODS * contract.control_s)
    robot.commands = dict(outcome.given[0])
    runtime.activate()
    runtime.start()
    commands = []
    for tick, given in enumerate(outcome.given):
        robot.commands = dict(given)
        runtime.step()
        commands.append(runtime.controller.target)
        robot.wait_until((SETTLE_PERIODS + tick + 1) * contract.control_s)
    return np.array(commands), data.qpos.copy()
