"""Many trials at once: physics of all on a thread pool, then each trial's own controller, tick by tick.

Each trial has the controller that runs on the robot (`r2s.edge.controller`), with its own memory, envelope
and sensors; `equality` proves that the outcome is that of the robot's runtime, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from r2s.artifacts.scene import Scene
from r2s.core.seeds import generator
from r2s.edge.contract import Contract
from r2s.edge.controller import Controller
from r2s.edge.policy import OnnxPolicy
from r2s.edge.safety import Verdict
from r2s.sim.model import Layout
from r2s.tasks.task import Task, TaskState
from r2s.validate.judge import Judge
from r2s.validate.trial import Trials, sensing

SETTLE_PERIODS = 1  # control periods in which the start pose is held before the first tick


@dataclass(frozen=True)
class Outcome:
    """How one trial went.

    Attributes:
        success: the task's event held at the end, no guard latched, and nothing crashed.
        error: the task's final error, in its unit.
        cause: why it could not go on (a guard, a fall, an engine error), or "".
        guards: guard name to violations, where there were any.
        commands: (ticks, joints) joint targets sent.
        given: per tick, the task's command signals.
        qpos: (nq,) at the end.
    """

    success: bool
    error: float
    cause: str
    guards: dict[str, int]
    commands: np.ndarray
    given: tuple[dict[str, np.ndarray], ...]
    qpos: np.ndarray


@dataclass(frozen=True)
class Bench:
    """What all trials share; `commands` gives the task's command signals of its memory, leading axis n."""

    model: mujoco.MjModel
    scene: Scene
    where: Layout
    task: Task
    judge: Judge
    commands: Callable[[TaskState], Mapping[str, Any]]
    contract: Contract
    policy: OnnxPolicy
    threads: int
    stop: Callable[[], None]


def make_batch(bench: Bench, trials: Trials) -> Batch:
    """Return the trials' simulations at their start, each with its own physical parameters."""
    n = len(trials.numbers)
    # Sleeping needs an MjData for each simulation (`persistent`).
    batch = Batch(bench.model, n, bench.threads, persistent=True)
    fields = trials.plan.fields(trials.draws, np) if trials.draws else {}
    for name, values in fields.items():
        batch.expand(name)[:] = values
    if fields and trials.plan.needs_set_const:
        batch.set_const()
    batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
    batch.bind("qpos")[:] = trials.qpos
    ctrl = batch.bind("ctrl")
    ctrl[:] = bench.where.home_ctrl
    ctrl[:, bench.where.ctrl_index] = trials.hold
    return batch


def run_trials(bench: Bench, trials: Trials, seed: int) -> list[Outcome]:
    """Run every trial to its end."""
    return _Rollout(bench, trials, seed).run()


class _Rollout:
    def __init__(self, bench: Bench, trials: Trials, seed: int):
        self.bench, self.trials = bench, trials
        n, where = len(trials.numbers), bench.where
        self.batch = make_batch(bench, trials)
        self.qpos = self.batch.bind("qpos")
        names = bench.scene.info.signal("joint_pos").elements
        self.controllers = [Controller(bench.contract, bench.policy, names) for _ in range(n)]
        step_s = bench.model.opt.timestep
        name, numbers = trials.scenario.name, trials.numbers
        self.chances = [generator(seed, name, number, "task") for number in numbers]
        self.sensors = [sensing(trials, i, bench.scene, where, step_s, seed) for i in range(n)]
        self.applied = np.tile(where.home_ctrl, (n, 1))
        self.applied[:, where.ctrl_index] = trials.hold
        self.pending: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(n)]
        self.steps = 0
        self.causes = [""] * n
        self.damped = np.zeros(n, bool)

    def run(self) -> list[Outcome]:
        bench, n = self.bench, len(self.trials.numbers)
        for _ in range(SETTLE_PERIODS):
            self._physics()
        state, ruling = self.trials.task_state, None
        commands, given = [], []
        for tick in range(bench.task.episode_steps):
            bench.stop()
            previous = np.array([controller.action for controller in self.controllers])
            orders = {k: np.asarray(v) for k, v in bench.commands(state).items()}
            given.append(orders)
            commands.append(self._tick(orders, first=tick == 0))
            if tick == 0:
                previous = np.zeros_like(previous)
            sensordata = self._physics()
            action = np.array([controller.action for controller in self.controllers])
            state, ruling = bench.judge(
                state, sensordata, commands[-1], action, previous, self._chance()
            )
            for i in np.flatnonzero(ruling.terminated):
                self.causes[i] = self.causes[i] or "the task ended it"
        assert ruling is not None
        sent = np.stack(commands, axis=1)
        return [
            Outcome(
                success=bool(ruling.success[i]) and not self.causes[i],
                error=float(ruling.error[i]),
                cause=self.causes[i],
                guards={k: v for k, v in self.controllers[i].envelope.counts.items() if v},
                commands=sent[i],
                given=tuple(
                    {name: values[i] for name, values in orders.items()} for orders in given
                ),
                qpos=self.qpos[i].copy(),
            )
            for i in range(n)
        ]

    def _chance(self) -> np.ndarray:
        count = self.bench.task.draws.advance
        return np.array([chance.random(count) for chance in self.chances])

    def _tick(self, orders: dict[str, np.ndarray], *, first: bool) -> np.ndarray:
        """Let every controller decide; queue what it says. Returns (n, joints) targets."""
        now_s = self.steps * self.bench.model.opt.timestep
        targets = []
        for i, controller in enumerate(self.controllers):
            mine = {name: values[i] for name, values in orders.items()}
            if first:
                controller.reset(self.sensors[i].read(mine, now_s))
            if not self.damped[i]:
                tick = controller.tick(self.sensors[i].read(mine, now_s), now_s)
                if tick.verdict in (Verdict.DAMP, Verdict.FAULT):
                    self.damped[i] = True
                    self.causes[i] = self.causes[i] or f"guard {controller.envelope.reason}"
            target = controller.target
            if self.damped[i]:
                here = self.qpos[i, self.bench.where.qpos_index].copy()
                target = self.bench.scene.info.actions.holding(here)
            self.pending[i].append((self.steps + int(self.trials.action_delay_steps[i]), target))
            targets.append(controller.target)
        return np.array(targets)

    def _physics(self) -> np.ndarray:
        """Step one control period; returns (n, nsensordata) at its end."""
        where, n = self.bench.where, len(self.trials.numbers)
        control = np.repeat(self.applied[:, None], where.substeps, axis=1)
        for i, queue in enumerate(self.pending):
            while queue and queue[0][0] < self.steps + where.substeps:
                due, target = queue.pop(0)
                control[i, max(due - self.steps, 0) :, where.ctrl_index] = target[:, None]
        warned = self.batch.warning[:, :, 1].sum(axis=1)
        record = {"sensordata": np.empty((n, where.substeps, self.bench.model.nsensordata))}
        try:
            self.batch.rollout(where.substeps, control=control, record=("sensordata",), out=record)
        except SimulationError as error:
            for i in error.ids:
                self.causes[i] = self.causes[i] or f"engine: {self.batch.error(int(i)) or error}"
        for i in np.flatnonzero(self.batch.warning[:, :, 1].sum(axis=1) > warned):
            self.causes[i] = self.causes[i] or "engine warning"
        self.applied = control[:, -1]
        self.steps += where.substeps
        for sensor, samples in zip(self.sensors, record["sensordata"], strict=True):
            sensor.push(samples)
        return record["sensordata"][:, -1]
