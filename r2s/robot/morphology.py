"""What kind of robot a tree of joints is: its limbs, gripper, feet and end effector."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.robot import Drive, Kind
from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, Site
from r2s.robot.shapes import shape_points

_GRIPPER = re.compile(r"gripper|finger|jaw|claw|knuckle|thumb|pinch|hand|pinky|grasp", re.I)
_GRIPPER_LINK = re.compile(r"finger|moving.?jaw|claw|knuckle|thumb|pinky", re.I)
# Frames that makers put where the tool is, best first.
_TOOL_FRAMES = (
    r"tcp",
    r"grasp|pinch",
    r"gripper_?frame",
    r"tool0|tool",
    r"^ee|ee_link|end.?eff",
    r"attachment|flange",
)
_SAME_HEIGHT = 0.15  # feet end within this share of the robot's height above its lowest foot
_LEG = re.compile(r"foot|feet|ankle|shank|calf|shin|knee|toe|sole|thigh|(^|_)leg", re.I)
_ARM = re.compile(r"wrist|elbow|shoulder|hand|gripper|(^|_)arm", re.I)
# Three or more short chains from one link at the end of a limb are fingers, whatever their names.
_FINGERS, _FINGER_JOINTS, _JOINTS_BEFORE_FINGERS = 3, 4, 4


@dataclass(frozen=True)
class Limb:
    """A chain of joints from the root to a leaf; `body` is the one its last joint moves."""

    body: str
    joints: tuple[str, ...]
    tip: tuple[float, float, float]


@dataclass(frozen=True)
class Morphology:
    """What the tree shows.

    Attributes:
        arm: the limb an end effector sits on, or None; it is one of `arms`.
        wheels: joints that roll the base.
        drive: how they do it, "" without wheels that turn.
        evidence: why it is this kind, one finding each.
    """

    kind: Kind
    arm: Limb | None = None
    legs: tuple[Limb, ...] = ()
    gripper: tuple[str, ...] = ()
    arms: tuple[Limb, ...] = ()
    wheels: tuple[str, ...] = ()
    drive: Drive = ""
    evidence: tuple[str, ...] = ()


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


def joints_above(robot: Description, name: str) -> tuple[str, ...]:
    """Return the independent joints between the root and a body, the root's first."""
    found: list[str] = []
    step: Body | None = robot.body(name)
    while step is not None:
        found = [joint.name for joint in step.joints if not joint.mimic] + found
        step = robot.body(step.parent) if step.parent else None
    return tuple(found)


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


def gripper_joints(robot: Description) -> tuple[str, ...]:
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
            beyond = [j.name for other in below(robot, body) for j in other.joints]
            if joint.name in named and all(name in named for name in beyond):
                result.add(joint.name)
    return tuple(joint.name for joint in robot.joints if joint.name in result)


def below(robot: Description, body: Body) -> list[Body]:
    found = list(robot.children(body.name))
    for child in found:  # grows while it is walked
        found += robot.children(child.name)
    return found


def limbs(robot: Description, skip: frozenset[str]) -> list[Limb]:
    """Return the chains from the root to the last joints that are not in `skip` (grippers, wheels)."""
    movers = [
        body
        for body in robot.bodies
        if any(j.name not in skip and not j.mimic for j in body.joints)
    ]
    inner = set()
    for body in movers:
        parent = body.parent
        while parent is not None:
            inner.add(parent)
            parent = robot.body(parent).parent
    poses = zero_poses(robot)
    found = []
    for body in movers:
        if body.name in inner:
            continue
        path = tuple(name for name in joints_above(robot, body.name) if name not in skip)
        group = [b.name for b in welded(robot, body.name)]
        points = body_points(robot, group, robot.bodies[0].name)
        tip = points[np.argmin(points[:, 2])] if len(points) else poses[body.name][:3, 3]
        found.append(Limb(body.name, path, (float(tip[0]), float(tip[1]), float(tip[2]))))
    return found


def fingers(robot: Description, chains: list[Limb]) -> tuple[str, ...]:
    """Return the joints of fingers that no name gave away: short chains from one link far from the root."""
    by_palm: dict[str, list[tuple[str, ...]]] = {}
    for limb in chains:
        others = [set(other.joints) for other in chains if other is not limb]
        own = [name for name in limb.joints if not any(name in other for other in others)]
        shared = limb.joints[: len(limb.joints) - len(own)]
        if own and len(own) <= _FINGER_JOINTS and len(shared) >= _JOINTS_BEFORE_FINGERS:
            by_palm.setdefault(shared[-1], []).append(tuple(own))
    found = {j for own in by_palm.values() if len(own) >= _FINGERS for each in own for j in each}
    return tuple(joint.name for joint in robot.joints if joint.name in found)


def legs(robot: Description, chains: list[Limb]) -> tuple[Limb, ...]:
    """Return the limbs that carry the robot: two or four of as many joints each.

    Those named so, else those that end together at its bottom and are not named as arms.
    """
    named = [limb for limb in chains if _named(robot, limb, _LEG)]
    if _pairs_up(named):
        return tuple(named)
    chains = [limb for limb in chains if not _named(robot, limb, _ARM)]
    if len(chains) < 2:
        return ()
    bottom = min(limb.tip[2] for limb in chains)
    root = body_points(
        robot, [b.name for b in welded(robot, robot.bodies[0].name)], robot.bodies[0].name
    )
    middle = float(np.median(root[:, 2])) if len(root) else 0.0
    height = max(middle - bottom, 1e-3)
    low = [limb for limb in chains if limb.tip[2] < bottom + _SAME_HEIGHT * height]
    low = [limb for limb in low if limb.tip[2] < middle]
    return tuple(low) if _pairs_up(low) else ()


def _pairs_up(found: list[Limb]) -> bool:
    counts = {len(limb.joints) for limb in found}
    return len(found) in (2, 4) and len(counts) == 1 and min(counts) >= 2


def _named(robot: Description, limb: Limb, pattern: re.Pattern[str]) -> bool:
    """Whether the last link, its joint, or what is welded to it has a name of the pattern."""
    names = [body.name for body in welded(robot, limb.body)] + [limb.joints[-1]]
    return any(pattern.search(name) for name in names)


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
        if any(j.name in gripper for j in b.joints) and b in below(robot, robot.body(body))
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
