"""What an imported robot must keep of its file, against readers that share no code with r2s.

A URDF is read again by `yourdfpy` (kinematics, names, axes, limits) and as plain XML (masses); an MJCF
by MuJoCo itself.
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, VISUAL_GROUP, Robot
from r2s.robot.names import legal_name
from r2s.robot.write import compile_files

CONFIGURATIONS = 100
POSITION_TOLERANCE_M = 1e-6
HOLD_S = 5.0
# Gains of 10 Hz: gravity bends no joint more than this from where it is held.
SAG = 0.05
# A file's own soft actuators sag under their robot: go1 has kp 50.
SAG_OF_OWN_GAINS = 0.15
SETTLED = 0.02  # rad/s or m/s at the end of the hold
MOVING = {"revolute", "continuous", "prismatic"}


@dataclass
class Verdict:
    """What the checks found: failures, and numbers worth a column."""

    failures: list[str] = field(default_factory=list)
    fk_error_m: float = 0.0
    sag: float = 0.0
    stands: str = "-"

    def fail(self, condition: bool, text: str) -> None:
        if condition:
            self.failures.append(text)


def check(path: Path, robot: Robot) -> Verdict:
    """Return what of the file at `path` the robot did not keep."""
    verdict = Verdict()
    model = compile_files(robot.files)
    check_inertias(model, verdict)
    if robot.info.source_format == "urdf":
        check_urdf(path, robot, model, verdict)
    else:
        check_mjcf(path, robot, model, verdict)
    for drop in (EXACT_GROUP, TRAIN_GROUP):
        check_hold(robot, drop, verdict)
    if robot.info.base == "floating":
        verdict.stands = standing(robot)
    return verdict


def check_inertias(model, verdict: Verdict) -> None:
    """Positive moments, each no larger than the sum of the others."""
    for body in range(1, model.nbody):
        if model.body_mass[body] <= 0:
            continue
        low, middle, high = np.sort(model.body_inertia[body])
        name = model.body(body).name
        verdict.fail(low <= 0, f"inertia of {name} is not positive")
        verdict.fail(high > (low + middle) * (1 + 1e-6), f"inertia of {name} breaks A + B >= C")


def check_urdf(path: Path, robot: Robot, model, verdict: Verdict) -> None:
    import yourdfpy

    logging.getLogger("yourdfpy").setLevel(logging.CRITICAL)
    root = ET.fromstring(path.read_bytes())
    repairs = [(each.rule, each.element) for each in robot.info.repairs]
    check_mass(root, robot, model, verdict)
    other = yourdfpy.URDF.load(
        str(path), load_meshes=False, load_collision_meshes=False, build_scene_graph=True
    )
    joints = {legal_name(name): joint for name, joint in other.joint_map.items()}
    foreign = {name: joint for name, joint in joints.items() if joint.type in MOVING}
    ours = [joint.name for joint in robot.info.joints]
    verdict.fail(
        set(ours) != set(foreign),
        f"joints differ: {sorted(set(ours) ^ set(foreign))[:6]}",
    )
    verdict.fail(ours != in_file_order(root, set(ours)), "joints are not in the order of the tree")
    for joint in robot.info.joints:
        theirs = foreign.get(joint.name)
        if theirs is None:
            continue
        axis = theirs.axis / np.linalg.norm(theirs.axis)
        index = model.joint(joint.name).id
        verdict.fail(
            not np.allclose(model.jnt_axis[index], axis, atol=1e-6), f"axis of {joint.name}"
        )
        changed = {"no-limits", "inverted-limits", "follower-limits"} & {
            r for r, e in repairs if e == joint.name
        }
        if theirs.type == "continuous" or changed:
            continue
        want = (theirs.limit.lower or 0.0, theirs.limit.upper or 0.0)
        verdict.fail(not np.allclose((joint.low, joint.high), want), f"limits of {joint.name}")
    for rule, element, after in ((r.rule, r.element, r.after) for r in robot.info.repairs):
        if rule == "mimic-leader":
            joints[element].mimic.joint = after
        if rule == "mimic-dropped":
            joints[element].mimic = None
    other._update_actuated_joints()
    verdict.fk_error_m = fk_error(other, joints, robot, model)
    verdict.fail(
        not verdict.fk_error_m <= POSITION_TOLERANCE_M,
        f"forward kinematics differ by {verdict.fk_error_m:.2g} m",
    )


def check_mass(root: ET.Element, robot: Robot, model, verdict: Verdict) -> None:
    """The mass of the file, plus what repairs gave to links without, is the robot's."""
    stated: dict[str, float] = {}
    for link in root.findall("link"):
        mass = link.find("inertial/mass")
        name = legal_name(link.get("name", ""))
        stated[name] = float(mass.get("value", 0)) if mass is not None else 0.0
    total = sum(stated.values())
    for repair in robot.info.repairs:
        if repair.rule == "missing-inertia" and repair.after.startswith("mass "):
            total += float(repair.after.split()[1]) - stated.get(repair.element, 0.0)
        if repair.rule in ("bad-mass", "loose-link"):
            total -= stated.get(repair.element, 0.0)
    info = robot.info
    lost = abs(total - info.mass_kg) > 1e-3 * max(total, 1)
    verdict.fail(lost, f"mass {info.mass_kg} of {total:.4f} kg")
    simulated = float(model.body_mass.sum())
    verdict.fail(
        abs(simulated - info.mass_kg) > 1e-6 * info.mass_kg, f"simulated mass {simulated:.4f} kg"
    )


