"""What a task may observe and command on a robot, as named signals and the sensors behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from r2s.artifacts.robot import Joint, Robot, RobotInfo
from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.scene.compose import HEIGHT_QUATERNION, HEIGHT_SITE, number
from r2s.tasks.specs import task_kind

XYZ = ("x", "y", "z")
# Noise of hobby servos' 12-bit encoders (4096 steps per turn: 1.5 mrad) and their differenced speed.
JOINT_POS_NOISE_RAD, JOINT_VEL_NOISE_RAD_S = 0.002, 0.05
# MEMS IMU as in legged robots' drivers after filtering.
QUAT_NOISE, GYRO_NOISE_RAD_S = 0.005, 0.05
# Serial and USB buses deliver within one to two cycles.
SENSOR_LATENCY_S = (0.0, 0.01)
# Pose estimates of a depth camera at a metre: some millimetres off, after one to three frames at 30 Hz.
OBJECT_NOISE_M, CAMERA_LATENCY_S = 0.005, (0.03, 0.1)
# A relative action moves the target at most this fast, and never faster than this share of a joint's limit.
RELATIVE_SPEED_RAD_S, RELATIVE_SPEED_M_S, RELATIVE_SHARE = 2.5, 0.25, 0.8
# An absolute action of 1 is this share of the way to the nearer limit, at most this angle.
ABSOLUTE_SHARE, ABSOLUTE_RAD = 0.8, 0.5
# A stride is so many times as long as a pendulum of the legs' length takes for a radian: 0.3 s for a
# quadruped of 30 cm, 0.5 s for a humanoid.
STRIDE, GRAVITY_M_S2 = 1.8, 9.81
LEAST_LEG_M = 0.05  # a base frame on the ground says nothing of how long the legs are
LIMIT_MARGIN = 0.01  # share of a joint's range kept free at both ends


@dataclass(frozen=True)
class Vocabulary:
    """Signals of a task on a robot, and how the models provide them.

    Attributes:
        sensors: (MJCF element, attributes), same in both models, in order.
        sites: (body or "", attributes) that the sensors need.
        notes: what the user should know of them.
    """

    signals: tuple[Signal, ...]
    observations: tuple[str, ...]
    critic: tuple[str, ...]
    actions: ActionSpec
    sensors: tuple[tuple[str, Mapping[str, str]], ...]
    sites: tuple[tuple[str, Mapping[str, str]], ...] = ()
    notes: tuple[str, ...] = ()


def vocabulary(task: str, robot: Robot, control_s: float) -> Vocabulary:
    """Return the signals of the task called `task`."""
    if task_kind(task).robot == "base":
        from r2s.scene.base_signals import navigate_vocabulary

        return navigate_vocabulary(robot, control_s)
    return VOCABULARIES[task](robot.info, control_s)


def action_joints(robot: RobotInfo, *, gripper: bool) -> tuple[Joint, ...]:
    """Return the actuated joints, with or without those of the gripper."""
    skip = set() if gripper else set(robot.gripper)
    joints = {joint.name: joint for joint in robot.joints}
    return tuple(joints[name] for name in robot.actuators if name not in skip)


def reach_vocabulary(robot: RobotInfo, control_s: float) -> Vocabulary:
    """Return the signals of `reach`: joints, the goal, and the vector from end effector to goal."""
    names = ("joint_pos", "joint_vel", "joint_target", "last_action", "goal_pos", "ee_to_goal")
    return _arm_vocabulary(robot, control_s, names, (_vector("ee_to_goal"),))


def thing_vocabulary(task: str, robot: RobotInfo, control_s: float) -> Vocabulary:
    """Return the signals of an arm that moves a thing: joints, where that is, the ways to it and to its goal.

    Its sensors come with the thing; see `observing`.
    """
    kind = task_kind(task)
    signals = (
        Signal(
            name="object_pos", elements=XYZ, unit="m", frame="robot_base", kind="measured",
            sensors=("object_pos",), noise_sigma=OBJECT_NOISE_M, latency_s=CAMERA_LATENCY_S,
        ),
        _vector("ee_to_object"),
        _vector("object_to_goal"),
        Signal(
            name="object_vel", elements=XYZ, unit="m/s", frame="world", kind="privileged",
            sensors=("object_vel",),
        ),
        Signal(
            name="object_up", elements=XYZ, unit="1", frame="world", kind="privileged",
            sensors=("object_up",),
        ),
    )  # fmt: skip
    names = (
        "joint_pos", "joint_vel", "joint_target", "last_action",
        "object_pos", "ee_to_object", "object_to_goal",
    )  # fmt: skip
    critic = ("object_vel", "object_up")
    return _arm_vocabulary(
        robot, control_s, names, signals, critic, gripper=kind.grips, pace=kind.pace
    )


def observing(vocabulary: Vocabulary, robot: RobotInfo, thing: str) -> Vocabulary:
    """Return the vocabulary with the sensors of the thing that the task moves."""
    of = {"objtype": "xbody", "objname": thing}
    base = {"reftype": "xbody", "refname": ROBOT_PREFIX + robot.base_body}
    sensors = (
        ("framepos", {"name": "object_pos", **of, **base}),
        ("framelinvel", {"name": "object_vel", **of}),
        ("framezaxis", {"name": "object_up", **of}),  # (0, 0, 1) as it stands in the scan
    )
    return replace(vocabulary, sensors=(*vocabulary.sensors, *sensors))


def _arm_vocabulary(
    robot: RobotInfo,
    control_s: float,
    observations: tuple[str, ...],
    signals: tuple[Signal, ...],
    critic: tuple[str, ...] = (),
    *,
    gripper: bool = False,
    pace: float = 1.0,
) -> Vocabulary:
    """Return the signals of an arm with a goal: joints, the goal, `signals`, the true end effector.

    Args:
        gripper: its joints act too, at their full speed; `pace` is that of the arm's.
    """
    joints = action_joints(robot, gripper=gripper)
    chain = robot.chain.joints if robot.chain else ()
    measured = [joint.name for joint in joints]
    measured += [name for name in chain if name not in measured]
    joint_signals, sensors = _joint_signals(tuple(measured), tuple(j.name for j in joints))
    sensors += [
        (
            "framepos",
            {
                "name": "ee_pos", "objtype": "site", "objname": ROBOT_PREFIX + robot.ee_site,
                "reftype": "xbody", "refname": ROBOT_PREFIX + robot.base_body,
            },
        )
    ]  # fmt: skip
    everything = (
        *joint_signals,
        Signal(name="goal_pos", elements=XYZ, unit="m", frame="robot_base", kind="measured"),
        *signals,
        Signal(
            name="ee_pos", elements=XYZ, unit="m", frame="robot_base", kind="privileged",
            sensors=("ee_pos",),
        ),
    )  # fmt: skip
    paces = {joint.name: pace for joint in joints if joint.name not in robot.gripper}
    actions = relative_actions(joints, control_s, robot.action_scale, paces)
    return Vocabulary(everything, observations, ("ee_pos", *critic), actions, tuple(sensors))


def _vector(name: str) -> Signal:
    """Return a signal that is derived as its name says, in the robot's base frame."""
    return Signal(
        name=name, elements=XYZ, unit="m", frame="robot_base", kind="derived", derivation=name
    )


