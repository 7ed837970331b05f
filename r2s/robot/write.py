"""A description becomes robot.xml and its assets. Written as text, so equal robots are equal bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, VISUAL_GROUP, Joint
from r2s.core import rigid
from r2s.robot.colliders import LinkColliders
from r2s.robot.description import Body, Description, JointDescription, Mesh, Shape
from r2s.robot.meshes import short_digest, stl_bytes
from r2s.robot.shapes import Collider

ROBOT_FILE = "robot.xml"
ASSETS = "assets"
TRAIN_RGBA = "0.2 0.6 0.9 0.35"
EXACT_RGBA = "0.9 0.5 0.2 0.35"
# Mimic joints follow within a millirad: stiffer than contacts, slower than two 2 ms steps.
MIMIC_SOLREF = "0.006 1"


@dataclass(frozen=True)
class Controls:
    """Decided joints: limits, efforts, gains by name, and joint damping and armature."""

    joints: tuple[Joint, ...]
    actuators: tuple[str, ...]
    damping: Mapping[str, float]
    armature: Mapping[str, float]


def write_robot(
    robot: Description,
    colliders: Mapping[str, LinkColliders],
    *,
    controls: Controls | None = None,
    exclude: Sequence[tuple[str, str]] = (),
    groups: Sequence[int] = (VISUAL_GROUP, EXACT_GROUP, TRAIN_GROUP),
) -> dict[str, bytes]:
    """Return `robot.xml` and `assets/...` with the shapes of `groups`."""
    writer = _Writer(robot, colliders, controls, frozenset(groups))
    return writer.write(exclude)


def compile_files(files: Mapping[str, bytes]):
    """Return the compiled `MjModel` of robot.xml."""
    import mujoco

    xml = files[ROBOT_FILE].decode()
    return mujoco.MjSpec.from_string(xml, assets=assets_of(files)).compile()


def assets_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that robot.xml names."""
    return {name: data for name, data in files.items() if name != ROBOT_FILE}


