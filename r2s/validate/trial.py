"""How the trials of a scenario begin: draws, task and pose, from a seed per (scenario, trial).

JAX runs here in loops over trials (`lax.map`), not batched: vector code rounds by position in the batch,
and a trial must be the same however many others run.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.core.seeds import generator
from r2s.sim.begin import start_qpos, task_start
from r2s.sim.model import Layout
from r2s.sim.randomization import Plan, compile_plan
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.tasks.task import Task, TaskState
from r2s.validate.scenarios import Scenario


@dataclass(frozen=True)
class Trials:
    """The beginning of n trials.

    Attributes:
        numbers: (n,) trial numbers within the scenario.
        draws: entry name to (n, k) float64.
        task_state: the task's memory, leading axis n.
        qpos: (n, nq) float64 start.
        hold: (n, joints) float64: joint targets until the first tick, which keep it where it starts.
        action_delay_steps: (n,) physics steps.
    """

    scenario: Scenario
    plan: Plan
    numbers: tuple[int, ...]
    draws: dict[str, np.ndarray]
    task_state: TaskState
    qpos: np.ndarray
    hold: np.ndarray
    action_delay_steps: np.ndarray


def begin(
    model: mujoco.MjModel,
    scene: Scene,
    where: Layout,
    task: Task,
    scenario: Scenario,
    numbers: tuple[int, ...],
    seed: int,
) -> Trials:
    """Return the beginning of the trials `numbers`; a trial is the same however many others run."""
    info = scene.info.model_copy(
        update={"randomization": scenario.entries, "signals": _plain(scene)}
    )
    plan = compile_plan(model, info, where)
    chances = [generator(seed, scenario.name, i, "begin") for i in numbers]
    uniform = np.array([chance.random(plan.width) for chance in chances], dtype=np.float32)
    memory = np.array([chance.random(task.draws.reset) for chance in chances], dtype=np.float32)
    pose = np.array([chance.random(task.draws.start) for chance in chances], dtype=np.float32)
    draws = _draws(plan, scenario, uniform)
    task_state = jax.lax.map(task.reset, jnp.asarray(memory))
    qpos, start = _start(where, task, plan, draws, task_state, pose)
    hold = info.actions.holding(start)
    delay = np.zeros(len(numbers), dtype=np.int64)
    if plan.action_latency is not None:
        seconds = draws[plan.action_latency.name][:, 0]
        delay = np.round(seconds / model.opt.timestep).astype(np.int64)
    return Trials(scenario, plan, numbers, draws, task_state, qpos, hold, delay)


def sensing(
    trials: Trials, index: int, scene: Scene, where: Layout, timestep_s: float, seed: int
) -> Sensing:
    """Return the sensors of trial `numbers[index]`, with noise of its own."""
    name, number = trials.scenario.name, trials.numbers[index]
    drawn = {entry: values[index] for entry, values in trials.draws.items()}
    measured = disturbances(scene.info.signals, trials.scenario.entries, drawn)
    columns = measured_columns(scene.info, where)
    return Sensing(columns, measured, timestep_s, generator(seed, name, number, "noise"))


def _plain(scene: Scene) -> tuple:
    # Latency ranges are scenarios here, so the plan must not add its own entries for them.
    return tuple(s.model_copy(update={"latency_s": (0.0, 0.0)}) for s in scene.info.signals)


def _draws(plan: Plan, scenario: Scenario, uniform: np.ndarray) -> dict[str, np.ndarray]:
    if scenario.draw == "random":
        drawn = jax.lax.map(plan.sample, jnp.asarray(uniform))
        return {name: np.asarray(values, dtype=np.float64) for name, values in drawn.items()}
    return {
        entry.name: np.full((len(uniform), size), scenario.pinned[entry.name])
        for entry, size in plan.entries
    }


def _start(
    where: Layout, task: Task, plan: Plan, draws, state: TaskState, uniform: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    def start(chance: jax.Array, drawn: dict[str, jax.Array], memory: TaskState):
        begun = task_start(task, where, chance, memory)
        return plan.moved(start_qpos(task, where, begun, memory), drawn), begun.joints

    narrow = {name: jnp.float32(values) for name, values in draws.items()}
    qpos, hold = jax.lax.map(lambda row: start(*row), (jnp.asarray(uniform), narrow, state))
    return np.asarray(qpos, dtype=np.float64), np.asarray(hold, dtype=np.float64)
