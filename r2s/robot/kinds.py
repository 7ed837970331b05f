"""What kind of robot a tree is, and the evidence for it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from r2s.artifacts.robot import Drive
from r2s.core.rigid import Array
from r2s.robot import morphology
from r2s.robot.description import Body, Description, JointDescription
from r2s.robot.morphology import Limb, Morphology, body_points, zero_poses

_WHEEL = re.compile(r"wheel|caster|roller", re.I)
_CASTER = re.compile(r"caster", re.I)
_OMNI = re.compile(r"mecanum|omni|swerve", re.I)
_ROTOR = re.compile(r"(^|[^a-z])rotor|propell|quadrotor|multirotor|drone|(^|_)uav|flying", re.I)
_HEAD = re.compile(r"head|neck|camera|laser|lidar|velodyne|sensor", re.I)
_HAND_EXTENT_M = 0.5
_MIN_ROTORS = 3
_ARM_JOINTS = 4  # a torso, a neck or a tilting laser has fewer
_ONE_AXLE_M = 0.02
_LYING, _STANDING = 0.5, 0.9  # |z| of a unit axis: of a wheel, and of what steers it


def classify(robot: Description) -> Morphology:
    """Return what kind of robot this is, first match first: flies, hand, legged, wheeled, arm."""
    wheels = [joint.name for joint in robot.joints if _is_wheel(robot, joint)]
    gripper = morphology.gripper_joints(robot)
    limbs = morphology.limbs(robot, frozenset({*gripper, *wheels}))
    if found := morphology.fingers(robot, limbs):
        gripper = tuple(j.name for j in robot.joints if j.name in {*gripper, *found})
        limbs = morphology.limbs(robot, frozenset({*gripper, *wheels}))
    if gripper and len(gripper) == len(robot.joints):
        return Morphology("hand", evidence=(f"all {len(gripper)} joints are of fingers",))
    legs = morphology.legs(robot, limbs)
    heads = [limb for limb in limbs if len(limbs) > 1 and _HEAD.search(limb.body)]
    arms = tuple(limb for limb in limbs if limb not in (*legs, *heads) and len(limb.joints) >= 2)
    long_arms = tuple(limb for limb in arms if len(limb.joints) >= _ARM_JOINTS)
    if not legs and not wheels and (rotors := _rotors(robot)):
        return Morphology("aerial", _longest(arms), gripper=gripper, evidence=(f"flies: {rotors}",))
    size = _extent(robot)
    if len(limbs) >= 3 and not legs and not wheels and 0 < size < _HAND_EXTENT_M:
        said = f"{len(limbs)} chains from one palm, {size:.2f} m across"
        return Morphology("hand", evidence=(said,))
    evidence = [f"{what}: {', '.join(each.body for each in those)}" for what, those in
                (("legs", legs), ("arms", long_arms)) if those]  # fmt: skip
    if gripper:
        evidence.append(f"gripper joints: {_some(gripper)}")
    if legs:
        kind = "quadruped" if len(legs) == 4 else "biped"
        return Morphology(kind, _longest(arms), legs, gripper, long_arms, evidence=tuple(evidence))
    rolling, drive, why = _drive(robot, wheels)
    if why:
        kind = "mobile_manipulator" if long_arms else "mobile"
        return Morphology(
            kind, _longest(arms), (), gripper, long_arms, rolling, drive, (why, *evidence)
        )
    if len(limbs) == 1 and arms:
        said = f"one chain of {len(arms[0].joints)} joints, to {arms[0].body}"
        return Morphology("arm", arms[0], (), gripper, arms, evidence=(said, *evidence[1:]))
    if long_arms:
        return Morphology(
            "arm", _longest(long_arms), (), gripper, long_arms, evidence=tuple(evidence)
        )
    said = f"{len(robot.joints)} joints, no legs, wheels, rotors or arm among them"
    return Morphology("other", _longest(arms), (), gripper, evidence=(said,))


def _longest(limbs: Sequence[Limb]) -> Limb | None:
    return max(limbs, key=lambda limb: len(limb.joints), default=None)


def _rotors(robot: Description) -> str:
    """Return what says that it flies: at least three rotors, or a name, of the robot or of its meshes."""
    rotors = [body.name for body in robot.bodies if _ROTOR.search(body.name)]
    rotors = [name for name in rotors if "flying" not in name.lower()]
    if len(rotors) >= _MIN_ROTORS:
        return f"rotors {_some(rotors)}"
    root = robot.bodies[0]
    meshes = [shape.mesh.name for shape in root.visuals if shape.mesh is not None]
    names = (robot.name, *meshes, *(body.name for body in robot.bodies))
    return next((f"the name {name}" for name in names if _ROTOR.search(name)), "")


def _is_wheel(robot: Description, joint: JointDescription) -> bool:
    endless = joint.kind == "hinge" and not joint.limited and not joint.mimic and not joint.passive
    return bool(_WHEEL.search(joint.name)) and endless


def _drive(robot: Description, wheels: Sequence[str]) -> tuple[tuple[str, ...], Drive, str]:
    """Return the wheels that drive, how, and the evidence; no evidence without wheels.

    Wheels lie across; a standing axis above a wheel steers it. Casters only drive where nothing else does.
    """
    bodies = {joint.name: body for body in robot.bodies for joint in body.joints}
    axes = {name: _world_axis(robot, bodies[name], name) for name in bodies}
    rolling = [name for name in wheels if abs(axes[name][2]) < _LYING]
    driven = [name for name in rolling if not _CASTER.search(name)] or rolling
    if len(driven) < 2:
        fixed = [body.name for body in robot.bodies if not body.joints and _WHEEL.search(body.name)]
        said = f"wheels that the file fixes: {_some(fixed)}" if len(fixed) >= 2 else ""
        return (), "", said
    steered = {
        name: above for name in driven
        if (above := _steering(robot, bodies[name], axes)) is not None
    }  # fmt: skip
    # A folder of meshes may say what no link does: tiago_pro's wheels are of its omni_base.
    names = [
        robot.name,
        *(body.name for body in robot.bodies),
        *driven,
        *_mesh_names(robot, driven),
    ]
    joints = {joint.name: joint for joint in robot.joints}
    said = f"wheels {_some(driven)}"
    if len(steered) == len(driven) or any(not joints[s].limited for s in steered.values()):
        return tuple(driven), "omni", f"{said}, steered by {_some(sorted(set(steered.values())))}"
    if steered:
        return tuple(driven), "ackermann", f"{said}, some steered by {_some(steered.values())}"
    if named := next((name for name in names if _OMNI.search(name)), ""):
        return tuple(driven), "omni", f"{said}; the name {named}"
    first = axes[driven[0]]
    if any(abs(abs(axes[name] @ first) - 1) > 0.1 for name in driven):
        return tuple(driven), "omni", f"{said}, whose axes point different ways"
    places = np.array([zero_poses(robot)[bodies[name].name][:3, 3] for name in driven])
    along = places @ np.cross(first, [0.0, 0.0, 1.0])
    if np.ptp(along) > _ONE_AXLE_M:
        said += (
            ", with parallel axes on more than one axle: it skids in turns, unless they are mecanum"
        )
        return tuple(driven), "differential", f"{said} wheels (a profile's drive: omni says so)"
    return tuple(driven), "differential", f"{said}, with parallel axes"


def _steering(robot: Description, body: Body, axes: dict[str, Array]) -> str | None:
    """Return the joint with a standing axis next above a wheel, or None."""
    while body.parent is not None:
        body = robot.body(body.parent)
        if body.joints:
            joint = body.joints[-1]
            stands = joint.kind == "hinge" and abs(axes[joint.name][2]) > _STANDING
            return joint.name if stands else None
    return None


def _world_axis(robot: Description, body: Body, joint: str) -> Array:
    axis = next(each.axis for each in body.joints if each.name == joint)
    return zero_poses(robot)[body.name][:3, :3] @ axis


def _mesh_names(robot: Description, driven: Sequence[str]) -> list[str]:
    """Return the names of all meshes, and the paths of those of the wheels and the root."""
    near = {body.name for body in robot.bodies if {j.name for j in body.joints} & {*driven}}
    near.add(robot.bodies[0].name)
    meshes = [(b.name, s.mesh) for b in robot.bodies for s in b.visuals if s.mesh is not None]
    paths = [f"{mesh.folder}/{mesh.name}" for body, mesh in meshes if body in near]
    return [*(mesh.name for _, mesh in meshes), *paths]


def _extent(robot: Description) -> float:
    points = body_points(robot, [body.name for body in robot.bodies], robot.bodies[0].name)
    return float(np.linalg.norm(np.ptp(points, axis=0))) if len(points) else 0.0


def _some(names) -> str:
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
