"""The actuators of an MJCF as gains and limits of its joints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from r2s.robot.description import Description, JointDescription


def read_actuators(robot: Description, model, names: Mapping[int, str]) -> None:
    """Take over position actuators; turn the others into position actuators; add missing ones."""
    joints = {joint.name: joint for joint in robot.joints}
    for index in range(model.nu):
        joint = _actuated(model, index, joints, names)
        label = model.actuator(index).name or f"actuator {index}"
        if joint is None:
            robot.repair(
                "actuator-dropped", label, "no joint", "dropped", "it moves no single joint"
            )
            continue
        if not joint.passive:
            robot.repair(
                "actuator-dropped", label, joint.name, "dropped", "a second one on its joint"
            )
            continue
        if joint.mimic is not None:
            leader = joints[joint.mimic[0]]
            robot.repair("actuator-moved", label, joint.name, leader.name, "the joint follows it")
            joint = leader
        joint.passive = False
        _gains(robot, model, joint, index, label)
    if not model.nu:
        for joint in joints.values():
            joint.passive = False
        robot.repair(
            "no-actuators", robot.name, "0", f"{len(joints)} position actuators",
            "gains follow from inertia, natural frequency and damping ratio",
        )  # fmt: skip


def _actuated(
    model, index: int, joints: Mapping[str, JointDescription], names: Mapping[int, str]
) -> JointDescription | None:
    import mujoco

    kind = int(model.actuator_trntype[index])
    target = int(model.actuator_trnid[index, 0])
    if kind in (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)):
        return joints.get(names.get(target, ""))
    if kind == mujoco.mjtTrn.mjTRN_TENDON:
        first, count = int(model.tendon_adr[target]), int(model.tendon_num[target])
        for wrap in range(first, first + count):
            if model.wrap_type[wrap] == mujoco.mjtWrap.mjWRAP_JOINT:
                name = names.get(int(model.wrap_objid[wrap]), "")
                if name and joints[name].mimic is None:
                    return joints[name]
    return None


def _gains(robot: Description, model, joint: JointDescription, index: int, label: str) -> None:
    """Keep the gains of a plain position actuator on a joint; else leave them to be computed."""
    import mujoco

    gear = abs(float(model.actuator_gear[index, 0])) or 1.0
    gain, bias = model.actuator_gainprm[index], model.actuator_biasprm[index]
    direct = model.actuator_trntype[index] == mujoco.mjtTrn.mjTRN_JOINT
    affine = model.actuator_biastype[index] == mujoco.mjtBias.mjBIAS_AFFINE
    still = model.actuator_dyntype[index] == mujoco.mjtDyn.mjDYN_NONE
    position = affine and still and gain[0] > 0 and np.isclose(bias[1], -gain[0])
    if model.actuator_forcelimited[index]:
        joint.effort = gear * float(np.abs(model.actuator_forcerange[index]).max())
    elif not position and model.actuator_ctrllimited[index] and direct and not affine:
        joint.effort = gear * gain[0] * float(np.abs(model.actuator_ctrlrange[index]).max())
    if position and direct and abs(gear - 1) < 1e-9:
        joint.kp = float(gain[0])
        joint.kd = max(-float(bias[2]), 0.0)  # MuJoCo has resolved `dampratio` by now
        return
    what = "position with gear or tendon" if position else "motor or general"
    robot.repair(
        "actuator-converted", label, what, "position",
        "policies command joint positions; gains follow from inertia",
    )  # fmt: skip
