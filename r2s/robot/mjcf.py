"""MJCF to `Description`, through MuJoCo's own compiler, so that defaults and classes mean what they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2s.core import rigid
from r2s.core.errors import R2SError
from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, JointDescription, Mesh, Shape, Site
from r2s.robot.mjcf_actuators import read_actuators
from r2s.robot.mjcf_files import mjcf_files
from r2s.robot.names import Names


def read_mjcf(path: Path, package_path: tuple[Path, ...] = ()) -> Description:
    """Return what an MJCF file says.

    Raises:
        UnsafeInput: it includes or loads files outside its package.
        R2SError: MuJoCo refuses it, or it holds no robot.
    """
    import mujoco

    mjcf_files(path, package_path)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        spec.compiler.discardvisual = False
        spec.compiler.fusestatic = False
        model = spec.compile()
    except ValueError as exc:
        raise R2SError(
            "R2S-ROBOT-021",
            "MuJoCo refuses this MJCF",
            where=str(path),
            why=str(exc).strip(),
            remedy=f"python -c \"import mujoco; mujoco.MjModel.from_xml_path('{path}')\"",
        ) from exc
    return _Reader(path, model).read()


class _Reader:
    def __init__(self, path: Path, model):
        self.path = path
        self.model = model
        self.names = Names()
        self.meshes: dict[int, Mesh] = {}
        self.body_names: dict[int, str] = {}
        self.joint_names: dict[int, str] = {}

    def read(self) -> Description:
        model = self.model
        robot = Description(_model_name(model) or self.path.stem, "mjcf", [])
        root = self._root(robot)
        keep = [b for b in range(model.nbody) if self._is_below(b, root)]
        self._base(robot, root)
        for body in keep[1:]:
            self._body(robot, body)
        for index in range(model.nsite):
            self._site(robot, index)
        self._equalities(robot)
        read_actuators(robot, model, self.joint_names)
        self._home(robot, root)
        self._log_dropped(robot)
        return robot

    def _root(self, robot: Description) -> int:
        """Return the body that is the robot: the top body with most joints below it, then most mass."""
        model = self.model
        tops = [b for b in range(1, model.nbody) if model.body_parentid[b] == 0]
        if not tops:
            raise R2SError(
                "R2S-ROBOT-022",
                "the MJCF has no body",
                where=str(self.path),
                why="a robot is a tree of <body> elements in <worldbody>",
                remedy="pass the file of the robot, not of an empty scene",
            )
        joints = {
            top: sum(model.body_jntnum[b] for b in range(model.nbody) if self._is_below(b, top))
            for top in tops
        }
        root = max(tops, key=lambda top: (joints[top], model.body_subtreemass[top]))
        for top in tops:
            if top != root:
                name = model.body(top).name or f"body {top}"
                robot.repair(
                    "other-body", name, "in the world", "dropped", "it is not part of the robot"
                )
        return root

    def _is_below(self, body: int, root: int) -> bool:
        while body not in (0, root):
            body = int(self.model.body_parentid[body])
        return body == root

    def _base(self, robot: Description, root: int) -> None:
        """Add the root body at the origin; joints of its own move to a body below a new base."""
        import mujoco

        model = self.model
        first, count = int(model.body_jntadr[root]), int(model.body_jntnum[root])
        kinds = model.jnt_type[first : first + count] if count else np.zeros(0)
        free = bool(np.any(kinds == mujoco.mjtJoint.mjJNT_FREE))
        robot.floating = free
        if free:
            robot.base_height_m = float(model.qpos0[model.jnt_qposadr[first] + 2])
        if count and not free:
            name = self.names.fresh("body", "base")
            robot.bodies.append(Body(name, None, np.eye(4)))
            self.body_names[0] = name
            self._body(robot, root)
            return
        position = model.body_pos[root]
        if np.any(np.abs(position) > 1e-9) and not free:
            robot.repair(
                "base-moved",
                model.body(root).name,
                str(position),
                "0 0 0",
                "the scene places the base",
            )
        self._body(robot, root, base=True)

    def _body(self, robot: Description, index: int, base: bool = False) -> None:
        import mujoco

        model = self.model
        name = self.names.fresh("body", model.body(index).name or f"body{index}")
        parent = None if base else self.body_names[int(model.body_parentid[index])]
        self.body_names[index] = name
        T = np.eye(4) if base else _pose(model.body_pos[index], model.body_quat[index])
        body = Body(name, parent, T, float(model.body_mass[index]), model.body_ipos[index].copy())
        turn = rigid.quat_to_matrix(model.body_iquat[index])
        if body.mass > 0:
            body.inertia = turn @ np.diag(model.body_inertia[index]) @ turn.T
        first = int(model.body_jntadr[index])
        for joint in range(first, first + int(model.body_jntnum[index])):
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                continue
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
                robot.repair(
                    "joint-welded", model.joint(joint).name, "ball", "fixed", "it has no actuator"
                )
                continue
            body.joints.append(self._joint(joint))
        for geom in range(model.ngeom):
            if model.geom_bodyid[geom] == index:
                self._geom(robot, body, geom)
        robot.bodies.append(body)

    def _joint(self, index: int) -> JointDescription:
        import mujoco

        model = self.model
        name = self.names.fresh("joint", model.joint(index).name or f"joint{index}")
        self.joint_names[index] = name
        dof = int(model.jnt_dofadr[index])
        limited = bool(model.jnt_limited[index])
        low, high = model.jnt_range[index] if limited else (-np.pi, np.pi)
        effort = None
        if model.jnt_actfrclimited[index]:
            effort = float(np.abs(model.jnt_actfrcrange[index]).max())
        slide = model.jnt_type[index] == mujoco.mjtJoint.mjJNT_SLIDE
        return JointDescription(
            name,
            "slide" if slide else "hinge",
            model.jnt_axis[index].copy(),
            model.jnt_pos[index].copy(),
            float(low),
            float(high),
            limited,
            reference=float(model.qpos0[model.jnt_qposadr[index]]),
            effort=effort,
            damping=float(model.dof_damping[dof]),
            armature=float(model.dof_armature[dof]),
            friction=float(model.dof_frictionloss[dof]),
            stiffness=float(model.jnt_stiffness[index]),
            springref=float(model.qpos_spring[model.jnt_qposadr[index]]),
            passive=True,  # until an actuator is found
        )

    def _geom(self, robot: Description, body: Body, index: int) -> None:
        import mujoco

        model, t = self.model, mujoco.mjtGeom
        kinds = {
            t.mjGEOM_BOX: "box",
            t.mjGEOM_SPHERE: "sphere",
            t.mjGEOM_CYLINDER: "cylinder",
            t.mjGEOM_CAPSULE: "capsule",
            t.mjGEOM_ELLIPSOID: "ellipsoid",
            t.mjGEOM_MESH: "mesh",
        }
        kind = kinds.get(mujoco.mjtGeom(int(model.geom_type[index])))
        if kind is None:
            name = model.geom(index).name or f"geom {index}"
            robot.repair(
                "geom-dropped", body.name, name, "dropped", "planes and height fields are not links"
            )
            return
        rgba = model.geom_rgba[index]
        if (material := int(model.geom_matid[index])) >= 0:
            rgba = model.mat_rgba[material]
        solid = bool(model.geom_contype[index] or model.geom_conaffinity[index])
        sx, sy, sz = (float(value) for value in model.geom_size[index])
        r, g, b, a = (float(round(float(value), 4)) for value in rgba)
        shape = Shape(
            kind,  # type: ignore[arg-type]
            _pose(model.geom_pos[index], model.geom_quat[index]),
            (sx, sy, sz),
            self._mesh(int(model.geom_dataid[index])) if kind == "mesh" else None,
            (r, g, b, a),
            _friction(model.geom_friction[index]) if solid else None,
        )
        (body.collisions if solid else body.visuals).append(shape)

    def _mesh(self, index: int) -> Mesh:
        if index not in self.meshes:
            model = self.model
            v, f = int(model.mesh_vertadr[index]), int(model.mesh_faceadr[index])
            vertices = model.mesh_vert[v : v + int(model.mesh_vertnum[index])].astype(np.float64)
            faces = model.mesh_face[f : f + int(model.mesh_facenum[index])].astype(int)
            name = self.names.fresh("mesh", model.mesh(index).name or f"mesh{index}")
            self.meshes[index] = Mesh(name, vertices, faces)
        return self.meshes[index]

    def _site(self, robot: Description, index: int) -> None:
        body = int(self.model.site_bodyid[index])
        if body in self.body_names:
            name = self.names.fresh("site", self.model.site(index).name or f"site{index}")
            T = _pose(self.model.site_pos[index], self.model.site_quat[index])
            robot.sites.append(Site(name, self.body_names[body], T))

    def _equalities(self, robot: Description) -> None:
        import mujoco

        model = self.model
        joints = {joint.name: joint for joint in robot.joints}
        for index in range(model.neq):
            one, other = int(model.eq_obj1id[index]), int(model.eq_obj2id[index])
            data = model.eq_data[index]
            if (
                model.eq_type[index] == mujoco.mjtEq.mjEQ_JOINT
                and one in self.joint_names
                and other in self.joint_names
                and not np.any(data[2:5])
            ):
                follower, leader = joints[self.joint_names[one]], joints[self.joint_names[other]]
                offset = data[0] + follower.reference - data[1] * leader.reference
                follower.mimic = (leader.name, float(data[1]), float(offset))
            else:
                robot.repair(
                    "equality-dropped", f"equality {index}", mujoco.mjtEq(model.eq_type[index]).name,
                    "dropped", "only linear couplings of two joints are imported; loops stay open",
                )  # fmt: skip

    def _home(self, robot: Description, root: int) -> None:
        """Take the keyframe called home, else the first one, else nothing."""
        import mujoco

        model = self.model
        if not model.nkey:
            return
        names = [model.key(k).name for k in range(model.nkey)]
        key = names.index("home") if "home" in names else 0
        qpos = model.key_qpos[key]
        for index, name in self.joint_names.items():
            robot.home[name] = float(qpos[model.jnt_qposadr[index]])
        first = int(model.body_jntadr[root])
        if first >= 0 and model.jnt_type[first] == mujoco.mjtJoint.mjJNT_FREE:
            robot.base_height_m = float(qpos[model.jnt_qposadr[first] + 2])

    def _log_dropped(self, robot: Description) -> None:
        for what, count in (
            ("tendon", self.model.ntendon),
            ("sensor", self.model.nsensor),
            ("exclude", self.model.nexclude),
        ):
            if count:
                robot.repair(
                    f"{what}-dropped",
                    robot.name,
                    str(count),
                    "0",
                    "r2s writes its own, or has none",
                )


def _model_name(model) -> str:
    return model.names[: model.names.index(b"\0")].decode("utf-8", "replace")


def _pose(position, quaternion) -> Array:
    return rigid.transform(rigid.quat_to_matrix(quaternion), position)


def _friction(values) -> tuple[float, float, float] | None:
    slide, spin, roll = (float(f"{value:.6g}") for value in values)
    return None if (slide, spin, roll) == (1.0, 0.005, 0.0001) else (slide, spin, roll)
