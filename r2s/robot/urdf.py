"""URDF to `Description`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from r2s.core.errors import R2SError
from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, JointDescription, Shape
from r2s.robot.meshes import MAX_FACES, MeshPart, load_mesh
from r2s.robot.names import Names
from r2s.robot.resolve import Resolver
from r2s.robot.urdf_elements import (
    UNLIMITED,
    count_below,
    finite,
    link_of,
    primitive,
    read_colour,
    read_limit,
    read_number,
    read_origin,
    read_vector,
)
from r2s.robot.xacro import read_urdf_xml

DEFAULT_RGBA = (0.7, 0.7, 0.7, 1.0)


def read_urdf(path: Path, package_path: tuple[Path, ...] = ()) -> Description:
    """Return what a URDF file says, repaired where the meaning is beyond doubt.

    Raises:
        R2SError: it is not a URDF, not a tree, or a collision mesh is missing.
    """
    reader = _Reader(path, Resolver(path, package_path))
    try:
        return reader.read()
    except ValueError as exc:
        raise reader.broken("a number cannot be read", str(exc)) from exc


def mesh_names(path: Path, package_path: tuple[Path, ...] = ()) -> list[str]:
    """Return every mesh file name in a URDF, as written, without repeats."""
    root = read_urdf_xml(path, package_path)
    names = [mesh.get("filename", "") for mesh in root.iter("mesh")]
    return list(dict.fromkeys(name for name in names if name))


class _Reader:
    def __init__(self, path: Path, resolver: Resolver):
        self.path = path
        self.resolver = resolver
        self.names = Names()
        self.meshes: dict[tuple[str, tuple[float, ...]], list[MeshPart]] = {}
        self.colours: dict[str, tuple[float, float, float, float]] = {}

    def read(self) -> Description:
        root = read_urdf_xml(self.path, self.resolver.package_path)
        self._check_root(root)
        for material in root.findall("material"):
            colour = read_colour(material)
            if colour is not None:
                self.colours[material.get("name", "")] = colour
        robot = Description(root.get("name") or self.path.stem, "urdf", [])
        links = {link.get("name", ""): link for link in root.findall("link")}
        joints = root.findall("joint")
        for base, joint in self._tree(robot, links, joints):
            self._add(robot, links[base], joint)
        self._resolve_mimics(robot)
        return robot

    def _check_root(self, root: ET.Element) -> None:
        if root.tag != "robot":
            raise R2SError(
                "R2S-ROBOT-005",
                f"this is not a URDF: its root element is <{root.tag}>",
                where=str(self.path),
                why="a URDF begins with <robot>, an MJCF with <mujoco>",
                remedy="pass a .urdf or an MJCF .xml; convert SDF or USD first",
            )
        if not root.findall("link"):
            raise self.broken("it has no link", "a robot needs at least one <link>")

    def _tree(
        self, robot: Description, links: dict[str, ET.Element], joints: list[ET.Element]
    ) -> list[tuple[str, ET.Element | None]]:
        """Return (link, joint above it), parents first; drop a massless root called world."""
        above: dict[str, ET.Element] = {}
        below: dict[str, list[ET.Element]] = {}
        for joint in joints:
            parent, child = link_of(joint, "parent"), link_of(joint, "child")
            for end in (parent, child):
                if end not in links:
                    raise self.broken(
                        f"joint {joint.get('name')} names the link {end!r}, which does not exist",
                        f"links: {', '.join(links)}",
                    )
            if parent == child:
                raise self.broken(
                    f"joint {joint.get('name')} joins the link {child} to itself",
                    "a joint has a parent and another child",
                )
            if child in above:
                raise self.broken(
                    f"link {child} has two parents",
                    f"joints {above[child].get('name')} and {joint.get('name')} both move it; "
                    "closed loops need an MJCF",
                )
            above[child] = joint
            below.setdefault(parent, []).append(joint)
        roots = [name for name in links if name not in above]
        if not roots:
            raise self.broken("it has no root link", "its joints form a closed loop")
        sizes = {name: count_below(name, below) for name in roots}
        if sum(sizes.values()) < len(links):
            raise self.broken(
                f"{len(links) - sum(sizes.values())} of its links hang on themselves",
                "their joints form a closed loop",
            )
        if len(roots) > 1:
            kept = max(roots, key=lambda name: sizes[name])
            for name in roots:
                if name != kept:
                    robot.repair(
                        "loose-link",
                        name,
                        f"{sizes[name]} links",
                        "dropped",
                        f"no joint connects it with the root {kept}",
                    )
            roots = [kept]
        root = self._without_world(robot, links, below, roots[0])
        order: list[tuple[str, ET.Element | None]] = []
        stack: list[tuple[str, ET.Element | None]] = [(root, None)]
        while stack:  # depth first, children in file order: the order of MuJoCo's joints
            name, joint = stack.pop()
            order.append((name, joint))
            stack += [(link_of(j, "child"), j) for j in reversed(below.get(name, []))]
        return order

    def _without_world(self, robot, links, below, root: str) -> str:
        """Return the real root: a massless, shapeless root is skipped if it only carries a robot."""
        while True:
            link, under = links[root], below.get(root, [])
            empty = all(link.find(tag) is None for tag in ("inertial", "visual", "collision"))
            if not empty or len(under) != 1 or under[0].get("type") not in ("fixed", "floating"):
                return root
            T = read_origin(under[0])
            if under[0].get("type") == "floating":
                robot.floating = True
            elif root.lower() not in ("world", "map", "odom") and not np.allclose(T, np.eye(4)):
                return root  # its frame means something: keep it
            child = link_of(under[0], "child")
            robot.repair(
                "empty-root",
                root,
                f"root of {child}",
                "dropped",
                "an empty link; the scene is the world",
            )
            root = child

    def _add(self, robot: Description, link: ET.Element, joint: ET.Element | None) -> None:
        foreign = link.get("name", "")
        parent = None if joint is None else self.names.of("body", link_of(joint, "parent"))
        body = Body(
            self.names.of("body", foreign),
            parent,
            np.eye(4) if joint is None else read_origin(joint),
        )
        self._inertial(robot, body, link.find("inertial"))
        for role, shapes in (("visual", body.visuals), ("collision", body.collisions)):
            for element in link.findall(role):
                shapes += self._shapes(robot, body.name, role, element)
        if joint is not None:
            self._joint(robot, body, joint)
        robot.bodies.append(body)

    def _inertial(self, robot: Description, body: Body, element: ET.Element | None) -> None:
        if element is None:
            return
        mass, inertia = element.find("mass"), element.find("inertia")
        T = read_origin(element)
        body.com = T[:3, 3]
        body.mass = finite(mass.get("value", "0")) if mass is not None else 0.0
        if inertia is not None:
            xx, xy, xz, yy, yz, zz = (
                finite(inertia.get(key, "0")) for key in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
            )
            tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            body.inertia = T[:3, :3] @ tensor @ T[:3, :3].T
        numbers = [
            body.mass,
            *body.com,
            *(body.inertia.ravel() if body.inertia is not None else []),
        ]
        if not np.isfinite(numbers).all() or body.mass < 0:
            robot.repair(
                "bad-mass",
                body.name,
                f"{body.mass}",
                "0",
                "a mass must be a number of at least zero",
            )
            body.mass, body.inertia, body.com = 0.0, None, np.zeros(3)

    def _shapes(self, robot: Description, link: str, role: str, element: ET.Element) -> list[Shape]:
        geometry = element.find("geometry")
        child = geometry[0] if geometry is not None and len(geometry) else None
        if child is None:
            return []
        T = read_origin(element)
        rgba = self._material(element)
        if child.tag == "mesh":
            return self._mesh_shapes(robot, link, role, child, T, rgba)
        try:
            kind, size = primitive(child)
        except (KeyError, ValueError) as exc:
            raise self.broken(
                f"a {role} shape of link {link} cannot be read", f"<{child.tag}>: {exc}"
            ) from exc
        if kind is None or min(value for value in size if value or kind == "box") <= 0:
            robot.repair(
                "bad-shape",
                link,
                f"{role} <{child.tag}> {child.attrib}",
                "dropped",
                "a box, sphere, cylinder or capsule of positive size is needed",
            )
            return []
        return [Shape(kind, T, size, rgba=rgba or DEFAULT_RGBA)]  # type: ignore[arg-type]

    def _mesh_shapes(self, robot, link, role, element: ET.Element, T: Array, rgba) -> list[Shape]:
        name = element.get("filename", "")
        scale = read_vector(element.get("scale", "1 1 1"), None)
        scale = np.repeat(scale, 3) if len(scale) == 1 else scale
        key = (name, tuple(scale))
        if key not in self.meshes:
            path = self.resolver.find(name)
            try:
                if path is None:
                    raise self.resolver.missing(name, link, role)
                self.meshes[key] = load_mesh(path, scale)
            except R2SError as error:
                if role == "collision":
                    raise
                # Not kept in `meshes`: a collider with the same file must still raise.
                robot.repair("visual-mesh-dropped", link, name, "dropped", error.what)
                return []
            self._log_mesh(robot, key, path)
        return [
            Shape("mesh", T, mesh=part.mesh, rgba=rgba or part.rgba or DEFAULT_RGBA)
            for part in self.meshes[key]
        ]

    def _log_mesh(self, robot: Description, key, path: Path) -> None:
        faces = sum(part.faces_in_file for part in self.meshes[key])
        kept = sum(len(part.mesh.faces) for part in self.meshes[key])
        if any(part.faces_in_file > MAX_FACES for part in self.meshes[key]):
            robot.repair(
                "mesh-decimated", path.name, f"{faces} faces", f"{kept} faces", "too fine to load"
            )
        if np.prod(key[1]) < 0:
            robot.repair(
                "mirrored-scale",
                path.name,
                f"scale {key[1]}",
                "baked",
                "mirroring turns normals inwards",
            )
        if path.suffix.lower() not in (".stl", ".obj"):
            robot.repair(
                "mesh-converted", path.name, path.suffix, ".stl", "MuJoCo reads STL and OBJ only"
            )

    def _material(self, element: ET.Element) -> tuple[float, float, float, float] | None:
        material = element.find("material")
        if material is None:
            return None
        return read_colour(material) or self.colours.get(material.get("name", ""))

    def _joint(self, robot: Description, body: Body, joint: ET.Element) -> None:
        kind = joint.get("type", "")
        name = joint.get("name", "")
        if kind == "fixed":
            return
        if kind == "floating" and len(robot.bodies) == 1:
            # Root and its floating child: MuJoCo's free joint belongs to the root, so they swap roles.
            robot.floating = True
            robot.repair("floating-joint", name, "floating", "fixed", "the base itself floats")
            return
        if kind not in ("revolute", "continuous", "prismatic"):
            robot.repair(
                "joint-welded", name, kind, "fixed", f"a joint of type {kind!r} has no actuator"
            )
            return
        body.joints.append(self._moving_joint(robot, joint, kind))

    def _moving_joint(self, robot, joint: ET.Element, kind: str) -> JointDescription:
        foreign = joint.get("name", "")
        name = self.names.of("joint", foreign)
        axis_element = joint.find("axis")
        axis = (
            read_vector(axis_element.get("xyz", "1 0 0"))
            if axis_element is not None
            else np.eye(3)[0]
        )
        if np.linalg.norm(axis) < 1e-9:
            robot.repair("zero-axis", name, "0 0 0", "1 0 0", "the URDF default axis is x")
            axis = np.eye(3)[0]
        limit = joint.find("limit")
        number = {key: read_limit(limit, key) for key in ("lower", "upper", "velocity", "effort")}
        low, high = number["lower"] or 0.0, number["upper"] or 0.0
        limited = kind != "continuous"
        if limited and max(abs(low), abs(high)) == UNLIMITED:
            low = high = 0.0  # written as a huge range, meant as none
        if limited and low > high:
            robot.repair("inverted-limits", name, f"{low} {high}", f"{high} {low}", "lower > upper")
            low, high = high, low
        if limited and high - low < 1e-9:
            full = np.pi if kind == "revolute" else 1.0
            robot.repair(
                "no-limits", name, f"{low} {high}", f"+-{full:.4g}", "no range, or an endless one"
            )
            low, high, limited = -full, full, kind == "prismatic"
        if not limited:
            low, high = -np.pi, np.pi
        dynamics = joint.find("dynamics")
        damping = read_number(dynamics, "damping")
        mimic = joint.find("mimic")
        followed = None
        if mimic is not None:
            followed = (
                mimic.get("joint", "").strip(),
                finite(mimic.get("multiplier", "1")),
                finite(mimic.get("offset", "0")),
            )
        return JointDescription(
            name,
            "slide" if kind == "prismatic" else "hinge",
            axis / np.linalg.norm(axis),
            np.zeros(3),
            low,
            high,
            limited,
            velocity=_known(number["velocity"]),
            effort=_known(number["effort"]),
            damping=damping if (damping or 0) > 0 else None,
            friction=max(read_number(dynamics, "friction") or 0.0, 0.0),
            mimic=followed,
        )

    def _resolve_mimics(self, robot: Description) -> None:
        """Turn the foreign names in mimics into ours, follow chains of mimics, drop dangling ones."""
        by_name = {joint.name: joint for joint in robot.joints}
        for joint in robot.joints:
            if joint.mimic is None:
                continue
            leader = by_name.get(self.names.of("joint", joint.mimic[0]))
            if leader is None:
                leader = self._prefixed_leader(robot, joint)
            multiplier, offset = joint.mimic[1:]
            seen = {joint.name}
            while leader is not None and leader.mimic is not None and leader.name not in seen:
                seen.add(leader.name)
                offset += multiplier * leader.mimic[2]
                multiplier *= leader.mimic[1]
                leader = by_name.get(self.names.of("joint", leader.mimic[0]))
            if leader is None or leader.name in seen:
                robot.repair(
                    "mimic-dropped",
                    joint.name,
                    joint.mimic[0],
                    "independent",
                    "no such leader joint",
                )
                joint.mimic = None
            else:
                joint.mimic = (leader.name, multiplier, offset)

    def _prefixed_leader(
        self, robot: Description, joint: JointDescription
    ) -> JointDescription | None:
        """Return the one joint above `joint` whose name ends with that of the missing leader.

        A limb that was copied with a prefix (`Left_index_q1`) often keeps the names of its mimics.
        """
        assert joint.mimic is not None
        body = next(body for body in robot.bodies if joint in body.joints)
        above: list[JointDescription] = []
        while body.parent is not None:
            body = robot.body(body.parent)
            above += [each for each in body.joints if each.name.endswith(joint.mimic[0])]
        if len(above) != 1:
            return None
        robot.repair(
            "mimic-leader",
            joint.name,
            joint.mimic[0],
            above[0].name,
            "no such joint; the only one above it whose name ends so",
        )
        return above[0]

    def broken(self, what: str, why: str) -> R2SError:
        return R2SError(
            "R2S-ROBOT-007",
            f"the URDF cannot be used: {what}",
            where=str(self.path),
            why=why,
            remedy=f"check_urdf {self.path}",
        )


def _known(limit: float | None) -> float | None:
    """Return a velocity or effort limit, None where zero, negative or endless means "not stated"."""
    return limit if limit is not None and 0 < limit < UNLIMITED else None
