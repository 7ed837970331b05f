"""A small real scene and a policy that truly reaches, without training: shared by edge, validate and export.

The arm has six hinges and a table with a block. The policy is linear in (joint_pos, ee_to_goal): a
resolved-rate controller with the Jacobian of the home pose and a pull back to the home posture. It is written
into a ReLU network with relu(x) - relu(-x), so it runs through the same graph as a trained one.
"""

from __future__ import annotations

import mujoco
import numpy as np

from r2s.artifacts.arrays import pack
from r2s.artifacts.kinematics import Chain, Link
from r2s.artifacts.policy import NetworkSpec, Parity, Policy, PolicyInfo, TrainingSummary
from r2s.artifacts.randomization import Randomize
from r2s.artifacts.robot import Joint, RobotInfo
from r2s.artifacts.scene import Scene, SceneInfo, TaskSpec
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.policy.graph import OPSET, build_graph
from r2s.policy.metadata import deployment_metadata

JOINTS = ("yaw", "shoulder", "elbow", "wrist_pitch", "wrist_roll", "hand")
HOME = dict(zip(JOINTS, (0.0, 0.6, 1.2, 0.5, 0.0, 0.3), strict=True))
LOW, HIGH, VELOCITY, EFFORT, KP, KD = -2.5, 2.5, 4.0, 12.0, 60.0, 3.0
AXES = ("0 0 1", "0 1 0", "0 1 0", "0 1 0", "0 0 1", "0 1 0")
LENGTHS = (0.10, 0.20, 0.18, 0.08, 0.05, 0.08)
CONTROL_S, TIMESTEP_S, CLIP = 0.02, 0.002, 50.0
SCALE_RAD = 0.06  # largest change of a joint target in one tick

RANDOMIZATION = (
    Randomize(
        name="link_mass", target="body", select="robot/*", field="mass", operation="scale",
        low=0.8, high=1.25,
    ),
    Randomize(
        name="gain", target="actuator", field="gain", operation="scale", low=0.8, high=1.2,
        per="target",
    ),
    Randomize(
        name="encoder_latency", target="signal", select="joint_*", field="latency",
        operation="abs", low=0.0, high=0.02,
    ),
    Randomize(name="action_latency", target="action", field="latency", operation="abs", low=0.0, high=0.01),
)  # fmt: skip


def mjcf(timestep_s: float = TIMESTEP_S) -> str:
    body, close = "", ""
    below = 0.0
    for name, axis, length in zip(JOINTS, AXES, LENGTHS, strict=True):
        body += (
            f'<body name="robot/{name}_link" pos="0 0 {below}">'
            f'<joint name="robot/{name}" axis="{axis}" range="{LOW} {HIGH}" damping="0.1" armature="0.02"/>'
            f'<geom type="capsule" fromto="0 0 0 0 0 {length}" size="0.02" mass="0.15"/>'
        )
        close += "</body>"
        below = length
    body += f'<site name="robot/ee" pos="0 0 {below}"/>' + close
    actuators = "".join(
        f'<position name="robot/{j}" joint="robot/{j}" kp="{KP}" kv="{KD}" '
        f'forcerange="-{EFFORT} {EFFORT}" ctrlrange="{LOW} {HIGH}"/>'
        for j in JOINTS
    )
    sensors = "".join(
        f'<jointpos name="joint_pos/{j}" joint="robot/{j}"/>'
        f'<jointvel name="joint_vel/{j}" joint="robot/{j}"/>'
        for j in JOINTS
    )
    home = " ".join(str(v) for v in HOME.values())
    return f"""<mujoco model="small_arm"><compiler angle="radian"/>
    <option timestep="{timestep_s}" integrator="implicitfast"/>
    <worldbody><geom name="floor" type="plane" size="0 0 1"/>
      <body name="table_0" pos="0.7 0 0.02"><geom name="table_0" type="box" size="0.15 0.2 0.02"/></body>
      <body name="robot/base" pos="0 0 0.05"><geom type="cylinder" size="0.04 0.05"/>{body}</body>
    </worldbody><contact>
      <exclude body1="robot/base" body2="robot/shoulder_link"/>
      <exclude body1="robot/yaw_link" body2="robot/elbow_link"/>
      <exclude body1="robot/elbow_link" body2="robot/wrist_roll_link"/>
      <exclude body1="robot/wrist_pitch_link" body2="robot/hand_link"/>
      <exclude body1="robot/shoulder_link" body2="robot/wrist_pitch_link"/>
    </contact><actuator>{actuators}</actuator><sensor>{sensors}</sensor>
    <keyframe><key name="home" qpos="{home}" ctrl="{home}"/></keyframe></mujoco>"""


