"""A small real Scene for tests: a dog of capsules with twelve joints on a floor, told to walk."""

from __future__ import annotations

import mujoco
import numpy as np
from arm_scene import joint_sensors

from r2s.artifacts.robot import Joint, RobotInfo
from r2s.artifacts.scene import Scene, SceneInfo
from r2s.artifacts.signal import Signal
from r2s.scene.compose import HEIGHT_QUATERNION, HEIGHT_SITE
from r2s.scene.signals import absolute_actions
from r2s.tasks.specs import VELOCITY

CORNERS = {"FL": (0.15, 0.1), "FR": (0.15, -0.1), "RL": (-0.15, 0.1), "RR": (-0.15, -0.1)}
AXES = {"roll": "1 0 0", "hip": "0 1 0", "knee": "0 1 0"}
POSE = {"roll": 0.0, "hip": 0.7, "knee": -1.4}
JOINTS = tuple(f"{corner}_{joint}" for corner in CORNERS for joint in AXES)
HEIGHT_M, STRIDE_S, TIMESTEP_S, CONTROL_S = 0.25, 0.3, 0.005, 0.02


def _leg(name: str, x: float, y: float, feet: bool) -> str:
    def joint(kind: str) -> str:
        full = f"robot/{name}_{kind}"
        return f'<joint name="{full}" axis="{AXES[kind]}" range="-2.5 2.5" damping="0.1" armature="0.01"/>'

    at = 'pos="0 0 -0.15"'
    ball = f'<geom name="robot/{name}_foot" type="sphere" size="0.02" mass="0.02" {"" if feet else at}/>'
    foot = f'<body name="robot/{name}_foot" {at}>{ball}</body>' if feet else ball

    return f"""
      <body name="robot/{name}_thigh" pos="{x} {y} 0">{joint("roll")}{joint("hip")}
        <geom type="capsule" size="0.015" fromto="0 0 0 0 0 -0.15" mass="0.3" contype="0" conaffinity="0"/>
        <body name="robot/{name}_shin" pos="0 0 -0.15">{joint("knee")}
          <geom type="capsule" size="0.012" fromto="0 0 0 0 0 -0.15" mass="0.1" contype="0" conaffinity="0"/>
          {foot}
        </body>
      </body>"""


def dog_xml(feet: bool = True) -> str:
    """Return the training MJCF."""
    legs = "".join(_leg(name, *corner, feet) for name, corner in CORNERS.items())
    motors = "".join(
        f'<position name="robot/{n}" joint="robot/{n}" kp="60" kv="1.5" forcerange="-15 15"/>'
        for n in JOINTS
    )
    sensors = joint_sensors(JOINTS)
    upwards = " ".join(map(str, HEIGHT_QUATERNION))
    pose = " ".join(str(POSE[name.split("_")[1]]) for name in JOINTS)
    return f"""
    <mujoco>
      <compiler angle="radian"/>
      <option timestep="{TIMESTEP_S}" integrator="implicitfast" iterations="8" ls_iterations="12"/>
      <worldbody>
        <site name="{HEIGHT_SITE}" quat="{upwards}"/>
        <geom name="floor" type="plane" size="5 5 0.1"/>
        <body name="robot/trunk" pos="0 0 {HEIGHT_M}"><freejoint/>
          <geom type="box" size="0.15 0.06 0.04" mass="4" contype="0" conaffinity="0"/>
          <site name="robot/imu"/>{legs}
        </body>
      </worldbody>
      <actuator>{motors}</actuator>
      <sensor>
        {sensors}
        <framequat name="base_quat" objtype="xbody" objname="robot/trunk"/>
        <gyro name="base_ang_vel" site="robot/imu"/>
        <velocimeter name="base_lin_vel" site="robot/imu"/>
        <framepos name="base_height" objtype="xbody" objname="robot/trunk"
                  reftype="site" refname="{HEIGHT_SITE}"/>
      </sensor>
      <keyframe><key name="home" qpos="0 0 {HEIGHT_M} 1 0 0 0 {pose}" ctrl="{pose}"/></keyframe>
    </mujoco>"""


def dog_scene(feet: bool = True) -> Scene:
    """Return the whole Scene, without randomization.

    Args:
        feet: as bodies of their own; else balls at the end of the shins, as in many MJCF files.
    """
    xml = dog_xml(feet)
    model = mujoco.MjModel.from_xml_string(xml)
    joints = tuple(
        Joint(
            name=n, kind="hinge", low=-2.5, high=2.5, velocity=20.0, effort=15.0,
            home=POSE[n.split("_")[1]], kp=60.0, kd=1.5,
        )
        for n in JOINTS
    )  # fmt: skip
    xyz = ("x", "y", "z")

    def joint_signal(kind: str, unit: str) -> Signal:
        return Signal(
            name=f"joint_{kind}", elements=JOINTS, unit=unit, frame="joint", kind="measured",
            sensors=tuple(f"joint_{kind}/{n}" for n in JOINTS),
        )  # fmt: skip

    def base(name: str, elements=xyz, kind="measured") -> Signal:
        return Signal(name=name, elements=elements, unit="1", kind=kind, sensors=(name,))

    signals = (
        joint_signal("pos", "rad"),
        joint_signal("vel", "rad/s"),
        Signal(name="last_action", elements=JOINTS, unit="1", kind="measured"),
        base("base_quat", ("w", "x", "y", "z")),
        base("base_ang_vel"),
        base("base_lin_vel", kind="privileged"),
        base("base_height", ("z", "x", "y"), kind="privileged"),
        Signal(
            name="projected_gravity", elements=xyz, unit="1", kind="derived",
            derivation="projected_gravity",
        ),
        Signal(name="command_velocity", elements=xyz, unit="m/s", kind="measured"),
        Signal(
            name="gait_phase", elements=("sine", "cosine"), unit="1", kind="measured",
            period_s=STRIDE_S,
        ),
    )  # fmt: skip
    robot = RobotInfo(
        name="testdog", kind="quadruped", base="floating", base_body="trunk", joints=joints,
        actuators=JOINTS, imu_site="imu",
        feet=tuple(f"{corner}_{'foot' if feet else 'shin'}" for corner in CORNERS),
        base_height_m=HEIGHT_M, mass_kg=5.7, source_format="mjcf",
    )  # fmt: skip
    info = SceneInfo(
        task=VELOCITY, robot=robot,
        base_position_m=(0.0, 0.0, HEIGHT_M), base_quaternion=(1.0, 0.0, 0.0, 0.0),
        signals=signals,
        observations=(
            "base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "last_action",
            "command_velocity", "gait_phase",
        ),
        critic=("base_lin_vel",), actions=absolute_actions(joints), chain=None,
        control_s=CONTROL_S, timestep_s=TIMESTEP_S, randomization=(), movable=(),
        bodies=model.nbody, geoms=model.ngeom, nq=model.nq, nv=model.nv, nu=model.nu,
        settle_speed_m_s=0.0, camera_position_m=(1.0, 1.0, 0.5), camera_target_m=(0.0, 0.0, 0.2),
    )  # fmt: skip
    files = {"scene_train.xml": xml.encode(), "scene.xml": xml.encode()}
    none = np.zeros((0, 3), np.float32)
    return Scene(info, files, none, np.zeros((0, 12), np.float32), none)