def in_file_order(root: ET.Element, wanted: set[str]) -> list[str]:
    """Return joint names depth first, children in file order."""
    below: dict[str, list[tuple[str, str]]] = {}
    children = set()
    for joint in root.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        if parent is None or child is None:
            continue
        name = legal_name(joint.get("name", ""))
        below.setdefault(parent.get("link", ""), []).append((name, child.get("link", "")))
        children.add(child.get("link", ""))
    found: list[str] = []

    def walk(link: str) -> None:
        for name, child in below.get(link, []):
            if name in wanted:
                found.append(name)
            walk(child)

    for link in root.findall("link"):
        if link.get("name", "") not in children:
            walk(link.get("name", ""))
    return found


def fk_error(other, joints: dict, robot: Robot, model) -> float:
    """Return the largest distance [m] of a link's frame from where the other library has it.

    Both in the frame of our base body, over random configurations within limits, mimics followed.
    """
    data = mujoco.MjData(model)
    foreign_links = {legal_name(name): name for name in other.link_map}
    base = foreign_links[robot.info.base_body]
    bodies = [
        (body, foreign_links[model.body(body).name])
        for body in range(1, model.nbody)
        if model.body(body).name in foreign_links
    ]
    random = np.random.default_rng(0)
    worst = 0.0
    free = [joint for joint in robot.info.joints if not joint.mimics]
    for _ in range(CONFIGURATIONS):
        q = {joint.name: float(random.uniform(joint.low, joint.high)) for joint in free}
        foreign = {name: q.get(legal_name(name), 0.0) for name in other.actuated_joint_names}
        other.update_cfg(foreign)
        for joint in robot.info.joints:
            if joint.mimics:
                mimic = joints[joint.name].mimic
                q[joint.name] = mimic.multiplier * q[legal_name(mimic.joint)] + mimic.offset
        for name, value in q.items():
            data.joint(name).qpos[0] = value
        mujoco.mj_kinematics(model, data)
        origin = data.body(robot.info.base_body)
        turn = origin.xmat.reshape(3, 3)
        for body, name in bodies:
            T = other.get_transform(name, base)
            here = turn.T @ (data.xpos[body] - origin.xpos)
            worst = max(worst, float(np.linalg.norm(here - T[:3, 3])))
            # A turn moves a point one metre away: the same tolerance holds for it.
            rotation = turn.T @ data.xmat[body].reshape(3, 3)
            worst = max(worst, float(np.abs(rotation - T[:3, :3]).max()))
    return worst