def chain() -> Chain:
    links, below = [], 0.0
    for name, axis, length in zip(JOINTS, AXES, LENGTHS, strict=True):
        links.append(
            Link(
                position=(0.0, 0.0, below),
                quaternion=(1.0, 0.0, 0.0, 0.0),
                joint=name,
                axis=tuple(map(float, axis.split())),
            )
        )
        below = length
    links.append(Link(position=(0.0, 0.0, below), quaternion=(1.0, 0.0, 0.0, 0.0)))
    return Chain(base="base", tip="ee", links=tuple(links))


def _signals() -> tuple[Signal, ...]:
    def encoders(name: str, unit: str, sigma: float) -> Signal:
        return Signal(
            name=name,
            elements=JOINTS,
            unit=unit,
            frame="joint",
            kind="measured",
            sensors=tuple(f"{name}/{j}" for j in JOINTS),
            noise_sigma=sigma,
        )

    xyz = ("x", "y", "z")
    return (
        encoders("joint_pos", "rad", 0.001),
        encoders("joint_vel", "rad/s", 0.02),
        Signal(name="joint_target", elements=JOINTS, unit="rad", frame="joint", kind="measured"),
        Signal(name="last_action", elements=JOINTS, unit="1", frame="joint", kind="measured"),
        Signal(name="goal_pos", elements=xyz, unit="m", frame="robot_base", kind="measured"),
        Signal(
            name="ee_to_goal",
            elements=xyz,
            unit="m",
            frame="robot_base",
            kind="derived",
            derivation="ee_to_goal",
        ),
    )


def home_jacobian() -> tuple[np.ndarray, np.ndarray]:
    """Return (3, 6) d tip / d q and the tip (3,) in the base frame, at home."""
    model = mujoco.MjModel.from_xml_string(mjcf())
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    jacobian = np.zeros((3, 6))
    mujoco.mj_jacSite(model, data, jacobian, None, 0)
    return jacobian, data.site("robot/ee").xpos - data.body("robot/base").xpos


def scene(randomization: tuple[Randomize, ...] = RANDOMIZATION) -> Scene:
    rng = np.random.default_rng(7)
    _, tip = home_jacobian()
    goals = tip + rng.uniform((-0.04, -0.05, 0.0), (0.04, 0.05, 0.08), (64, 3))
    joints = tuple(
        Joint(
            name=j, kind="hinge", low=LOW, high=HIGH, velocity=VELOCITY, effort=EFFORT,
            home=HOME[j], kp=KP, kd=KD,
        )
        for j in JOINTS
    )  # fmt: skip
    robot = RobotInfo(
        name="small_arm", kind="arm", base="fixed", base_body="base", joints=joints,
        actuators=JOINTS, chain=chain(), ee_site="ee", reach_m=0.6, mass_kg=1.0,
        source_format="mjcf",
    )  # fmt: skip
    info = SceneInfo(
        task=TaskSpec(name="reach", parameters={"episode_s": 1.2, "start_joint_rad": 0.1}, weights={}),
        robot=robot,
        base_position_m=(0.0, 0.0, 0.05),
        base_quaternion=(1.0, 0.0, 0.0, 0.0),
        signals=_signals(),
        observations=("joint_pos", "ee_to_goal"),
        critic=(),
        actions=actions(),
        chain=chain(),
        control_s=CONTROL_S,
        timestep_s=TIMESTEP_S,
        randomization=randomization,
        movable=(),
        bodies=9, geoms=9, nq=6, nv=6, nu=6,
        settle_speed_m_s=0.0,
        camera_position_m=(1.0, 1.0, 1.0),
        camera_target_m=(0.0, 0.0, 0.3),
    )  # fmt: skip
    xml = mjcf().encode()
    return Scene(
        info,
        {"scene.xml": xml, "scene_train.xml": xml},
        goals.astype(np.float32),
        np.tile(np.float32(list(HOME.values())), (64, 1)),
        np.zeros((0, 3), np.float32),
    )


