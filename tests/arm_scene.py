"""A small real Scene for tests: a 4- or 6-joint arm of capsules on a table, goals by sampling."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import mujoco
import numpy as np

from r2s.artifacts.kinematics import Chain, Link
from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.randomization import Randomize
from r2s.artifacts.robot import Joint, RobotInfo
from r2s.artifacts.scene import Scene, SceneInfo
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.policy.networks import PolicyState, initial_params
from r2s.policy.normalizer import empty
from r2s.sim.environment import Environment
from r2s.sim.model import load_model
from r2s.tasks.specs import REACH

AXES = ((0, 0, 1), (0, 1, 0), (0, 1, 0), (0, 1, 0), (1, 0, 0), (0, 1, 0))
LENGTHS = (0.06, 0.12, 0.12, 0.06, 0.04, 0.04)
BASE = (0.0, 0.0, 0.02)
HOME = (0.0, -0.6, 1.2, 0.6, 0.0, 0.3)
TIMESTEP_S, CONTROL_S = 0.005, 0.04

RANDOMIZATION = (
    Randomize(
        name="friction",
        target="geom",
        select="*",
        field="friction",
        operation="scale",
        low=0.5,
        high=1.5,
    ),
    Randomize(
        name="link_mass",
        target="body",
        select="robot/*",
        field="mass",
        operation="scale",
        low=0.8,
        high=1.2,
        per="target",
    ),
    Randomize(
        name="damping",
        target="joint",
        select="robot/*",
        field="damping",
        operation="scale",
        low=0.7,
        high=1.5,
    ),
    Randomize(
        name="gain",
        target="actuator",
        select="robot/*",
        field="gain",
        operation="scale",
        low=0.8,
        high=1.2,
    ),
    Randomize(
        name="action_latency", target="action", field="latency", operation="abs", low=0.0, high=0.02
    ),
    Randomize(
        name="encoder_bias",
        target="signal",
        select="joint_pos",
        field="bias",
        operation="add",
        low=-0.005,
        high=0.005,
        per="target",
    ),
)


def joint_sensors(names: Iterable[str]) -> str:
    """Return the sensors of the robot's joints, positions first."""
    return "".join(
        f'<joint{kind} name="joint_{kind}/{n}" joint="robot/{n}"/>'
        for kind in ("pos", "vel")
        for n in names
    )


def arm_xml(joints: int = 4, clutter: bool = True) -> str:
    """Return the training MJCF of the arm on its table."""
    inner = ""
    for i in reversed(range(joints)):
        height = 0.02 if i == 0 else LENGTHS[i - 1]
        axis = " ".join(map(str, AXES[i]))
        tip = f'<site name="robot/ee" pos="0 0 {LENGTHS[i]}"/>' if i == joints - 1 else ""
        inner = f"""
          <body name="robot/l{i}" pos="0 0 {height}">
            <joint name="robot/j{i}" axis="{axis}" range="-1.8 1.8" damping="0.2" armature="0.01"/>
            <geom name="robot/g{i}" type="capsule" size="0.02" fromto="0 0 0 0 0 {LENGTHS[i]}"
                  mass="0.1"/>{tip}{inner}
          </body>"""
    bodies = ["robot/base", *[f"robot/l{i}" for i in range(joints)]]
    exclude = "".join(
        f'<exclude body1="{a}" body2="{b}"/>'
        for i, a in enumerate(bodies)
        for b in bodies[i + 1 : i + 3]
    )
    names = [f"j{i}" for i in range(joints)]
    motors = "".join(
        f'<position name="robot/{n}" joint="robot/{n}" kp="12" kv="1" forcerange="-4 4"/>'
        for n in names
    )
    sensors = joint_sensors(names)
    home = " ".join(map(str, HOME[:joints]))
    mug = '<geom name="mug" type="capsule" size="0.03 0.04" pos="0.12 0.22 0.04"/>'
    return f"""
    <mujoco>
      <compiler angle="radian"/>
      <option timestep="{TIMESTEP_S}" integrator="implicitfast" iterations="8"
              ls_iterations="12"/>
      <worldbody>
        <geom name="table" type="plane" size="1 1 0.1"/>{mug if clutter else ""}
        <body name="robot/base" pos="{BASE[0]} {BASE[1]} {BASE[2]}">
          <geom name="robot/stand" type="sphere" size="0.02" mass="0.3"/>{inner}
        </body>
      </worldbody>
      <contact>{exclude}</contact>
      <actuator>{motors}</actuator>
      <sensor>
        {sensors}
        <framepos name="ee_pos" objtype="site" objname="robot/ee" reftype="body"
                  refname="robot/base"/>
      </sensor>
      <keyframe><key name="home" qpos="{home}" ctrl="{home}"/></keyframe>
    </mujoco>"""


def arm_chain(joints: int = 4) -> Chain:
    """Return the arm's chain from its base to the site `ee`."""
    links = [
        Link(
            position=(0.0, 0.0, 0.02 if i == 0 else LENGTHS[i - 1]),
            quaternion=(1, 0, 0, 0),
            joint=f"j{i}",
            axis=tuple(map(float, AXES[i])),
        )
        for i in range(joints)
    ]
    tip = Link(position=(0.0, 0.0, LENGTHS[joints - 1]), quaternion=(1, 0, 0, 0))
    return Chain(base="base", tip="ee", links=(*links, tip))


