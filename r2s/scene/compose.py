"""The MJCF text of both models. Written as text, so equal scenes are equal bytes."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX
from r2s.core.rigid import quat_to_matrix
from r2s.scene.environment import Environment, Thing, field_file
from r2s.scene.robot_tree import RobotTree

TRAIN_FILE, VIEW_FILE = "scene_train.xml", "scene.xml"
# Static geoms offer themselves to contacts and never look for one, so two of them never meet.
STATIC_BITS = {"contype": "0", "conaffinity": "1"}
MOVABLE_BITS = {"contype": "1", "conaffinity": "1"}
FREE_JOINT = "free"
HIDDEN_GROUP, VISIBLE_GROUP = "3", "2"
PLACE, TEXTURE_ASSET = "place", "assets/place.png"
BACKED = ("floor", "support")  # what shows its collider where its surface was not seen ...
PLANE_BEHIND_M, BOX_BEHIND_M = 0.03, 0.01  # ... this far behind it: scanned floors sag
# A reference frame whose x axis is the world's z, so that the first number is the height.
HEIGHT_SITE, HEIGHT_QUATERNION = "height", (0.5, -0.5, -0.5, -0.5)

LEAST_RISE_M = 1e-3  # MuJoCo wants a height field to have some height

Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Options:
    """Solver settings of one model."""

    timestep_s: float
    cone: str = "pyramidal"
    iterations: int = 8
    ls_iterations: int = 8
    tolerance: float = 1e-8

    def attributes(self) -> dict[str, str]:
        return {
            "timestep": number(self.timestep_s),
            "integrator": "implicitfast",
            "cone": self.cone,
            "iterations": str(self.iterations),
            "ls_iterations": str(self.ls_iterations),
            "tolerance": number(self.tolerance),
        }


@dataclass(frozen=True)
class Stance:
    """Where the robot stands and how: base pose in the world, joint positions, actuator targets."""

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    floating: bool
    qpos: Mapping[str, float] = field(default_factory=dict)
    ctrl: Mapping[str, float] = field(default_factory=dict)


def compose(
    place: Environment,
    robot: RobotTree,
    stance: Stance,
    options: Options,
    *,
    name: str,
    sensors: Sequence[tuple[str, Attributes]] = (),
    sites: Sequence[tuple[str, Attributes]] = (),
    exclude: Sequence[tuple[str, str]] = (),
    visuals: Sequence[str | None] = (),
    held: Collection[str] = (),
    most_contacts: int = 0,
    view: tuple[np.ndarray, float] | None = None,
) -> bytes:
    """Return one model's MJCF.

    Args:
        sensors: (element, attributes) in order.
        sites: (body name or "", attributes) of further sites.
        exclude: further pairs of bodies that never touch.
        visuals: per visual of the place its asset file, or None; () leaves them out.
        held: names of movable things that stay where they are: bodies without a joint.
        most_contacts: how many contacts MJX solves for, the deepest first (MuJoCo has no such bound);
            0: one for each that any pair of colliders could have, which are hundreds.
        view: centre (3,) and extent [m] for viewers.
    """
    robot = copy.deepcopy(robot)
    root = ET.Element("mujoco", model=name)
    ET.SubElement(
        root, "compiler", angle="radian", autolimits="true", inertiafromgeom="false",
        fusestatic="false", discardvisual="false",
    )  # fmt: skip
    ET.SubElement(root, "option", options.attributes())
    if most_contacts:
        custom = ET.SubElement(root, "custom")
        ET.SubElement(custom, "numeric", name="max_contact_points", data=str(most_contacts))
    if view is not None:
        _viewer(root, *view)
    default = ET.SubElement(root, "default")
    default.extend(robot.sections["default"])
    asset = ET.SubElement(root, "asset")
    asset.extend(robot.sections["asset"])
    world = ET.SubElement(root, "worldbody")
    if view is not None:
        ET.SubElement(
            world, "light", pos=_text(view[0] + [0.3 * view[1], 0.2 * view[1], 2 * view[1]]),
            dir="-0.15 -0.1 -1", directional="true", diffuse="0.6 0.6 0.6",
        )  # fmt: skip
    for body, attributes in sites:
        if not body:
            ET.SubElement(world, "site", dict(attributes))
    world.append(_robot(robot, stance, sites))
    if visuals and place.texture.size:
        ET.SubElement(asset, "texture", name=PLACE, type="2d", file=TEXTURE_ASSET)
        ET.SubElement(asset, "material", name=PLACE, texture=PLACE, specular="0", shininess="0")
    for thing in place.things:
        _thing(world, asset, thing, place, visuals, thing.name in held)
    contact = ET.SubElement(root, "contact")
    contact.extend(robot.sections["contact"])
    for one, other in exclude:
        ET.SubElement(contact, "exclude", body1=one, body2=other)
    for section in ("equality", "tendon", "actuator"):
        ET.SubElement(root, section).extend(robot.sections[section])
    sensor = ET.SubElement(root, "sensor")
    for tag, attributes in sensors:
        ET.SubElement(sensor, tag, dict(attributes))
    for section in list(root):
        if not len(section) and not section.attrib:
            root.remove(section)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode").encode() + b"\n"


def with_home(
    xml: bytes, assets: Mapping[str, bytes], stance: Stance, bare: bytes | None = None
) -> bytes:
    """Return the model with its keyframe `home`: stance, and things where the model has them.

    Args:
        bare: the same model without what is only seen, whose files `assets` need not have.
    """
    import mujoco

    model = mujoco.MjModel.from_xml_string((bare or xml).decode(), dict(assets))
    qpos, ctrl = home_state(model, stance)
    root = ET.fromstring(xml.decode())
    keyframe = ET.SubElement(root, "keyframe")
    ET.SubElement(keyframe, "key", name=HOME_KEYFRAME, qpos=_text(qpos), ctrl=_text(ctrl))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode").encode() + b"\n"


def home_state(model, stance: Stance) -> tuple[np.ndarray, np.ndarray]:
    """Return (nq,) positions and (nu,) targets of the home pose in a compiled model."""
    qpos = model.qpos0.copy()
    for joint, value in stance.qpos.items():
        qpos[model.joint(ROBOT_PREFIX + joint).qposadr[0]] = value
    ctrl = np.zeros(model.nu)
    for actuator, value in stance.ctrl.items():
        ctrl[model.actuator(ROBOT_PREFIX + actuator).id] = value
    return qpos, ctrl


def _robot(robot: RobotTree, stance: Stance, sites) -> ET.Element:
    root = robot.root
    root.set("pos", _text(stance.position))
    root.set("quat", _text(stance.quaternion))
    if stance.floating:
        joint = ET.Element("freejoint", name=ROBOT_PREFIX + FREE_JOINT)
        first = next((i for i, node in enumerate(root) if node.tag != "inertial"), len(root))
        root.insert(first, joint)
    for body in root.iter("body"):
        for owner, attributes in sites:
            if owner and owner == body.get("name"):
                ET.SubElement(body, "site", dict(attributes))
    return root


def _thing(
    world: ET.Element, asset: ET.Element, thing: Thing, place: Environment, visuals, held: bool
) -> None:
    parent, origin, bits = world, np.zeros(3), STATIC_BITS
    if thing.movable:
        parent, origin = _own_body(world, thing, held), np.asarray(thing.com)
        bits = STATIC_BITS if held else MOVABLE_BITS
    file = visuals[thing.visual] if visuals and thing.visual >= 0 else None
    for index, geom in enumerate(thing.geoms):
        attributes = {
            "name": f"{thing.name}/{index}",
            **_shape(geom, place, asset),
            "pos": _text(np.asarray(geom.position) - origin),
            "quat": _text(geom.quaternion),
            "mass": "0",
            "friction": _text([thing.friction, 0.005, 0.0001]),
            "priority": str(thing.priority),
            "group": HIDDEN_GROUP if file else "0",
            "rgba": _text([*thing.color, 1]),
            **bits,
        }
        ET.SubElement(parent, "geom", attributes)
    if not file:
        return
    shown = {"contype": "0", "conaffinity": "0", "group": VISIBLE_GROUP, "mass": "0"}
    plain = {"rgba": _text([*thing.color, 1])}
    mesh = f"visual_{thing.name}"
    ET.SubElement(asset, "mesh", name=mesh, file=file, inertia="shell")
    ET.SubElement(
        parent, "geom", name=f"{thing.name}/visual", type="mesh", mesh=mesh,
        pos=_text(np.asarray(thing.offset) - origin),
        attrib=shown | ({"material": PLACE} if place.texture.size else plain),
    )  # fmt: skip
    for index, geom in enumerate(thing.geoms if thing.role in BACKED else ()):
        ET.SubElement(
            parent, "geom", name=f"{thing.name}/{index}/behind",
            attrib=_behind(geom, place, asset) | {"quat": _text(geom.quaternion)} | shown | plain,
        )  # fmt: skip


def _behind(geom: Geom, place: Environment, asset: ET.Element) -> dict[str, str]:
    """Return shape and place of what is seen through the gaps of the surface that a geom hides behind."""
    position, size = np.asarray(geom.position), np.asarray(geom.size)
    if geom.shape == "plane":
        position = position - PLANE_BEHIND_M * quat_to_matrix(geom.quaternion)[:, 2]
    elif geom.shape == "box":
        size = np.maximum(size - BOX_BEHIND_M, 0.2 * size)
    smaller = geom.model_copy(update={"size": tuple(float(side) for side in size)})
    return {**_shape(smaller, place, asset), "pos": _text(position)}


def _own_body(world: ET.Element, thing: Thing, held: bool) -> ET.Element:
    body = ET.SubElement(world, "body", name=thing.name, pos=_text(thing.com))
    i = np.asarray(thing.inertia).reshape(3, 3)
    full = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
    ET.SubElement(body, "inertial", pos="0 0 0", mass=number(thing.mass), fullinertia=_text(full))
    if not held:
        ET.SubElement(body, "freejoint", name=f"{thing.name}/{FREE_JOINT}")
    return body


def _shape(geom: Geom, place: Environment, asset: ET.Element) -> dict[str, str]:
    if geom.shape == "hull":
        mesh = f"hull_{geom.hull}"
        if all(item.get("name") != mesh for item in asset):
            vertices = _text(np.round(place.hulls[geom.hull], 6).ravel())
            ET.SubElement(asset, "mesh", name=mesh, vertex=vertices, inertia="convex")
        return {"type": "mesh", "mesh": mesh}
    if geom.shape == "hfield":
        field, top = f"terrain_{geom.hull}", float(place.hulls[geom.hull][:, 2].max())
        if all(item.get("name") != field for item in asset):
            half_x, half_y, base = geom.size
            size = _text([half_x, half_y, max(top, LEAST_RISE_M), base])
            ET.SubElement(asset, "hfield", name=field, file=field_file(geom), size=size)
        return {"type": "hfield", "hfield": field}
    if geom.shape == "plane":
        # Viewers draw planes with the size given; collisions take every plane as infinite.
        return {"type": "plane", "size": _text([geom.size[0], geom.size[1], 1.0])}
    numbers = {"sphere": 1, "capsule": 2, "cylinder": 2, "box": 3}[geom.shape]
    return {"type": geom.shape, "size": _text(geom.size[:numbers])}


def _viewer(root: ET.Element, centre: np.ndarray, extent: float) -> None:
    ET.SubElement(root, "statistic", center=_text(centre), extent=number(extent))
    visual = ET.SubElement(root, "visual")
    ET.SubElement(
        visual, "headlight", diffuse="0.5 0.5 0.5", ambient="0.3 0.3 0.3", specular="0 0 0"
    )
    ET.SubElement(
        visual, "global", offwidth="1280", offheight="960", azimuth="140", elevation="-25"
    )
    ET.SubElement(visual, "map", znear="0.01")


def number(value: float) -> str:
    """Return a number with ten digits, no negative zero."""
    return f"{float(value) + 0.0:.10g}"


def _text(values) -> str:
    return " ".join(number(value) for value in values)