def actions() -> ActionSpec:
    return ActionSpec(
        joints=JOINTS,
        mode="relative",
        scale=(SCALE_RAD,) * 6,
        offset=tuple(HOME.values()),
        low=(LOW,) * 6,
        high=(HIGH,) * 6,
    )


def weights(kind: str = "good") -> dict[str, np.ndarray]:
    """Weights of a `good` policy, of one with two joints `swapped`, or of a `random` one."""
    jacobian, _ = home_jacobian()
    inverse = np.linalg.pinv(jacobian, rcond=0.05)
    posture = np.eye(6) - inverse @ jacobian
    gain_per_tick, posture_per_tick = 0.15, 0.05
    # action = M (q - home, e); the tanh at the end is close to the identity near the goal.
    m = np.hstack([-posture_per_tick * posture, gain_per_tick * inverse]) / SCALE_RAD
    if kind == "swapped":
        m = m[[1, 0, 2, 3, 4, 5]]
    if kind == "random":
        m = np.random.default_rng(5).normal(size=m.shape)
    eye = np.eye(9)
    return {
        name: array.astype(np.float32)
        for name, array in {
            "actor/0/w": np.hstack([eye, -eye]),
            "actor/0/b": np.zeros(18),
            "actor/1/w": np.vstack([m.T, -m.T]) * np.repeat([STD], 2, axis=0).ravel()[:, None],
            "actor/1/b": np.zeros(6),
            "normalizer/mean": np.array([*HOME.values(), 0, 0, 0]),
            "normalizer/std": STD,
        }.items()
    }


STD = np.array([0.5] * 6 + [0.05] * 3)


def policy(kind: str = "good", of: Scene | None = None) -> Policy:
    scene_ = scene() if of is None else of
    info = scene_.info
    network = NetworkSpec(actor=(18,), critic=(8,), activation="relu")
    observations = tuple(info.signal(name) for name in info.observations)
    gains = dict.fromkeys(JOINTS, (KP, KD))
    limits = dict.fromkeys(JOINTS, (LOW, HIGH, VELOCITY, EFFORT))
    w = weights(kind)
    onnx = build_graph(
        observations=observations,
        actions=info.actions,
        network=network,
        observation_clip=CLIP,
        weights=w,
        metadata=deployment_metadata(
            robot=info.robot.name,
            task=info.task.model_dump(mode="json"),
            actions=info.actions,
            chain=info.chain,
            control_s=info.control_s,
            gains=gains,
            limits=limits,
            home=HOME,
        ),
    )
    return Policy(
        PolicyInfo(
            robot=info.robot.name,
            task=info.task,
            observations=observations,
            critic=(),
            actions=info.actions,
            chain=info.chain,
            control_s=info.control_s,
            gains=gains,
            limits=limits,
            home=HOME,
            network=network,
            observation_clip=CLIP,
            randomization=info.randomization,
            training=TrainingSummary(
                engine="cpu",
                iterations=0,
                env_steps=0,
                copies=0,
                success_rate=0.0,
                return_mean=0.0,
                crashes=0,
                episodes=0,
            ),
            parity=Parity(vectors=0, max_abs=0.0, onnxruntime=""),
            onnx_opset=OPSET,
        ),
        pack(w),
        onnx,
        b"",
    )
