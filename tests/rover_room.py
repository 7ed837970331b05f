"""A room of boxes and planes, the rover of `samples/`, and the scene they make with `navigate`."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np

from r2s.artifacts.arrays import pack
from r2s.artifacts.geometry import Geom, Range
from r2s.artifacts.policy import NetworkSpec, Parity, Policy, PolicyInfo, TrainingSummary
from r2s.artifacts.reconstruction import Body, Reconstruction, ReconstructionInfo, TwinAudit
from r2s.artifacts.robot import Robot
from r2s.artifacts.scene import Scene
from r2s.core.context import StageContext
from r2s.policy.graph import OPSET, build_graph
from r2s.policy.metadata import deployment_metadata
from r2s.sim.model import load_model

URDF = Path(__file__).parent.parent / "samples" / "rover" / "rover.urdf"
HALF_M, WALL_M = 2.0, 0.05  # the room from the middle to its walls, and their half thickness
PILLAR = (0.6, 0.0, 0.2)  # x, y and half side of what stands in it
FRICTION = Range(value=0.6, low=0.3, high=1.0, source="table")
SIDE = float(np.sqrt(0.5))


def body(name: str, role: Literal["floor", "wall", "clutter"], geom: Geom) -> Body:
    return Body(
        name=name, role=role, mobility="static", geoms=(geom,), fit=geom.shape, friction=FRICTION
    )


def walls() -> list[Body]:
    """Three boxes, and at -x a plane that looks into the room."""
    at, thick = HALF_M + WALL_M, (WALL_M, HALF_M, 0.5)
    along = (HALF_M, WALL_M, 0.5)
    plane = Geom(
        shape="plane", size=(HALF_M, HALF_M, 0), position=(-HALF_M, 0, 0.5),
        quaternion=(SIDE, 0, SIDE, 0),
    )  # fmt: skip
    return [
        body("wall_0", "wall", Geom(shape="box", size=thick, position=(at, 0, 0.5))),
        body("wall_1", "wall", Geom(shape="box", size=along, position=(0, at, 0.5))),
        body("wall_2", "wall", Geom(shape="box", size=along, position=(0, -at, 0.5))),
        body("wall_3", "wall", plane),
    ]


def place(*more: Body) -> Reconstruction:
    floor = Geom(shape="plane", size=(HALF_M, HALF_M, 0), position=(0, 0, 0))
    audit = TwinAudit(
        twin_median_m=0.001, twin_p95_m=0.01, unexplained_fraction=0.0, phantom_fraction=0.0,
        blocked_all=0.0, blocked_2cm=0.0, blocked_5cm=0.0, missed_2cm=0.0, rays=1,
    )  # fmt: skip
    bodies = (body("floor", "floor", floor), *walls(), *more)
    info = ReconstructionInfo(bodies=bodies, audit=audit, viewpoint_evidence="made by hand")
    return Reconstruction(info, (), np.zeros(0, np.int32), ())


def pillar() -> Body:
    x, y, half = PILLAR
    return body(
        "clutter_0", "clutter", Geom(shape="box", size=(half, half, 0.5), position=(x, y, 0.5))
    )


@cache
def rover() -> Robot:
    from r2s.robot.stage import Config, run

    with tempfile.TemporaryDirectory() as scratch:
        context = StageContext(scratch=Path(scratch), sources={"robot": URDF}, seed=0)
        return run({}, Config(samples=100), context)


@cache
def rover_scene(**numbers: float) -> Scene:
    """Return the scene; `numbers` are parameters of the task."""
    from r2s.scene.stage import Config, run

    with tempfile.TemporaryDirectory() as scratch:
        return run(
            {"reconstruction": place(pillar()), "robot": rover()},
            Config(goals=60, parameters=numbers),
            StageContext(scratch=Path(scratch), seed=0),
        )


def standing(scene: Scene, x: float, y: float, yaw: float, file: str = "scene_train.xml"):
    """Return (model, data) with the rover at home somewhere."""
    model = load_model(scene, file)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    base = model.body("robot/base").jntadr[0]
    address = model.jnt_qposadr[base]
    data.qpos[address : address + 2] = x, y
    data.qpos[address + 3 : address + 7] = np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)
    return model, data


def read(model, data, name: str) -> np.ndarray:
    """Return the data of all sensors called `name` or `name/...`, in order."""
    found = [
        data.sensordata[model.sensor_adr[i] : model.sensor_adr[i] + model.sensor_dim[i]]
        for i in range(model.nsensor)
        if model.sensor(i).name.split("/")[0] == name
    ]
    return np.concatenate(found)


def drive(model, data, left: float, right: float, seconds: float) -> None:
    """Turn the wheels at speeds [rad/s]."""
    data.ctrl[:] = left, right
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)


def steering(scene: Scene, ahead: float = 1.0, left: float = 1.5) -> Policy:
    """Return a policy that was never trained: wheel speeds in proportion to where the goal is."""
    info = scene.info
    widths = [info.signal(name).width for name in info.observations]
    first = sum(widths[: info.observations.index("goal_direction")])
    gain = np.zeros((sum(widths), 2))
    gain[first : first + 2] = [[ahead, ahead], [-left, left]]  # the left wheel, the right wheel
    weights = {
        "actor/0/w": np.hstack([gain, -gain]), "actor/0/b": np.zeros(4),
        "actor/1/w": np.vstack([np.eye(2), -np.eye(2)]), "actor/1/b": np.zeros(2),
        "normalizer/mean": np.zeros(sum(widths)), "normalizer/std": np.ones(sum(widths)),
    }  # fmt: skip
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    network = NetworkSpec(actor=(4,), critic=(4,), activation="relu")
    joints = {joint.name: joint for joint in info.robot.joints}
    moved = [joints[name] for name in info.actions.joints]
    facts = {
        "control_s": info.control_s,
        "gains": {joint.name: (joint.kp, joint.kd) for joint in moved},
        "limits": {j.name: (j.low, j.high, j.velocity, j.effort) for j in moved},
        "home": {joint.name: joint.home for joint in moved},
    }
    observations = tuple(info.signal(name) for name in info.observations)
    onnx = build_graph(
        observations=observations, actions=info.actions, network=network, observation_clip=10.0,
        weights=weights,
        metadata=deployment_metadata(
            robot=info.robot.name, task=info.task.model_dump(mode="json"), actions=info.actions,
            chain=None, **facts,
        ),
    )  # fmt: skip
    untrained = TrainingSummary(
        engine="cpu", iterations=0, env_steps=0, copies=0, success_rate=0.0, return_mean=0.0,
        crashes=0, episodes=0,
    )  # fmt: skip
    return Policy(
        PolicyInfo(
            robot=info.robot.name, task=info.task, observations=observations, critic=(),
            actions=info.actions, chain=None, network=network, observation_clip=10.0,
            randomization=info.randomization, training=untrained,
            parity=Parity(vectors=0, max_abs=0.0, onnxruntime=""), onnx_opset=OPSET, **facts,
        ),
        pack(weights), onnx, b"",
    )  # fmt: skip
