"""Position actuators from physics: gains from the inertia a joint feels, not from guesses.

kp = I w^2 and kd = 2 z sqrt(kp I), with I the joint's entry of the mass matrix at home plus armature.
A leg that stands feels the other side: the body above is an inverted pendulum of stiffness -m g h on its
feet, which kp must outweigh as far as the torque limit allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from r2s.artifacts.robot import Joint
from r2s.robot.description import Description, JointDescription
from r2s.robot.posture import at_home
from r2s.robot.write import Controls

# Rotor inertia seen at the joint per unit of peak effort: go1 0.01/24, panda 0.1/87, UR5 about 0.15/150.
ARMATURE_PER_EFFORT = 1e-3
ARMATURE_RANGE = (1e-3, 0.2)
DEFAULT_VELOCITY = {"hinge": np.pi, "slide": 0.5}  # rad/s, m/s
PASSIVE_DAMPING_RATIO = 0.1
HOLDING_MARGIN = 1.1  # an effort below this many times the gravity load at home does not hold it
EFFORT_MARGIN = 2.0  # over the largest gravity load found by sampling
# A standing robot stays where it is held if its legs together outweigh gravity's stiffness this often; and
# no more than what uses up the torque limit at this angle, beyond which a stiffer joint only switches.
STANDING_MARGIN, STANDING_SAG_RAD = 4.0, 0.1
WHEEL_SPEED = {"hinge": 1.0, "slide": 0.1}  # rad/s, m/s: at which its gain outweighs drag
WHEEL_MARGIN = 10.0
LARGEST_STEP = {"hinge": 0.2, "slide": 0.02}  # rad, m: of a command, without overshoot
MIN_EFFORT = {"hinge": 0.5, "slide": 5.0}  # N*m, N


def decide_controls(
    robot: Description,
    model,
    home: Mapping[str, float],
    qpos: np.ndarray,
    *,
    natural_frequency_hz: float,
    damping_ratio: float,
    wheels: Sequence[str] = (),
    legs: Sequence[Sequence[str]] = (),
) -> Controls:
    """Return joints with gains, and which of them are actuated.

    Args:
        model: compiled robot without actuators and armature.
        home: home position of each joint.
        qpos: (n, nq) configurations over which the gravity load is taken.
        wheels: joints that are driven by velocity.
        legs: joints of each leg that it stands on.
    """
    inertia, gravity, at_home = _loads(model, home, qpos)
    tipping = _tipping(model, home, legs)
    joints, damping, armature = [], {}, {}
    for index, joint in enumerate(robot.joints):
        effort = _effort(robot, joint, gravity[index], at_home[index])
        low_a, high_a = ARMATURE_RANGE
        rotor = joint.armature
        if rotor is None:
            rotor = float(np.clip(ARMATURE_PER_EFFORT * effort, low_a, high_a))
        total = float(inertia[index]) + rotor
        w = 2 * np.pi * natural_frequency_hz
        actuated = joint.mimic is None and not joint.passive
        rolls = actuated and joint.name in wheels
        stand = min(STANDING_MARGIN * tipping.get(joint.name, 0.0), effort / STANDING_SAG_RAD)
        kp = joint.kp if joint.kp is not None else max(total * w * w, stand)
        kd = joint.kd
        if kd is None:
            kd = 2 * damping_ratio * float(np.sqrt(kp * total))
            least = kp * _braking_s(joint, total, effort - at_home[index])
            kd = max(kd, _drag(joint) * WHEEL_MARGIN if rolls else least)
        damping[joint.name] = _round(
            joint.damping
            if joint.damping is not None
            else (0.0 if actuated else 2 * PASSIVE_DAMPING_RATIO * total * w)
        )
        armature[joint.name] = _round(rotor)
        joints.append(
            Joint(
                name=joint.name,
                kind=joint.kind,
                low=joint.low,
                high=joint.high,
                limited=joint.limited,
                velocity=joint.velocity or float(DEFAULT_VELOCITY[joint.kind]),
                effort=_round(effort),
                home=float(home[joint.name]),
                kp=_round(kp) if actuated and not rolls else 0.0,
                kd=_round(kd) if actuated else 0.0,
                mimics=joint.mimic[0] if joint.mimic else "",
                control="velocity" if rolls else "position",
                inertia=_round(total),
                motor=joint.motor if actuated else None,
            )
        )
    names = tuple(j.name for j in robot.joints if j.mimic is None and not j.passive)
    return Controls(tuple(joints), names, damping, armature)


def _loads(
    model, home: Mapping[str, float], qpos: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (nv,) diagonal of the mass matrix at home, largest gravity load, and that at home."""
    import mujoco

    data = mujoco.MjData(model)
    for name, value in home.items():
        data.joint(name).qpos[0] = value
    mujoco.mj_forward(model, data)
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    at_home = np.abs(data.qfrc_bias)
    load = at_home
    for configuration in qpos[:: max(1, len(qpos) // 200)]:
        data.qpos[:] = configuration
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_crb(model, data)
        mujoco.mj_rne(model, data, 0, data.qfrc_bias)
        load = np.maximum(load, np.abs(data.qfrc_bias))
    return np.diag(full).copy(), load, at_home


def _braking_s(joint: JointDescription, inertia: float, spare: float) -> float:
    """Return the least kd / kp [s] with which the effort left beside gravity brakes a step.

    With the acceleration a = spare / I a step s reaches sqrt(a s) halfway and stops from it within v^2 / 2a;
    the controller brakes from the error kd / kp v on, so kd / kp must be sqrt(s / a) / 2.
    """
    return 0.5 * float(np.sqrt(LARGEST_STEP[joint.kind] * inertia / max(spare, 1e-9)))


def _drag(joint: JointDescription) -> float:
    """Return what a joint's damping and friction loss ask of its effort, over its speed."""
    return (joint.damping or 0.0) + joint.friction / WHEEL_SPEED[joint.kind]


def _tipping(model, home: Mapping[str, float], legs: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return, per joint of a leg, its share of the stiffness [N*m/rad] with which the body tips over it.

    For all that is not beyond the joint, of mass m and its centre r from the anchor, turned about the unit
    axis a: -d2V/dangle2 = m g (r - (r.a) a).z.
    """
    import mujoco

    data = at_home(model, home)
    mujoco.mj_comPos(model, data)
    g = float(np.linalg.norm(model.opt.gravity))
    whole = float(model.body_subtreemass[0])
    found = {}
    for name in (name for leg in legs for name in leg):
        joint = model.joint(name).id
        body = int(model.jnt_bodyid[joint])
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_HINGE:
            continue
        beyond = float(model.body_subtreemass[body])
        moment = whole * data.subtree_com[0] - beyond * data.subtree_com[body]
        r, axis = moment - (whole - beyond) * data.xanchor[joint], data.xaxis[joint]
        found[name] = max(g * float(r[2] - (r @ axis) * axis[2]), 0.0) / len(legs)
    return found


def _effort(robot: Description, joint: JointDescription, load: float, at_home: float) -> float:
    """Return the limit of effort: the file's, if it can hold the home pose."""
    driven = joint.mimic is None and not joint.passive
    if joint.effort and driven and joint.effort < HOLDING_MARGIN * at_home:
        effort = EFFORT_MARGIN * float(at_home)
        robot.repair(
            "weak-effort-limit",
            joint.name,
            f"{joint.effort:.4g}",
            f"{effort:.4g}",
            f"gravity alone asks {at_home:.4g} at home; the machine has springs or counterweights",
        )
        return effort
    if joint.effort and joint.effort > 0:
        return joint.effort
    effort = max(EFFORT_MARGIN * float(load), MIN_EFFORT[joint.kind])
    if joint.mimic is None and not joint.passive:
        robot.repair(
            "no-effort-limit",
            joint.name,
            "none",
            f"{effort:.3g}",
            f"{EFFORT_MARGIN:g} times the largest gravity load it can meet",
        )
    return effort


def _round(value: float) -> float:
    return float(f"{value:.6g}")