def check_mjcf(path: Path, robot: Robot, model, verdict: Verdict) -> None:
    """Against MuJoCo's own reading of the file: masses, joints, limits, axes, gains, keyframe, poses."""
    spec = mujoco.MjSpec.from_file(str(path))
    spec.compiler.fusestatic = False
    other = spec.compile()
    info = robot.info
    verdict.fail(abs(float(other.body_mass.sum()) - info.mass_kg) > 1e-6 * info.mass_kg, "mass")
    hinges = [
        other.joint(j).name for j in range(other.njnt) if other.jnt_type[j] in (2, 3)
    ]  # slide, hinge
    verdict.fail([joint.name for joint in info.joints] != hinges, "joints or their order")
    one, two = mujoco.MjData(model), mujoco.MjData(other)
    random = np.random.default_rng(0)
    for joint in info.joints:
        mine, theirs = model.joint(joint.name), other.joint(joint.name)
        verdict.fail(not np.allclose(mine.axis, theirs.axis), f"axis of {joint.name}")
        if theirs.limited[0]:
            verdict.fail(not np.allclose((joint.low, joint.high), theirs.range), joint.name)
        if other.nkey:
            home = float(other.key_qpos[0][theirs.qposadr[0]])
            verdict.fail(abs(joint.home - home) > 1e-6, f"home of {joint.name}")
    for index in range(other.nu):
        joint = other.joint(int(other.actuator_trnid[index, 0])).name
        gain = float(other.actuator_gainprm[index, 0])
        kp = next(each.kp for each in info.joints if each.name == joint)
        verdict.fail(abs(kp - gain) > 1e-6 * gain, f"gain of {joint}")
    for _ in range(CONFIGURATIONS):
        for joint in info.joints:
            value = random.uniform(joint.low, joint.high)
            one.joint(joint.name).qpos[0] = two.joint(joint.name).qpos[0] = value
        mujoco.mj_kinematics(model, one)
        mujoco.mj_kinematics(other, two)
        base = two.body(info.base_body)
        turn = base.xmat.reshape(3, 3)
        for body in range(1, model.nbody):
            theirs = two.body(model.body(body).name)
            gap = turn.T @ (theirs.xpos - base.xpos) - one.xpos[body]
            verdict.fk_error_m = max(verdict.fk_error_m, float(np.linalg.norm(gap)))
    verdict.fail(verdict.fk_error_m > POSITION_TOLERANCE_M, "forward kinematics")


def simulate(robot: Robot, drop: int, *, floor: bool = False):
    """Return the model without one collider set, at home, its base bolted down or free on a floor."""
    assets = {name: data for name, data in robot.files.items() if name != "robot.xml"}
    spec = mujoco.MjSpec.from_string(robot.files["robot.xml"].decode(), assets=assets)
    for geom in list(spec.geoms):
        if geom.group in (drop, VISUAL_GROUP):
            spec.delete(geom)
    if floor:
        base = spec.body(robot.info.base_body)
        base.add_freejoint()
        base.pos = [0, 0, robot.info.base_height_m + 0.001]
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = spec.compile()
    data = mujoco.MjData(model)
    at_home(robot, data)
    mujoco.mj_forward(model, data)
    return model, data


def at_home(robot: Robot, data) -> None:
    velocity = {joint.name for joint in robot.info.joints if joint.control == "velocity"}
    for joint in robot.info.joints:
        data.joint(joint.name).qpos[0] = joint.home
    for name in robot.info.actuators:
        data.actuator(name).ctrl[0] = 0.0 if name in velocity else data.joint(name).qpos[0]


def check_hold(robot: Robot, drop: int, verdict: Verdict) -> None:
    """Held at home for five seconds with the base bolted down: no contact, no drift, no NaN."""
    model, data = simulate(robot, drop)
    with_set = "train" if drop == EXACT_GROUP else "exact"
    touching = {
        tuple(sorted(model.body(int(b)).name for b in model.geom_bodyid[contact.geom]))
        for contact in data.contact
        if contact.dist < 0
    }
    verdict.fail(bool(touching), f"touches itself at home ({with_set}): {sorted(touching)[:2]}")
    start = data.qpos.copy()
    for _ in range(round(HOLD_S / model.opt.timestep)):
        mujoco.mj_step(model, data)
    verdict.fail(bool(data.warning.number.any()), f"MuJoCo warns in the hold ({with_set})")
    own = robot.info.source_format == "mjcf"
    held = [model.joint(name).qposadr[0] for name in robot.info.actuators]
    drift = np.abs(data.qpos - start)[held] if held else np.zeros(1)
    verdict.sag = max(verdict.sag, float(drift.max()))
    allowed = SAG_OF_OWN_GAINS if own else SAG
    verdict.fail(not drift.max() < allowed, f"drifts {drift.max():.3f} ({with_set})")
    speed = float(np.abs(data.qvel).max(initial=0.0))
    verdict.fail(not speed < SETTLED, f"still moves at {speed:.3g} ({with_set})")


def standing(robot: Robot) -> str:
    """Return whether the free robot stands for five seconds on a floor, held at home."""
    model, data = simulate(robot, TRAIN_GROUP, floor=True)
    for _ in range(round(HOLD_S / model.opt.timestep)):
        mujoco.mj_step(model, data)
    upright = 1 - 2 * (data.qpos[4] ** 2 + data.qpos[5] ** 2)
    # A base with its origin between the wheels is low: 2 cm count as much as a fifth of its height.
    height = robot.info.base_height_m
    high = height - data.qpos[2] < max(0.2 * height, 0.02)
    return "yes" if upright > 0.95 and high and not data.warning.number.any() else "falls"