def pose_vocabulary(robot: RobotInfo, control_s: float) -> Vocabulary:
    """Return the signals of `pose`: those of `reach`, the goal's orientation, and the turn that is left."""
    reach = reach_vocabulary(robot, control_s)
    turn = (
        Signal(
            name="goal_quat", elements=("w", "x", "y", "z"), unit="1", frame="robot_base",
            kind="measured",
        ),
        Signal(
            name="ee_turn_to_goal", elements=("x", "y", "z", "cos"), unit="1", frame="robot_base",
            kind="derived", derivation="ee_turn_to_goal",
        ),
    )  # fmt: skip
    return replace(
        reach,
        signals=(*reach.signals, *turn),
        observations=(*reach.observations, "goal_quat", "ee_turn_to_goal"),
    )


def velocity_vocabulary(robot: RobotInfo, control_s: float) -> Vocabulary:
    """Return the signals of `velocity`: IMU, joints, the command; truth about the base for the critic."""
    joints = tuple(joint.name for joint in action_joints(robot, gripper=True))
    joint_signals, sensors = _joint_signals(joints, joints)
    base = ROBOT_PREFIX + robot.base_body
    sites: list[tuple[str, Mapping[str, str]]] = [
        ("", {"name": HEIGHT_SITE, "quat": " ".join(map(number, HEIGHT_QUATERNION)), "group": "5"})
    ]
    imu = ROBOT_PREFIX + robot.imu_site
    if not robot.imu_site:
        imu = ROBOT_PREFIX + "base_imu"
        sites.append((base, {"name": imu, "group": "5"}))
    sensors += [
        ("framequat", {"name": "base_quat", "objtype": "xbody", "objname": base}),
        ("gyro", {"name": "base_ang_vel", "site": imu}),
        ("velocimeter", {"name": "base_lin_vel", "site": imu}),
        (
            "framepos",
            {
                "name": "base_height", "objtype": "xbody", "objname": base,
                "reftype": "site", "refname": HEIGHT_SITE,
            },
        ),
    ]  # fmt: skip
    signals = (
        Signal(
            name="base_quat", elements=("w", "x", "y", "z"), unit="1", frame="world", kind="measured",
            sensors=("base_quat",), noise_sigma=QUAT_NOISE, latency_s=SENSOR_LATENCY_S,
        ),
        Signal(
            name="base_ang_vel", elements=XYZ, unit="rad/s", frame="imu", kind="measured",
            sensors=("base_ang_vel",), noise_sigma=GYRO_NOISE_RAD_S, latency_s=SENSOR_LATENCY_S,
        ),
        Signal(
            name="projected_gravity", elements=XYZ, unit="1", frame="robot_base", kind="derived",
            derivation="projected_gravity",
        ),
        *(signal for signal in joint_signals if signal.name != "joint_target"),
        Signal(
            name="command_velocity", elements=("forward", "sideways", "yaw"), unit="m/s",
            frame="robot_base", kind="measured",
        ),
        Signal(
            name="base_lin_vel", elements=XYZ, unit="m/s", frame="imu", kind="privileged",
            sensors=("base_lin_vel",),
        ),
        # The height comes first; see HEIGHT_SITE.
        Signal(
            name="base_height", elements=("z", "x", "y"), unit="m", frame="world",
            kind="privileged", sensors=("base_height",),
        ),
    )  # fmt: skip
    names = (
        "base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "last_action", "command_velocity",
    )  # fmt: skip
    if len(robot.feet) > 1 and robot.base_height_m > LEAST_LEG_M:
        stride_s = round(STRIDE * (robot.base_height_m / GRAVITY_M_S2) ** 0.5, 3)
        gait = Signal(
            name="gait_phase", elements=("sine", "cosine"), unit="1", kind="measured",
            period_s=stride_s,
        )  # fmt: skip
        signals, names = (*signals, gait), (*names, gait.name)
    return Vocabulary(
        signals, names, ("base_lin_vel",),
        absolute_actions(action_joints(robot, gripper=True), robot.action_scale),
        tuple(sensors), tuple(sites),
    )  # fmt: skip


