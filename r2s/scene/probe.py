"""Questions about collisions, asked of a compiled model without stepping it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.core.coupled import brought, followers
from r2s.core.rigid import Array, yaw_quaternion
from r2s.scene.compose import Stance, home_state
from r2s.scene.errors import refused_by_mujoco

# A greedy walk of the end effector: steps as long as a policy's over some control periods.
WALK_STEPS, WALK_STEP_M, WALK_STEP_RAD, WALK_ENDS_M = 120, 0.1, 0.2, 0.001
WALK_DAMPING = 1e-3  # [m^2]: steps stay bounded where the arm is stretched
WALK_TURN_M, WALK_ENDS_RAD = 0.1, 0.02  # what a radian of an axis counts; how well it ends aligned


@dataclass(frozen=True)
class Touch:
    """Two geoms closer than asked: distance [m], negative inside."""

    one: str
    other: str
    distance_m: float

    def __str__(self) -> str:
        return f"{self.one} - {self.other} ({1000 * self.distance_m:+.1f} mm)"


class Probe:
    """A model with a robot whose base and joints are moved by hand.

    Args:
        clearance_m: how near the robot may come to the place; of itself it must only not touch.
    """

    def __init__(
        self,
        xml: bytes,
        assets: Mapping[str, bytes],
        stance: Stance,
        joints: Iterable[str],
        *,
        base_body: str,
        clearance_m: float = 0.0,
        file: str = "scene.xml",
    ):
        import mujoco

        self._mujoco = mujoco
        joints = tuple(joints)
        self.model = compiled(xml, assets, file)
        self.data = mujoco.MjData(self.model)
        self.base = self.model.body(ROBOT_PREFIX + base_body).id
        self.free = self.model.body_jntnum[self.base] > 0 and (
            self.model.jnt_type[self.model.body_jntadr[self.base]] == mujoco.mjtJoint.mjJNT_FREE
        )
        self.qpos_index = np.array(
            [self.model.joint(ROBOT_PREFIX + name).qposadr[0] for name in joints], int
        )
        self.dof_index = np.array(
            [self.model.joint(ROBOT_PREFIX + name).dofadr[0] for name in joints], int
        )
        self.home, _ = home_state(self.model, stance)
        self.coupled = followers(self.model)
        names = [self.model.body(int(b)).name for b in self.model.geom_bodyid]
        self.of_robot = np.array([name.startswith(ROBOT_PREFIX) for name in names])
        self.model.geom_margin[~self.of_robot] = clearance_m
        self.model.geom_contype[~self.of_robot] = 0  # only what the robot touches is asked for
        self.clearance_m = clearance_m
        self._mujoco.mj_kinematics(self.model, self.data)
        self._close: set[tuple[int, int]] = set()

    def accept_home(self) -> None:
        """Ask no clearance between geoms that are closer than that at home: a shoulder over its table."""
        self.pose()
        self._mujoco.mj_collision(self.model, self.data)
        self._close = {(int(a), int(b)) for a, b in self.data.contact.geom}

    def stand(self, position, quaternion) -> None:
        """Move the base to a pose in the world."""
        if self.free:
            address = int(self.model.jnt_qposadr[self.model.body_jntadr[self.base]])
            self.home[address : address + 7] = [*position, *quaternion]
        else:
            self.model.body_pos[self.base] = position
            self.model.body_quat[self.base] = quaternion

    def put(self, thing: str, position: Array, yaw: float) -> None:
        """Move a free thing: its centre of mass to (3,) metres, world frame, turned from its scan [rad]."""
        address = int(self.model.jnt_qposadr[self.model.body(thing).jntadr[0]])
        self.home[address : address + 7] = [*position, *yaw_quaternion(yaw)]

    def pose(self, joints: Array | None = None) -> None:
        """Put the joints somewhere, everything else at home, and compute kinematics."""
        self.data.qpos[:] = self.home
        if joints is not None:
            self.data.qpos[self.qpos_index] = joints
            brought(self.data.qpos, self.coupled)
        self._mujoco.mj_kinematics(self.model, self.data)

    def touches(self, joints: Array | None = None) -> list[Touch]:
        """Return what the robot touches (or comes too near to) in a configuration."""
        self.pose(joints)
        self._mujoco.mj_collision(self.model, self.data)
        found = []
        for index in np.flatnonzero(self._near()):
            one, other = (int(g) for g in self.data.contact.geom[index])
            distance = float(self.data.contact.dist[index])
            found.append(Touch(self._geom(one), self._geom(other), distance))
        return sorted(found, key=lambda touch: (touch.distance_m, touch.one, touch.other))

    def is_free(self, joints: Array | None = None) -> bool:
        """Whether the robot is clear of itself and of the place."""
        self.pose(joints)
        self._mujoco.mj_collision(self.model, self.data)
        return not self._near().any()

    def path_is_free(self, start: Array, end: Array, step_rad: float = 0.12) -> bool:
        """Whether the straight line between two configurations is clear."""
        count = max(2, int(np.ceil(np.abs(end - start).max() / step_rad)) + 1)
        return all(self.is_free(start + t * (end - start)) for t in np.linspace(0, 1, count))

    def site(self, name: str) -> Array:
        """Return the (3,) world position of a robot site in the current pose."""
        return self.data.site_xpos[self.model.site(ROBOT_PREFIX + name).id].copy()

    def frame(self, name: str) -> Array:
        """Return the axes (3, 3) of a robot site in the current pose, one a column, world frame."""
        return self.data.site_xmat[self.model.site(ROBOT_PREFIX + name).id].reshape(3, 3).copy()

    def origin_of(self, name: str) -> Array:
        """Return the (3,) world position of the body that carries a robot site."""
        return self.data.xpos[self.model.site(ROBOT_PREFIX + name).bodyid[0]].copy()

    def descend(
        self,
        name: str,
        target: Array,
        start: Array,
        low: Array,
        high: Array,
        *,
        steps: int = WALK_STEPS,
        align: tuple[tuple[Array, Array], ...] = (),
    ) -> Array | None:
        """Return the joints to which a greedy walk from `start` brings a site, None if it gets stuck.

        Damped least squares (Nakamura and Hanafusa 1986) within limits; a joint at its limit stays
        there while it is pushed beyond.

        Args:
            target: (3,) metres, world frame.
            align: pairs of a unit axis (3,) of the site and the direction (3,) in the world that it
                shall have.
        """
        site = self.model.site(ROBOT_PREFIX + name).id
        jacobian, turning = np.zeros((3, self.model.nv)), np.zeros((3, self.model.nv))
        joints = np.clip(start, low, high)
        for _ in range(steps):
            self.pose(joints)
            gap = target - self.data.site_xpos[site]
            distance = float(np.linalg.norm(gap))
            frame = self.data.site_xmat[site].reshape(3, 3)
            axes = [(frame @ axis, wanted) for axis, wanted in align]
            turns = [np.cross(axis, wanted) for axis, wanted in axes]
            off = [
                np.arctan2(np.linalg.norm(t), a @ w) for t, (a, w) in zip(turns, axes, strict=True)
            ]
            if distance < WALK_ENDS_M and max(off, default=0.0) < WALK_ENDS_RAD:
                return joints
            self._mujoco.mj_comPos(self.model, self.data)
            self._mujoco.mj_jacSite(self.model, self.data, jacobian, turning, site)
            rows = [jacobian[:, self.dof_index]]
            wants = [gap * min(1.0, WALK_STEP_M / max(distance, WALK_ENDS_M))]
            for (axis, _), turn in zip(axes, turns, strict=True):
                across = np.eye(3) - np.outer(axis, axis)  # a turn about the axis itself is free
                rows.append(WALK_TURN_M * across @ turning[:, self.dof_index])
                wants.append(WALK_TURN_M * turn)
            J, want = np.concatenate(rows), np.concatenate(wants)
            pull = J.T @ want
            J = J * ~(((joints <= low) & (pull < 0)) | ((joints >= high) & (pull > 0)))
            step = J.T @ np.linalg.solve(J @ J.T + WALK_DAMPING * np.eye(len(J)), want)
            joints = np.clip(joints + np.clip(step, -WALK_STEP_RAD, WALK_STEP_RAD), low, high)
        return None

    def robot_points(self) -> Array:
        """Return (n, 3) world centres of the robot's colliders at home."""
        self.pose()
        return self.data.geom_xpos[self.of_robot].copy()

    def ray(self, origin, direction) -> float:
        """Return the distance [m] along a unit ray to the place, -1 where nothing is."""
        geom, group = np.zeros(1, np.int32), None
        return float(
            self._mujoco.mj_ray(
                self.model, self.data, np.asarray(origin, float), np.asarray(direction, float),
                group, 1, self.base, geom,
            )
        )  # fmt: skip

    def _near(self) -> np.ndarray:
        if not self.data.ncon:
            return np.zeros(0, bool)
        pairs = self.data.contact.geom
        limit = np.where(self.of_robot[pairs].all(axis=1), 0.0, self.clearance_m)
        if self._close:
            limit[[(int(a), int(b)) in self._close for a, b in pairs]] = 0.0
        return self.data.contact.dist < limit

    def _geom(self, geom: int) -> str:
        name = self.model.geom(geom).name
        return name or self.model.body(int(self.model.geom_bodyid[geom])).name


def compiled(xml: bytes, assets: Mapping[str, bytes], file: str):
    """Return the compiled `MjModel`.

    Raises:
        R2SError: MuJoCo refuses it (`R2S-SCENE-006`).
    """
    import mujoco

    try:
        return mujoco.MjModel.from_xml_string(xml.decode(), dict(assets))
    except ValueError as error:
        raise refused_by_mujoco(file, error) from error
