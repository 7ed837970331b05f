"""What kind of robot a tree of joints is: its limbs, gripper, feet and end effector."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, JointDescription, Site
from r2s.robot.shapes import shape_points

Kind = Literal["arm", "quadruped", "biped", "mobile", "hand", "other"]

_GRIPPER = re.compile(r"gripper|finger|jaw|claw|knuckle|thumb|pinch|hand|pinky|grasp", re.I)
_GRIPPER_LINK = re.compile(r"finger|moving.?jaw|claw|knuckle|thumb|pinky", re.I)
_WHEEL = re.compile(r"wheel|caster|roller", re.I)
# Frames that makers put where the tool is, best first.
_TOOL_FRAMES = (
    r"tcp",
    r"grasp|pinch",
    r"gripper_?frame",
    r"tool0|tool",
    r"^ee|ee_link|end.?eff",
    r"attachment|flange",
)
_HAND_EXTENT_M = 0.5
_SAME_HEIGHT = 0.15  # feet end within this share of the robot's height above its lowest foot


@dataclass(frozen=True)
class Limb:
    """A chain of joints from the root to a leaf; `body` is the one its last joint moves."""

    body: str
    joints: tuple[str, ...]
    tip: tuple[float, float, float]


@dataclass(frozen=True)
class Morphology:
    """What the tree shows. `arm` is the limb an end effector sits on, or None."""

    kind: Kind
    arm: Limb | None
    legs: tuple[Limb, ...]
    gripper: tuple[str, ...]


def classify(robot: Description) -> Morphology:
    """Return what kind of robot this is."""
    gripper = _gripper_joints(robot)
    limbs = _limbs(robot, gripper)
    active = [joint for joint in robot.joints if not joint.mimic and not joint.passive]
    wheels = [joint for joint in active if _is_wheel(robot, joint)]
    if gripper and len(gripper) == len(robot.joints):
        return Morphology("hand", None, (), ())
    if not limbs:
        return Morphology("mobile" if len(wheels) >= 2 else "other", None, (), ())
    legs = _legs(robot, limbs)
    if len(limbs) >= 3 and not legs and not wheels and 0 < _extent(robot) < _HAND_EXTENT_M:
        return Morphology("hand", None, (), ())
    arms = [limb for limb in limbs if limb not in legs and len(limb.joints) >= 2]
    arm = max(arms, key=lambda limb: len(limb.joints), default=None)
    if len(wheels) >= 2 and not legs:
        return Morphology("mobile", arm, (), gripper)
    if len(legs) == 4:
        return Morphology("quadruped", arm, legs, gripper)
    if len(legs) == 2:
        return Morphology("biped", arm, legs, gripper)
    if len(limbs) == 1 and arm is not None:
        return Morphology("arm", arm, (), gripper)
    return Morphology("other", arm, (), gripper)


def weld_root(robot: Description, name: str) -> str:
    """Return the nearest body at or above `name` that has joints, or the root."""
    body = robot.body(name)
    while not body.joints and body.parent is not None:
        body = robot.body(body.parent)
    return body.name


def welded(robot: Description, name: str) -> list[Body]:
    """Return all bodies that move as one with `name`."""
    root = weld_root(robot, name)
    return [body for body in robot.bodies if weld_root(robot, body.name) == root]


def zero_poses(robot: Description) -> dict[str, Array]:
    """Return each body's (4, 4) pose in the root frame with every joint at its reference."""
    poses: dict[str, Array] = {}
    for body in robot.bodies:
        poses[body.name] = (
            np.eye(4) if body.parent is None else poses[body.parent] @ body.T_parent_body
        )
    return poses


def body_points(robot: Description, names: list[str], frame: str) -> Array:
    """Return (n, 3) points of the shapes of bodies, in the frame of body `frame`, at zero pose."""
    poses = zero_poses(robot)
    inverse = rigid.inverse(poses[frame])
    found = []
    for name in names:
        body = robot.body(name)
        for shape in body.collisions or body.visuals:
            points = shape_points(shape)
            found.append(rigid.apply(inverse @ poses[name] @ shape.T_body_shape, points))
    return np.concatenate(found) if found else np.zeros((0, 3))


def add_ee_site(robot: Description, morphology: Morphology) -> str:
    """Add the site `ee` at the tool point of the arm, and return its name, or "" without an arm."""
    if morphology.arm is None:
        return ""
    body = morphology.arm.body
    frame = _tool_frame(robot, body)
    if frame is None:
        position, direction = _tool_point(robot, body, morphology.gripper)
        turn = rigid.rotation_between([0.0, 0.0, 1.0], direction)
        frame = Site("ee", body, rigid.transform(turn, position))
    taken = {site.name for site in robot.sites}
    name = "ee" if "ee" not in taken else "ee_r2s"
    robot.sites.append(Site(name, frame.body, frame.T_body_site))
    return name


def frames_to_sites(robot: Description) -> None:
    """Turn leaf links without joint, mass and shape into sites: they are names for places."""
    while True:
        parents = {body.parent for body in robot.bodies}
        empty = [
            body
            for body in robot.bodies
            if body.parent is not None
            and not body.joints
            and body.mass <= 1e-6
            and not body.visuals
            and not body.collisions
            and body.name not in parents
        ]
        if not empty:
            return
        for body in empty:
            assert body.parent is not None
            robot.sites = [
                Site(s.name, body.parent, body.T_parent_body @ s.T_body_site)
                if s.body == body.name
                else s
                for s in robot.sites
            ]
            robot.sites.append(Site(body.name, body.parent, body.T_parent_body))
            robot.body(body.parent).mass += body.mass
            robot.bodies.remove(body)