VOCABULARIES: dict[str, Callable[[RobotInfo, float], Vocabulary]] = {
    "pick": partial(thing_vocabulary, "pick"),
    "pose": pose_vocabulary,
    "push": partial(thing_vocabulary, "push"),
    "reach": reach_vocabulary,
    "velocity": velocity_vocabulary,
}


def relative_actions(
    joints: tuple[Joint, ...],
    control_s: float,
    factor: float = 1.0,
    paces: Mapping[str, float] | None = None,
) -> ActionSpec:
    """Return actions that move the last target: bounded speed, and a policy that does nothing holds.

    Args:
        paces: joint to its share of that speed; all of it where it is not named.
    """
    scale = []
    for joint in joints:
        speed = RELATIVE_SPEED_RAD_S if joint.kind == "hinge" else RELATIVE_SPEED_M_S
        limit = RELATIVE_SHARE * joint.velocity if joint.velocity > 0 else speed
        pace = (paces or {}).get(joint.name, 1.0)
        scale.append(round(pace * factor * min(speed, limit) * control_s, 6))
    low, high = limits(joints)
    return ActionSpec(
        joints=tuple(joint.name for joint in joints), mode="relative", scale=tuple(scale),
        offset=(0.0,) * len(joints), low=low, high=high,
    )  # fmt: skip


def absolute_actions(joints: tuple[Joint, ...], factor: float = 1.0) -> ActionSpec:
    """Return actions about the home pose."""
    low, high = limits(joints)
    scale = [
        round(factor * min(ABSOLUTE_RAD, ABSOLUTE_SHARE * max(joint.home - a, b - joint.home)), 6)
        for joint, a, b in zip(joints, low, high, strict=True)
    ]
    return ActionSpec(
        joints=tuple(joint.name for joint in joints), mode="absolute", scale=tuple(scale),
        offset=tuple(joint.home for joint in joints), low=low, high=high,
    )  # fmt: skip


def limits(joints: tuple[Joint, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what targets are clipped to: the joints' limits less a margin."""
    margins = [LIMIT_MARGIN * (joint.high - joint.low) for joint in joints]
    low = tuple(round(j.low + m, 6) for j, m in zip(joints, margins, strict=True))
    high = tuple(round(j.high - m, 6) for j, m in zip(joints, margins, strict=True))
    return low, high


def _joint_signals(
    measured: tuple[str, ...], moved: tuple[str, ...]
) -> tuple[tuple[Signal, ...], list[tuple[str, Mapping[str, str]]]]:
    sensors: list[tuple[str, Mapping[str, str]]] = []
    for kind in ("pos", "vel"):
        for joint in measured:
            attributes = {"name": f"joint_{kind}/{joint}", "joint": ROBOT_PREFIX + joint}
            sensors.append((f"joint{kind}", attributes))
    signals = (
        Signal(
            name="joint_pos", elements=measured, unit="rad", frame="joint", kind="measured",
            sensors=tuple(f"joint_pos/{joint}" for joint in measured),
            noise_sigma=JOINT_POS_NOISE_RAD, latency_s=SENSOR_LATENCY_S,
        ),
        Signal(
            name="joint_vel", elements=measured, unit="rad/s", frame="joint", kind="measured",
            sensors=tuple(f"joint_vel/{joint}" for joint in measured),
            noise_sigma=JOINT_VEL_NOISE_RAD_S, latency_s=SENSOR_LATENCY_S,
        ),
        Signal(name="joint_target", elements=moved, unit="rad", frame="joint", kind="measured"),
        Signal(name="last_action", elements=moved, unit="1", kind="measured"),
    )  # fmt: skip
    return signals, sensors
