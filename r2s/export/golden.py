"""What the robot's computer must reproduce: inputs with float64 answers, and an episode tick by tick."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.arrays import unpack
from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.core.seeds import generator
from r2s.edge.contract import Contract
from r2s.edge.controller import Controller
from r2s.edge.golden import EXPECTED, INPUT, OBSERVATION, VALUE
from r2s.edge.policy import OnnxPolicy
from r2s.edge.runtime import Command
from r2s.edge.safety import Verdict
from r2s.policy.graph import PREVIOUS_TARGET, input_widths
from r2s.policy.parity import stratified_inputs
from r2s.policy.reference import reference_action, reference_target
from r2s.sim.model import layout, load_model
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.sim.transport import MujocoTransport
from r2s.tasks.task import Start, Task, bind

VECTORS = 1024
MIN_TICKS, MAX_EPISODES = 500, 100
# Absolute. The action's is the bound of onnxruntime on a CPU against float64 (measured 2.3e-6); the episode's
# leaves room for what small differences add up to in the remembered target.
TOLERANCES = {"action": 1e-5, "joint_pos_target": 1e-5, "episode": 1e-4}

Arrays = dict[str, np.ndarray]


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an npz file; equal arrays give equal bytes, and nothing in it is pickled."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(
                member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False
            )
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def golden_vectors(policy: Policy, episode: Arrays, seed: int) -> Arrays:
    """Return named inputs (n, width) float32 and expected outputs (n, joints) float64.

    A quarter of the rows comes from the episode, the others are spread over the normalizer's range.
    """
    info = policy.info
    weights = unpack(policy.weights)
    rows = stratified_inputs(
        weights["normalizer/mean"], weights["normalizer/std"], vectors=VECTORS, seed=seed
    )
    seen = np.concatenate([episode[OBSERVATION + s.name] for s in info.observations], axis=1)
    random = generator(seed, "golden")
    quarter = VECTORS // 4
    rows[-quarter:] = seen[random.integers(0, len(seen), quarter)]
    inputs, start = {}, 0
    for signal in info.observations:
        inputs[signal.name] = rows[:, start : start + signal.width]
        start += signal.width
    if PREVIOUS_TARGET not in inputs and PREVIOUS_TARGET in dict(
        input_widths(info.observations, info.actions)
    ):
        low, high = np.asarray(info.actions.low), np.asarray(info.actions.high)
        inputs[PREVIOUS_TARGET] = random.uniform(low, high, (VECTORS, len(low))).astype(np.float32)
    action = reference_action(weights, info.network, info.observation_clip, rows)
    previous = inputs.get(PREVIOUS_TARGET, np.zeros_like(action))
    target = reference_target(info.actions, action, previous.astype(np.float64))
    return {
        **{INPUT + name: array for name, array in inputs.items()},
        EXPECTED + "action": action,
        EXPECTED + "joint_pos_target": target,
    }


def golden_episode(policy: Policy, scene: Scene, contract: Contract, seed: int) -> Arrays:
    """Record whole episodes of the exported policy in the scene, until there are `MIN_TICKS` ticks."""
    model = load_model(scene, "scene.xml")
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)  # objects at rest cost nothing
    task = bind(scene.info, scene.goals, scene.spawns)
    session = OnnxPolicy(policy.onnx)
    ticks: list[Arrays] = []
    episode = 0
    while len(ticks) < MIN_TICKS and episode < MAX_EPISODES:
        ticks += _episode(model, scene, task, contract, session, seed, episode)
        episode += 1
    return {name: np.stack([tick[name] for tick in ticks]) for name in ticks[0]}


def _episode(
    model: mujoco.MjModel,
    scene: Scene,
    task: Task,
    contract: Contract,
    session: OnnxPolicy,
    seed: int,
    episode: int,
) -> list[Arrays]:
    random = generator(seed, "episode", episode)
    where = layout(model, scene)
    data = _start(model, scene, task, random)
    memory = task.reset(jnp.asarray(random.random(task.draws.reset), jnp.float32))
    given = {n: np.asarray(v, np.float64) for n, v in task.commands(memory).items()}
    measured = disturbances(scene.info.signals, (), {})
    sensors = Sensing(measured_columns(scene.info, where), measured, model.opt.timestep, random)
    robot = MujocoTransport(model, data, scene.info, where, sensors, commands=given)
    robot.wait_until(contract.control_s)
    controller = Controller(contract, session, robot.joint_names)
    ticks = []
    for index in range(task.episode_steps):
        reading, now_s = robot.read(), robot.now_s()
        if index == 0:
            controller.reset(reading)
        tick = controller.tick(reading, now_s)
        action = np.zeros(len(tick.target), np.float32) if tick.action is None else tick.action
        blank = {n: np.zeros(shape, np.float32) for n, shape in session.inputs.items()}
        seen = blank if tick.observation is None else tick.observation
        ticks.append(
            {
                "reset": np.bool_(index == 0),
                "now_s": np.float64(now_s),
                "stamp_s": np.float64(reading.stamp_s),
                "verdict": np.uint8(tick.verdict.value),
                "action": action,
                "command": tick.target,
                **{VALUE + name: value for name, value in reading.values.items()},
                **{OBSERVATION + n: value[0] for n, value in seen.items()},
            }
        )
        if tick.verdict in (Verdict.DAMP, Verdict.FAULT):
            break  # a policy exported in spite of its gate may well end here
        robot.write(
            Command("position", contract.actions.joints, tick.target, contract.kp, contract.kd)
        )
        robot.wait_until((index + 2) * contract.control_s)
    return ticks


def _start(
    model: mujoco.MjModel, scene: Scene, task: Task, random: np.random.Generator
) -> mujoco.MjData:
    where = layout(model, scene)
    base = where.base_qpos
    pose = where.home_qpos[base : base + 7] if base >= 0 else np.zeros(7)
    home = Start(jnp.float32(where.home_qpos[where.qpos_index]), jnp.float32(pose))
    begun = task.start(jnp.asarray(random.random(task.draws.start), jnp.float32), home)
    data = mujoco.MjData(model)
    data.qpos[:] = where.home_qpos
    data.qpos[where.qpos_index] = begun.joints
    if base >= 0:
        data.qpos[base : base + 7] = begun.base
    data.ctrl[:] = where.home_ctrl
    data.ctrl[where.ctrl_index] = begun.joints
    return data
