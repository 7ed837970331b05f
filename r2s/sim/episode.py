"""One episode of an exported policy on a simulated robot, tick by tick, with the robot's own runtime code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.edge.contract import Contract, parse_contract
from r2s.edge.controller import Controller, Tick
from r2s.edge.observe import Reading
from r2s.edge.policy import OnnxPolicy
from r2s.edge.runtime import Command
from r2s.edge.safety import Verdict
from r2s.sim.begin import start_qpos, task_start
from r2s.sim.model import Layout, layout, load_model
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.sim.transport import MujocoTransport
from r2s.sim.truth import sensors_of, true_moment
from r2s.tasks.task import Task, TaskState, bind


@dataclass(frozen=True)
class Moment:
    """One control period: what the robot read, when, and what its runtime made of it.

    Attributes:
        qpos: (nq,) of the simulation when it was read.
    """

    reading: Reading
    now_s: float
    tick: Tick
    qpos: np.ndarray


@dataclass(frozen=True)
class Arena:
    """A scene's exact model and its task, made once for many episodes.

    Attributes:
        advance: f(memory, sensordata, target, action, previous, chance) -> (memory, commands), compiled: a
            task may move its goal while it goes on, from what it knows to be true, as in training.
    """

    model: mujoco.MjModel
    scene: Scene
    where: Layout
    task: Task
    advance: Callable[..., tuple[TaskState, Mapping[str, jax.Array]]]


def arena(scene: Scene) -> Arena:
    """Return where episodes of the scene's task are played."""
    model = load_model(scene, "scene.xml")
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)  # objects at rest cost nothing
    where, task = layout(model, scene), bind(scene)

    @jax.jit
    def advance(memory, sensordata, target, action, previous, chance):
        sensors = sensors_of(where, sensordata)
        moment = true_moment(task, sensors, memory, target, action, previous)
        after, _ = task.advance(moment, chance)
        return after, task.commands(after)

    return Arena(model, scene, where, task, advance)


def play(
    arena: Arena, contract: Contract, policy: OnnxPolicy, random: np.random.Generator
) -> Iterator[Moment]:
    """Yield the control periods of one episode, until the task's end or until a guard stops the robot.

    Goal, start and sensor noise are drawn from `random`, what the task draws on its way from a stream
    of its own; physics is nominal.
    """
    chance = random.spawn(1)[0]
    model, info, task = arena.model, arena.scene.info, arena.task
    pose = jnp.asarray(random.random(task.draws.start), jnp.float32)
    memory = task.reset(jnp.asarray(random.random(task.draws.reset), jnp.float32))
    data = start(arena, pose, memory)
    given = {name: np.asarray(v, np.float64) for name, v in task.commands(memory).items()}
    measured = disturbances(info.signals, (), {})
    sensors = Sensing(measured_columns(info, arena.where), measured, model.opt.timestep, random)
    robot = MujocoTransport(model, data, info, arena.where, sensors, commands=given)
    robot.wait_until(contract.control_s)
    controller = Controller(contract, policy, robot.joint_names)
    previous = np.zeros(len(contract.actions.joints))
    for index in range(task.episode_steps):
        reading, now_s = robot.read(), robot.now_s()
        if index == 0:
            controller.reset(reading)
        tick = controller.tick(reading, now_s)
        yield Moment(reading, now_s, tick, data.qpos.copy())
        if tick.verdict in (Verdict.DAMP, Verdict.FAULT):
            return
        robot.write(
            Command(
                contract.actions.command,
                contract.actions.joints,
                tick.target,
                contract.kp,
                contract.kd,
            )
        )
        robot.wait_until((index + 2) * contract.control_s)
        drawn = chance.random(task.draws.advance)
        rows = (data.sensordata, tick.target, controller.action, previous, drawn)
        memory, orders = arena.advance(memory, *(jnp.float32(row) for row in rows))
        robot.commands = {name: np.asarray(order, np.float64) for name, order in orders.items()}
        previous = controller.action


def contract_and_policy(contract: Mapping[str, Any], onnx: bytes) -> tuple[Contract, OnnxPolicy]:
    """Return the runtime's view of a deployment contract and of an exported graph."""
    return parse_contract(contract), OnnxPolicy(onnx)


def start(arena: Arena, uniform: jax.Array, memory: TaskState) -> mujoco.MjData:
    """Return the simulation where the task starts it, actuators holding.

    Args:
        uniform: (task.draws.start,) in [0, 1); memory: of the episode that begins.
    """
    where, actions = arena.where, arena.scene.info.actions
    begun = task_start(arena.task, where, uniform, memory)
    qpos, home = np.asarray(start_qpos(arena.task, where, begun, memory)), where.home_qpos
    data = mujoco.MjData(arena.model)
    # What the task leaves at home stays there to the last digit of a double.
    data.qpos[:] = np.where(qpos == np.float32(home), home, qpos)
    data.ctrl[:] = where.home_ctrl
    data.ctrl[where.ctrl_index] = actions.holding(np.asarray(begun.joints))
    return data
