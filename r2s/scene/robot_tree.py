"""robot.xml with one set of colliders, every name prefixed, ready to be put into a scene."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, VISUAL_GROUP, Robot
from r2s.artifacts.scene import ROBOT_PREFIX

ROBOT_FILE = "robot.xml"
# Attributes that name or point to a named element; `file` is no name.
_NAMES = frozenset(
    {"name", "class", "childclass", "body", "body1", "body2", "joint", "joint1", "joint2"}
    | {"geom", "geom1", "geom2", "site", "site1", "site2", "mesh", "material", "texture", "hfield"}
    | {"tendon", "tendon1", "tendon2", "actuator", "cranksite", "slidersite", "refsite"}
    | {"jointinparent", "sidesite", "objname", "refname", "target"}
)
_SECTIONS = ("default", "asset", "contact", "equality", "tendon", "actuator")


@dataclass(frozen=True)
class RobotTree:
    """Elements of robot.xml.

    Attributes:
        root: the base body, still where robot.xml has it.
        sections: `asset`, `contact`, ... with their children.
        base_quaternion: orientation of the base body in robot.xml.
    """

    root: ET.Element
    sections: dict[str, list[ET.Element]]
    base_quaternion: tuple[float, float, float, float]


def robot_tree(
    robot: Robot, *, exact: bool, visuals: bool, fingers: tuple[str, ...] = ()
) -> RobotTree:
    """Return the robot with its exact or its training colliders.

    Args:
        exact: hulls of the original collision meshes instead of spheres and capsules.
        visuals: keep the visual geoms.
        fingers: joints whose bodies keep their exact colliders in training: a ball holds no box.
    """
    tree = ET.fromstring(robot.files[ROBOT_FILE].decode())
    world = tree.find("worldbody")
    roots = [] if world is None else world.findall("body")
    root = next((b for b in roots if b.get("name") == robot.info.base_body), None)
    if root is None:
        raise ValueError(f"robot.xml has no root body {robot.info.base_body!r}")
    unseen = set() if visuals else {VISUAL_GROUP}
    for body in root.iter("body"):
        holds = any(joint.get("name") in fingers for joint in body.findall("joint"))
        drop = {TRAIN_GROUP if exact or holds else EXACT_GROUP} | unseen
        for geom in body.findall("geom"):
            if int(geom.get("group", "0")) in drop:
                body.remove(geom)
    sections = {name: list(tree.find(name) or ()) for name in _SECTIONS}
    used = {geom.get("mesh") for geom in root.iter("geom")} - {None}
    sections["asset"] = [
        item for item in sections["asset"] if item.tag != "mesh" or _asset_name(item) in used
    ]
    for body in root.iter("body"):
        for joint in body.findall("freejoint"):
            body.remove(joint)
    quaternion = np.array([float(x) for x in root.get("quat", "1 0 0 0").split()])
    w, x, y, z = (quaternion / np.linalg.norm(quaternion)).tolist()
    _prefix(root)
    for items in sections.values():
        for item in items:
            _prefix(item)
    return RobotTree(root, sections, (w, x, y, z))


def _asset_name(item: ET.Element) -> str:
    file = item.get("file", "")
    return item.get("name") or file.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _prefix(element: ET.Element) -> None:
    for node in element.iter():
        if node.tag == "mesh" and "name" not in node.attrib and "file" in node.attrib:
            node.set("name", _asset_name(node))
        for key in _NAMES & node.attrib.keys():
            if node.attrib[key] != "world":
                node.set(key, ROBOT_PREFIX + node.attrib[key])
