"""A scene's training model in MuJoCo, and where its signals and joints live in it."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX, Scene
from r2s.artifacts.signal import Signal
from r2s.core.coupled import Follower, followers
from r2s.core.errors import R2SError

TRAIN_FILE = "scene_train.xml"


@dataclass(frozen=True)
class Layout:
    """Addresses in one compiled model.

    Attributes:
        sensor_index: signal name to (width,) columns of `sensordata`, for signals with sensors.
        ctrl_index: (a,) actuator of each action joint.
        qpos_index: (a,) position address of each action joint.
        home_qpos, home_ctrl: (nq,), (nu,) of the home keyframe.
        base_qpos: address of the floating base's 7 numbers in qpos, or -1.
        base_body: body id of the robot's base.
        thing_qpos: address of the 7 numbers of the thing that the task moves in qpos, or -1.
        coupled: joints that follow another.
        substeps: physics steps per control step.
    """

    sensor_index: dict[str, np.ndarray]
    ctrl_index: np.ndarray
    qpos_index: np.ndarray
    home_qpos: np.ndarray
    home_ctrl: np.ndarray
    base_qpos: int
    base_body: int
    thing_qpos: int
    coupled: tuple[Follower, ...]
    substeps: int


def load_model(scene: Scene, file: str = TRAIN_FILE) -> mujoco.MjModel:
    """Return one of the scene's MJCF models, compiled from memory.

    Raises:
        R2SError: MuJoCo refuses it (`R2S-SIM-001`).
    """
    assets = {name: data for name, data in scene.files.items() if not name.endswith(".xml")}
    try:
        return mujoco.MjModel.from_xml_string(scene.files[file].decode(), assets)
    except (ValueError, KeyError) as error:
        raise R2SError(
            "R2S-SIM-001",
            f"MuJoCo cannot compile {file}: {error}",
            where=f"scene of robot {scene.info.robot.name}",
            why="training needs the twin's training model",
            remedy="r2s build-scene --rebuild",
        ) from error


def layout(model: mujoco.MjModel, scene: Scene) -> Layout:
    """Find the scene's signals, joints and actuators in the compiled model, by name.

    Raises:
        R2SError: something named in the scene is not in the model (`R2S-SIM-002`), or the control
            period is no multiple of the time step (`R2S-SIM-003`).
    """
    info = scene.info
    joints = [_joint(model, name) for name in info.actions.joints]
    key = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_KEY, HOME_KEYFRAME)
    home_qpos = model.key_qpos[key].copy() if key >= 0 else model.qpos0.copy()
    home_ctrl = model.key_ctrl[key].copy() if key >= 0 else np.zeros(model.nu)
    base_body = _base_body(model, info.robot.base_body)
    return Layout(
        sensor_index={s.name: _columns(model, s) for s in info.signals if s.sensors},
        ctrl_index=np.array([_actuator(model, joint) for joint in joints], np.int32),
        qpos_index=model.jnt_qposadr[joints].astype(np.int32),
        home_qpos=home_qpos,
        home_ctrl=home_ctrl,
        base_qpos=_free_joint_address(model, base_body),
        base_body=base_body,
        thing_qpos=_thing_address(model, info.thing),
        coupled=followers(model),
        substeps=_substeps(model, info.control_s),
    )


def _substeps(model: mujoco.MjModel, control_s: float) -> int:
    substeps = round(control_s / model.opt.timestep)
    if substeps < 1 or abs(substeps * model.opt.timestep - control_s) > 1e-9:
        raise R2SError(
            "R2S-SIM-003",
            f"control period {control_s} s is no multiple of the time step {model.opt.timestep} s",
            where=TRAIN_FILE,
            why="a policy must act on whole physics steps",
            remedy="r2s build-scene --rebuild",
        )
    return substeps


def _columns(model: mujoco.MjModel, signal: Signal) -> np.ndarray:
    columns: list[int] = []
    for name in signal.sensors:
        sensor = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR, name)
        if sensor < 0:
            raise _missing("sensor", name, f"signal {signal.name}")
        start = int(model.sensor_adr[sensor])
        columns += range(start, start + int(model.sensor_dim[sensor]))
    if len(columns) != signal.width:
        raise R2SError(
            "R2S-SIM-002",
            f"signal {signal.name} has {signal.width} elements, its sensors give {len(columns)}",
            where=", ".join(signal.sensors),
            why="signals are matched element by element",
            remedy="r2s build-scene --rebuild",
        )
    return np.array(columns, np.int32)


def _joint(model: mujoco.MjModel, name: str) -> int:
    for candidate in (ROBOT_PREFIX + name, name):
        joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, candidate)
        if joint >= 0:
            return joint
    raise _missing("joint", name, "the action")


def _actuator(model: mujoco.MjModel, joint: int) -> int:
    kinds = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))
    for actuator in range(model.nu):
        if model.actuator_trntype[actuator] in kinds and model.actuator_trnid[actuator, 0] == joint:
            return actuator
    raise _missing("actuator of joint", model.joint(joint).name, "the action")


def _base_body(model: mujoco.MjModel, name: str) -> int:
    for candidate in (ROBOT_PREFIX + name, name):
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, candidate)
        if body >= 0:
            return body
    raise _missing("body", name, "the robot's base")


def _free_joint_address(model: mujoco.MjModel, body: int) -> int:
    joint = int(model.body_jntadr[body])
    if joint < 0 or model.jnt_type[joint] != int(mujoco.mjtJoint.mjJNT_FREE):
        return -1
    return int(model.jnt_qposadr[joint])


def _thing_address(model: mujoco.MjModel, name: str) -> int:
    if not name:
        return -1
    body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)
    if body < 0 or (address := _free_joint_address(model, body)) < 0:
        raise _missing("free body", name, "what the task moves")
    return address


def _missing(kind: str, name: str, user: str) -> R2SError:
    return R2SError(
        "R2S-SIM-002",
        f"{TRAIN_FILE} has no {kind} called {name!r}",
        where=user,
        why="signals, joints and actuators are matched by name",
        remedy="r2s build-scene --rebuild",
    )
