"""Which pose a robot starts in, and what stands on the ground in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP
from r2s.robot.description import Description
from r2s.robot.home import GRIPPER_OPEN, arm_home, legged_home, lowest_point, neutral, upright
from r2s.robot.kinematics import reach_m
from r2s.robot.morphology import Morphology, welded
from r2s.robot.selfcollision import Samples, touching, with_mimics
from r2s.robot.stance import biped_home, support_margin_m

# Kinds whose task is at the tool: their arm waits in front of them.
WITH_TOOL = ("arm", "mobile_manipulator")


def mimic_ids(robot: Description, model) -> list[tuple[int, int, float, float]]:
    return [
        (model.joint(joint.name).id, model.joint(joint.mimic[0]).id, *joint.mimic[1:])
        for joint in robot.joints
        if joint.mimic
    ]


def choose_home(robot, model, morphology: Morphology, ee_site: str, samples: Samples, seed: int):
    """Return the home position of each joint by name, and the reach [m]."""
    # The zero pose of an arm is often stretched out; that of a legged robot is its upright stance.
    pose = neutral if morphology.kind in WITH_TOOL else upright
    start = np.array([pose(model, joint) for joint in range(model.njnt)])
    for name in morphology.gripper:
        joint = model.joint(name).id
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (0.0, 0.0)
        near, far = (low, high) if abs(low) <= abs(high) else (high, low)
        start[joint] = near + GRIPPER_OPEN * (far - near)
    given = {name: value for name, value in robot.home.items() if value is not None}
    for name, value in given.items():
        start[model.joint(name).id] = value
    mimics = mimic_ids(robot, model)
    start = with_mimics(start, mimics)
    reach = reach_m(model, samples.qpos, ee_site) if ee_site else 0.0
    q = start
    if not given and morphology.legs and morphology.kind == "quadruped":
        q = legged_home(model, morphology, start)
    elif not given and morphology.kind == "biped":
        q = biped_home(model, morphology, start)
    elif not given and morphology.kind in WITH_TOOL and ee_site and morphology.arm is not None:
        joints = [model.joint(name).id for name in morphology.arm.joints]
        free = _Free(model)
        q = arm_home(model, ee_site, joints, samples.qpos, reach, free, start, seed)
    q = with_mimics(np.round(q, 6), mimics)
    return {joint.name: float(q[model.joint(joint.name).id]) + 0.0 for joint in robot.joints}, reach


class _Free:
    """Whether a configuration touches itself with neither collider set."""

    def __init__(self, model):
        import mujoco

        self.mujoco, self.model, self.data = mujoco, model, mujoco.MjData(model)

    def __call__(self, q: np.ndarray) -> bool:
        self.data.qpos[:] = q
        self.mujoco.mj_kinematics(self.model, self.data)
        self.mujoco.mj_collision(self.model, self.data)
        return not bool((self.data.contact.dist < 0).any())


def at_home(model, home: Mapping[str, float]):
    """Return `MjData` with every body where it is at home."""
    import mujoco

    data = mujoco.MjData(model)
    for name, value in home.items():
        data.joint(name).qpos[0] = value
    mujoco.mj_kinematics(model, data)
    return data


def without_home_contacts(robot, model, home: Mapping[str, float], exclude):
    """Exclude pairs that touch at home: no pose would be at rest with them, and none was found without."""
    q = np.array([home[model.joint(joint).name] for joint in range(model.njnt)])
    found = sorted(set(touching(model, q[None])) - set(exclude))
    for one, other in found:
        robot.repair(
            "home-contact", f"{one} {other}", "touch at home", "excluded", "the home pose must rest"
        )
    return tuple(sorted({*exclude, *found}))


def lowest_height(model, home: Mapping[str, float]) -> float:
    data = at_home(model, home)
    heights = [lowest_point(model, data, g) for g in range(model.ngeom) if model.geom_contype[g]]
    return min(heights, default=0.0)


def choose_feet(robot, model, morphology: Morphology, home) -> tuple[str, ...]:
    """Return, for each leg, the body whose shape is lowest at home."""
    data = at_home(model, home)
    feet = []
    for leg in morphology.legs:
        group = {model.body(body.name).id for body in welded(robot, leg.body)}
        geoms = [
            g
            for g in range(model.ngeom)
            if model.geom_bodyid[g] in group and model.geom_group[g] == EXACT_GROUP
        ]
        if geoms:
            lowest = min(geoms, key=lambda g: lowest_point(model, data, g))
            feet.append(model.body(int(model.geom_bodyid[lowest])).name)
    return tuple(feet)


def stance_evidence(model, home: Mapping[str, float], feet: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the home pose of a legged robot is: statically stable or not."""
    if not feet:
        return ()
    import mujoco

    data = at_home(model, home)
    mujoco.mj_comPos(model, data)
    down = np.array([data.body(foot).xpos for foot in feet]).mean(axis=0) - data.subtree_com[0]
    if down[2] > -0.5 * np.linalg.norm(down):
        axis = "xyz"[int(np.abs(down).argmax())]
        return (f"its legs point along the {axis} axis of the base, not down: it lies at home",)
    margin = support_margin_m(model, data, feet)
    if margin is None:
        return ("its feet touch the ground in points: it does not stand still by itself",)
    where = "inside" if margin >= 0 else "outside"
    return (f"at home the centre of mass is {abs(margin):.3f} m {where} its feet",)
