"""What a gripper takes hold of: how wide it opens at the end effector, and along which axis it closes.

The axis is the way a finger moves past the end effector; how far the fingers are apart there is found with
rays along it, at steps of the gripper's way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, Robot
from r2s.core.coupled import brought, followers
from r2s.core.rigid import Array
from r2s.scene.robot_tree import ROBOT_FILE

STEPS = 41  # positions of the gripper looked at, from one end of its way to the other


@dataclass(frozen=True, eq=False)
class Grip:
    """Attributes:
    opened: gripper joint to its position [rad or m] where the fingers are farthest apart.
    opening_m: how far they are apart at the end effector, opened.
    axis: (3,) unit vector from finger to finger, in the end effector's frame.
    joints: those of all fingers, also of one that follows another.
    """

    opened: dict[str, float]
    opening_m: float
    axis: np.ndarray
    joints: tuple[str, ...]


def find_grip(robot: Robot) -> Grip | None:
    """Return what the robot's gripper holds, None where it never has the end effector between fingers."""
    import mujoco

    info = robot.info
    joints = [joint for joint in info.joints if joint.name in info.gripper]
    if not joints or not info.ee_site:
        return None
    files = {name: data for name, data in robot.files.items() if name != ROBOT_FILE}
    model = mujoco.MjModel.from_xml_string(robot.files[ROBOT_FILE].decode(), files)
    data, coupled = mujoco.MjData(model), followers(model)
    for joint in info.joints:
        data.qpos[model.joint(joint.name).qposadr[0]] = joint.home
    site, first = model.site(info.ee_site).id, model.joint(joints[0].name).id
    finger, best = int(model.jnt_bodyid[first]), (0.0, 0.0)
    axis = np.zeros(3)
    for share in np.linspace(0.0, 1.0, STEPS):
        for joint in joints:
            value = joint.low + share * (joint.high - joint.low)
            data.qpos[model.joint(joint.name).qposadr[0]] = value
        brought(data.qpos, coupled)
        mujoco.mj_kinematics(model, data)
        origin, way = data.site_xpos[site], data.xaxis[first].copy()
        if model.jnt_type[first] == mujoco.mjtJoint.mjJNT_HINGE:
            way = np.cross(way, origin - data.xanchor[first])
            way /= max(float(np.linalg.norm(way)), 1e-9)
        width = _gap(model, data, origin, way, finger)
        if width > best[0]:
            best, axis = (width, share), data.site_xmat[site].reshape(3, 3).T @ way
    width, share = best
    if not width:
        return None
    return Grip(
        {j.name: float(j.low + share * (j.high - j.low)) for j in joints},
        round(width, 4),
        axis,
        tuple(j.name for j in info.joints if {j.name, j.mimics} & set(info.gripper)),
    )


def _gap(model, data, origin: Array, way: Array, finger: int) -> float:
    """Return how far [m] the finger and what faces it are apart, 0 where the origin is not between them."""
    import mujoco

    group, geom = np.zeros(6, np.uint8), np.zeros(1, np.int32)
    group[EXACT_GROUP] = 1
    ends, is_finger = [], []
    for sign in (1.0, -1.0):
        ends.append(mujoco.mj_ray(model, data, origin, sign * way, group, 1, -1, geom))
        body = int(model.geom_bodyid[geom[0]]) if ends[-1] >= 0 else 0
        while body > finger:
            body = int(model.body_parentid[body])
        is_finger.append(body == finger)
    if min(ends) < 0 or is_finger[0] == is_finger[1]:
        return 0.0
    return float(sum(ends))