def arm_scene(
    joints: int = 4,
    randomization: tuple[Randomize, ...] = RANDOMIZATION,
    clutter: bool = True,
    **parameters: float,
) -> Scene:
    """Return the whole Scene; `parameters` are the task's."""
    names = tuple(f"j{i}" for i in range(joints))
    xml = arm_xml(joints, clutter)
    model = mujoco.MjModel.from_xml_string(xml)
    goals, configurations = _goals(model, joints)
    pos = tuple(f"joint_pos/{n}" for n in names)
    vel = tuple(f"joint_vel/{n}" for n in names)
    xyz = ("x", "y", "z")
    signals = (
        Signal(
            name="joint_pos",
            elements=names,
            unit="rad",
            frame="joint",
            kind="measured",
            sensors=pos,
            noise_sigma=0.002,
        ),
        Signal(
            name="joint_vel",
            elements=names,
            unit="rad/s",
            frame="joint",
            kind="measured",
            sensors=vel,
            noise_sigma=0.02,
            latency_s=(0.0, 0.01),
        ),
        Signal(name="joint_target", elements=names, unit="rad", frame="joint", kind="measured"),
        Signal(name="last_action", elements=names, unit="1", kind="measured"),
        Signal(name="goal_pos", elements=xyz, unit="m", frame="robot_base", kind="measured"),
        Signal(
            name="ee_to_goal",
            elements=xyz,
            unit="m",
            frame="robot_base",
            kind="derived",
            derivation="ee_to_goal",
        ),
        Signal(
            name="ee_pos",
            elements=xyz,
            unit="m",
            frame="robot_base",
            kind="privileged",
            sensors=("ee_pos",),
        ),
    )
    robot = RobotInfo(
        name="testarm",
        kind="arm",
        base="fixed",
        base_body="base",
        joints=tuple(
            Joint(
                name=n,
                kind="hinge",
                low=-1.8,
                high=1.8,
                velocity=3.0,
                effort=4.0,
                home=HOME[i],
                kp=12.0,
                kd=1.0,
            )
            for i, n in enumerate(names)
        ),
        actuators=names,
        chain=arm_chain(joints),
        ee_site="ee",
        mass_kg=0.3 + 0.1 * joints,
        source_format="mjcf",
    )
    info = SceneInfo(
        task=REACH.model_copy(update={"parameters": {**REACH.parameters, **parameters}}),
        robot=robot,
        base_position_m=BASE,
        base_quaternion=(1.0, 0.0, 0.0, 0.0),
        signals=signals,
        observations=("joint_pos", "joint_vel", "joint_target", "goal_pos", "ee_to_goal"),
        critic=("ee_pos",),
        actions=ActionSpec(
            joints=names,
            mode="relative",
            scale=(0.1,) * joints,
            offset=(0.0,) * joints,
            low=(-1.8,) * joints,
            high=(1.8,) * joints,
        ),
        chain=arm_chain(joints),
        control_s=CONTROL_S,
        timestep_s=TIMESTEP_S,
        randomization=randomization,
        movable=(),
        bodies=model.nbody,
        geoms=model.ngeom,
        nq=model.nq,
        nv=model.nv,
        nu=model.nu,
        settle_speed_m_s=0.0,
        camera_position_m=(0.6, 0.6, 0.5),
        camera_target_m=(0.0, 0.0, 0.2),
    )
    files = {"scene_train.xml": xml.encode(), "scene.xml": xml.encode()}
    return Scene(info, files, goals, configurations, np.zeros((0, 3), np.float32))


def _goals(model: mujoco.MjModel, joints: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    base, site = model.body("robot/base").id, model.site("robot/ee").id
    goals, configurations = [], []
    while len(goals) < count:
        data.qpos[:] = rng.uniform(-1.6, 1.6, joints)
        mujoco.mj_forward(model, data)
        if data.ncon == 0 and data.site_xpos[site][2] > 0.05:
            goals.append(data.site_xpos[site] - data.xpos[base])
            configurations.append(data.qpos.copy())
    return np.float32(goals), np.float32(configurations)


@cache
def small_environment() -> Environment:
    """Return a 3-joint arm with the default randomization, compiled once per process."""
    scene = arm_scene(3, clutter=False)
    network = NetworkSpec(actor=(16,), critic=(16,))
    return Environment.build(scene, load_model(scene), network, 5.0)


def some_policy(environment: Environment, seed: int = 0) -> PolicyState:
    """Return random weights that move the arm."""
    widths = environment.observation_width, environment.critic_width, environment.action_width
    random = np.random.default_rng(seed)
    params = initial_params(random, environment.network, *widths, std=0.3)
    last = len(environment.network.actor)
    params[f"actor/{last}/w"] = params[f"actor/{last}/w"] * 50
    return PolicyState(params, empty(environment.critic_width))


def key(*numbers: int) -> np.ndarray:
    """Return a generator key."""
    return np.array([*numbers, 0][:2], np.uint32)