class _Writer:
    def __init__(self, robot, colliders, controls: Controls | None, groups: frozenset[int]):
        self.robot: Description = robot
        self.colliders: Mapping[str, LinkColliders] = colliders
        self.controls = controls
        self.groups = groups
        self.files: dict[str, bytes] = {}
        self.asset_names: dict[int, str] = {}
        self.root = ET.Element("mujoco", model=robot.name)
        ET.SubElement(
            self.root,
            "compiler",
            angle="radian",
            autolimits="true",
            inertiafromgeom="false",
            fusestatic="false",
            discardvisual="false",
        )
        ET.SubElement(self.root, "option", timestep="0.002", integrator="implicitfast")
        self.asset = ET.SubElement(self.root, "asset")
        self.world = ET.SubElement(self.root, "worldbody")

    def write(self, exclude: Sequence[tuple[str, str]]) -> dict[str, bytes]:
        elements: dict[str | None, ET.Element] = {None: self.world}
        for body in self.robot.bodies:
            elements[body.name] = self._body(elements[body.parent], body)
        for site in self.robot.sites:
            attributes = {"name": site.name, "group": "5", "size": "0.005"}
            ET.SubElement(elements[site.body], "site", attributes | _pose(site.T_body_site))
        contact = ET.SubElement(self.root, "contact")
        for one, other in exclude:
            ET.SubElement(contact, "exclude", body1=one, body2=other)
        self._equalities()
        self._actuators()
        for element in (self.asset, contact):
            if not len(element):
                self.root.remove(element)
        ET.indent(self.root)
        xml = ET.tostring(self.root, encoding="unicode").encode() + b"\n"
        return {ROBOT_FILE: xml, **dict(sorted(self.files.items()))}

    def _body(self, parent: ET.Element, body: Body) -> ET.Element:
        element = ET.SubElement(parent, "body", {"name": body.name} | _pose(body.T_parent_body))
        if body.mass > 0:
            inertia = body.inertia if body.inertia is not None else np.zeros((3, 3))
            i = 0.5 * (inertia + inertia.T)
            full = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
            shape = {"fullinertia": _text(full)} if np.any(i) else {"diaginertia": "0 0 0"}
            heart = {"pos": _text(body.com), "mass": _text([body.mass])}
            ET.SubElement(element, "inertial", heart | shape)
        for joint in body.joints:
            self._joint(element, joint)
        if VISUAL_GROUP in self.groups:
            for shape in body.visuals:
                self._visual(element, shape)
        found = self.colliders.get(body.name)
        if found:
            for group, colliders in ((EXACT_GROUP, found.exact), (TRAIN_GROUP, found.train)):
                for number, collider in enumerate(colliders if group in self.groups else ()):
                    self._collider(element, body.name, group, number, collider)
        return element

    def _joint(self, parent: ET.Element, joint: JointDescription) -> None:
        attributes = {
            "name": joint.name,
            "type": joint.kind,
            "axis": _text(joint.axis),
            "limited": "true" if joint.limited else "false",
        }
        if np.any(joint.anchor):
            attributes["pos"] = _text(joint.anchor)
        if joint.limited:
            attributes["range"] = _text([joint.low, joint.high])
        if joint.reference:
            attributes["ref"] = _text([joint.reference])
        for key, value in (
            ("frictionloss", joint.friction),
            ("stiffness", joint.stiffness),
            ("springref", joint.springref),
        ):
            if value:
                attributes[key] = _text([value])
        if self.controls:
            attributes["damping"] = _text([self.controls.damping[joint.name]])
            attributes["armature"] = _text([self.controls.armature[joint.name]])
        ET.SubElement(parent, "joint", attributes)

    def _visual(self, parent: ET.Element, shape: Shape) -> None:
        common = {
            "group": str(VISUAL_GROUP), "contype": "0", "conaffinity": "0", "mass": "0",
            "rgba": _text(shape.rgba), **_pose(shape.T_body_shape),
        }  # fmt: skip
        if shape.kind == "mesh":
            assert shape.mesh is not None
            mesh = {"type": "mesh", "mesh": self._mesh_file(shape.mesh)}
            ET.SubElement(parent, "geom", mesh | common)
        else:
            primitive = {"type": shape.kind, "size": _size(shape.kind, shape.size)}
            ET.SubElement(parent, "geom", primitive | common)

    def _collider(self, parent, body: str, group: int, number: int, collider: Collider) -> None:
        kind = "exact" if group == EXACT_GROUP else "train"
        attributes = {
            "name": f"{body}_{kind}_{number}",
            "group": str(group),
            "mass": "0",
            "contype": "1",
            "conaffinity": "1",
            "rgba": EXACT_RGBA if group == EXACT_GROUP else TRAIN_RGBA,
            **_pose(collider.T_body_geom),
        }
        if collider.friction:
            attributes["friction"] = _text(collider.friction)
        if collider.kind == "hull":
            assert collider.mesh is not None
            mesh = attributes["name"]
            ET.SubElement(
                self.asset, "mesh", name=mesh, inertia="convex",
                vertex=_text(np.round(collider.mesh.vertices, 6).ravel()),
            )  # fmt: skip
            ET.SubElement(parent, "geom", attributes, type="mesh", mesh=mesh)
        else:
            size = _size(collider.kind, collider.size)
            ET.SubElement(parent, "geom", attributes, type=collider.kind, size=size)

    def _mesh_file(self, mesh: Mesh) -> str:
        """Return the asset name of a visual mesh; equal meshes share one file."""
        if id(mesh) not in self.asset_names:
            data = stl_bytes(mesh)
            name = f"{mesh.name}_{short_digest(data)}"
            if f"{ASSETS}/{name}.stl" not in self.files:
                self.files[f"{ASSETS}/{name}.stl"] = data
                ET.SubElement(
                    self.asset, "mesh", name=name, file=f"{ASSETS}/{name}.stl", inertia="shell"
                )
            self.asset_names[id(mesh)] = name
        return self.asset_names[id(mesh)]

    def _equalities(self) -> None:
        mimics = [joint for joint in self.robot.joints if joint.mimic]
        equality = ET.SubElement(self.root, "equality") if mimics else None
        reference = {joint.name: joint.reference for joint in self.robot.joints}
        for joint in mimics:
            assert joint.mimic is not None and equality is not None
            leader, multiplier, offset = joint.mimic
            # MuJoCo's polynomial is in deviations from the references.
            shift = offset + multiplier * reference[leader] - joint.reference
            ET.SubElement(
                equality, "joint", joint1=joint.name, joint2=leader,
                polycoef=_text([shift, multiplier, 0, 0, 0]), solref=MIMIC_SOLREF,
            )  # fmt: skip

    def _actuators(self) -> None:
        if not self.controls or not self.controls.actuators:
            return
        actuator = ET.SubElement(self.root, "actuator")
        for joint in self.controls.joints:
            if joint.name in self.controls.actuators and joint.control == "velocity":
                ET.SubElement(
                    actuator, "velocity", name=joint.name, joint=joint.name,
                    kv=_text([joint.kd]), ctrlrange=_text([-joint.velocity, joint.velocity]),
                    forcerange=_text([-joint.effort, joint.effort]),
                )  # fmt: skip
            elif joint.name in self.controls.actuators:
                ET.SubElement(
                    actuator, "position", name=joint.name, joint=joint.name,
                    kp=_text([joint.kp]), kv=_text([joint.kd]),
                    ctrlrange=_text([joint.low, joint.high]),
                    forcerange=_text([-joint.effort, joint.effort]),
                )  # fmt: skip


def _pose(T) -> dict[str, str]:
    pose = {}
    if np.any(np.abs(T[:3, 3]) > 1e-12):
        pose["pos"] = _text(T[:3, 3])
    if not np.allclose(T[:3, :3], np.eye(3), atol=1e-12):
        pose["quat"] = _text(rigid.matrix_to_quat(T[:3, :3]))
    return pose


def _size(kind: str, size: tuple[float, float, float]) -> str:
    count = {"sphere": 1, "capsule": 2, "cylinder": 2}.get(kind, 3)
    return _text(size[:count])


def _text(values) -> str:
    """Return numbers with ten digits, no negative zero."""
    return " ".join(f"{float(value) + 0.0:.10g}" for value in values)