def _gripper_joints(robot: Description) -> tuple[str, ...]:
    """Return the joints that open and close: named so, and with nothing but their kind beyond them."""
    named = {
        joint.name
        for body in robot.bodies
        for joint in body.joints
        if _GRIPPER.search(joint.name) or _GRIPPER_LINK.search(body.name)
    }
    result = set()
    for body in robot.bodies:
        for joint in body.joints:
            beyond = [j.name for other in _below(robot, body) for j in other.joints]
            if joint.name in named and all(name in named for name in beyond):
                result.add(joint.name)
    return tuple(joint.name for joint in robot.joints if joint.name in result)


def _below(robot: Description, body: Body) -> list[Body]:
    found = list(robot.children(body.name))
    for child in found:  # grows while it is walked
        found += robot.children(child.name)
    return found


def _limbs(robot: Description, gripper: tuple[str, ...]) -> list[Limb]:
    """Return the chains from the root to the last joints that are neither gripper nor wheel."""
    skip = set(gripper)
    movers = [
        body
        for body in robot.bodies
        if any(j.name not in skip and not j.mimic and not _is_wheel(robot, j) for j in body.joints)
    ]
    inner = set()
    for body in movers:
        parent = body.parent
        while parent is not None:
            inner.add(parent)
            parent = robot.body(parent).parent
    poses = zero_poses(robot)
    limbs = []
    for body in movers:
        if body.name in inner:
            continue
        path: list[str] = []
        step: Body | None = body
        while step is not None:
            path = [j.name for j in step.joints if not j.mimic and j.name not in skip] + path
            step = robot.body(step.parent) if step.parent else None
        group = [b.name for b in welded(robot, body.name)]
        points = body_points(robot, group, robot.bodies[0].name)
        tip = points[np.argmin(points[:, 2])] if len(points) else poses[body.name][:3, 3]
        limbs.append(Limb(body.name, tuple(path), (float(tip[0]), float(tip[1]), float(tip[2]))))
    return limbs


def _legs(robot: Description, limbs: list[Limb]) -> tuple[Limb, ...]:
    """Return the limbs that end together at the bottom: two or four of the same number of joints."""
    if len(limbs) < 2:
        return ()
    bottom = min(limb.tip[2] for limb in limbs)
    root = body_points(
        robot, [b.name for b in welded(robot, robot.bodies[0].name)], robot.bodies[0].name
    )
    middle = float(np.median(root[:, 2])) if len(root) else 0.0
    height = max(middle - bottom, 1e-3)
    low = [limb for limb in limbs if limb.tip[2] < bottom + _SAME_HEIGHT * height]
    low = [limb for limb in low if limb.tip[2] < middle]
    counts = {len(limb.joints) for limb in low}
    if len(low) in (2, 4) and len(counts) == 1 and min(counts) >= 2:
        return tuple(low)
    return ()


def _is_wheel(robot: Description, joint: JointDescription) -> bool:
    return bool(_WHEEL.search(joint.name)) and joint.kind == "hinge" and not joint.limited


def _extent(robot: Description) -> float:
    points = body_points(robot, [body.name for body in robot.bodies], robot.bodies[0].name)
    return float(np.linalg.norm(np.ptp(points, axis=0))) if len(points) else 0.0


def _tool_frame(robot: Description, body: str) -> Site | None:
    """Return a frame welded to `body` whose name says that it is the tool's, or None."""
    group = {member.name for member in welded(robot, body)}
    sites = [site for site in robot.sites if site.body in group]
    for pattern in _TOOL_FRAMES:
        for site in sites:
            if re.search(pattern, site.name, re.I):
                return site
    return None


def _tool_point(robot: Description, body: str, gripper: tuple[str, ...]) -> tuple[Array, Array]:
    """Return the tool point [m] and the unit direction towards it, in the frame of `body`."""
    group = [member.name for member in welded(robot, body)]
    fingers = [
        b.name
        for b in robot.bodies
        if any(j.name in gripper for j in b.joints) and b in _below(robot, robot.body(body))
    ]
    if fingers:
        tips = [_farthest(body_points(robot, [name], body)) for name in fingers]
        found = [tip for tip in tips if tip is not None]
        if found:
            point = np.mean(found, axis=0)
            return point, point / max(float(np.linalg.norm(point)), 1e-9)
    points = body_points(robot, group, body)
    axis = robot.body(body).joints[-1].axis
    if not len(points):
        return np.zeros(3), axis
    along = points @ axis
    across = np.linalg.norm(points - along[:, None] * axis, axis=1)
    end = float(along[np.argmax(np.abs(along))])
    if abs(end) > 0.5 * across.max():  # a flange that turns about the axis it ends on
        return end * axis, axis * (1.0 if end >= 0 else -1.0)
    tip = _farthest(points)
    assert tip is not None
    return tip, tip / max(float(np.linalg.norm(tip)), 1e-9)


def _farthest(points: Array) -> Array | None:
    """Return the middle of the twentieth of the points that lies farthest from the origin."""
    if not len(points):
        return None
    distance = np.linalg.norm(points, axis=1)
    return points[distance >= np.quantile(distance, 0.95)].mean(axis=0)
