"""A first guess of how to walk: feet are lifted in turn and, on the ground, pushed against the way wanted.

One foot a leg, open loop, from the Jacobians at the home pose: a quadruped trots, a biped marches, a hexapod
walks on tripods. It knows nothing of balance. A policy that begins with it explores steps instead of falls.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.scene import ROBOT_PREFIX, Scene
from r2s.sim.model import layout, load_model
from r2s.tasks.kinematics import length

LIFT = 0.15  # of the height of the base
STANDING_M_S = 0.1  # feet that should move slower than this are lifted less
DRIVE = 1.1  # feet slip: how much faster they are pushed than the base should move
# A foot's turn counts so much less than its way [m/rad]: legs with three joints have no say in it.
TURN_WEIGHT = 0.02
DAMPING = 1e-4
SOLE_M = 0.005  # what is lowest, up to so much
CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True)
class Gait:
    """Attributes:
    places: (f, 2) metres: the feet's soles, ahead and left of the base's middle.
    turns: (f,) 1, or -1 for the feet that are lifted in the other half of a stride.
    joints_per_m: (f, a, 3) rad per metre that a foot moves ahead, left and up in the base's frame.
    lift_m: how high a foot is lifted.
    stride_s: from a foot's lift to its next.
    """

    places: np.ndarray
    turns: np.ndarray
    joints_per_m: np.ndarray
    lift_m: float
    stride_s: float

    @classmethod
    def of(cls, scene: Scene, stride_s: float) -> Gait | None:
        """Return the gait of the scene's robot; None unless an even number of legs can take turns."""
        info = scene.info
        model = load_model(scene)
        where = layout(model, scene)
        data = mujoco.MjData(model)
        data.qpos[:] = where.home_qpos
        mujoco.mj_forward(model, data)
        joints = [model.joint(ROBOT_PREFIX + name).dofadr[0] for name in info.actions.joints]
        frame = data.xmat[where.base_body].reshape(3, 3)
        legs: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        for name in info.robot.feet:
            foot = model.body(ROBOT_PREFIX + name).id
            sole = _sole(model, data, foot)
            jacobian = _jacobian(model, data, foot, sole, frame)[:, joints]
            driven = tuple(map(int, np.flatnonzero(np.abs(jacobian).max(axis=0) > 1e-9)))
            legs.setdefault(driven, (sole, jacobian))  # heel and toe are one leg
        if len(legs) < 2 or len(legs) % 2:
            return None
        soles, jacobians = (np.stack(each) for each in zip(*legs.values(), strict=True))
        places = (soles - data.subtree_com[where.base_body]) @ frame
        # Neighbours around the base take turns.
        around = np.argsort(np.arctan2(places[:, 1], places[:, 0]))
        turns = np.ones(len(places))
        turns[around[1::2]] = -1.0
        return cls(
            places[:, :2].astype(np.float32),
            turns.astype(np.float32),
            np.stack([_joints_per_m(each) for each in jacobians]).astype(np.float32),
            LIFT * info.robot.base_height_m,
            stride_s,
        )

    def joints(self, phase: jax.Array, command: jax.Array) -> jax.Array:
        """Return how far the joints are from home (a,) [rad].

        Args:
            phase: (2,) sine and cosine of the stride's clock.
            command: (3,) speeds ahead and left [m/s], yaw rate [rad/s].
        """
        sine, cosine = self.turns * phase[0], self.turns * phase[1]
        spin = jnp.stack([-self.places[:, 1], self.places[:, 0]], axis=1)
        speed = command[:2] + command[2] * spin
        step = DRIVE * self.stride_s / 2 * speed  # while the other feet are in the air
        # In the air from behind to ahead; on the ground back, evenly.
        along = jnp.where(
            sine > 0, -cosine / 2, jnp.arccos(jnp.clip(cosine, -1.0, 1.0)) / jnp.pi - 0.5
        )
        fastest = jnp.max(jax.vmap(length)(speed))
        lift = self.lift_m * jnp.clip(fastest / STANDING_M_S, 0.0, 1.0) * jnp.maximum(sine, 0.0)
        moved = jnp.concatenate([along[:, None] * step, lift[:, None]], axis=1)
        return jnp.einsum("fad,fd->a", self.joints_per_m, moved)


def _sole(model: mujoco.MjModel, data: mujoco.MjData, foot: int) -> np.ndarray:
    """Return the middle of a foot's lowest face, edge or corner (3,), world frame [m]."""
    first, count = model.body_geomadr[foot], model.body_geomnum[foot]
    corners = [data.xpos[foot][None]]
    for geom in range(first, first + count):
        if model.geom_contype[geom] or model.geom_conaffinity[geom]:
            middle, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
            turn = data.geom_xmat[geom].reshape(3, 3)
            corners.append(data.geom_xpos[geom] + (middle + CORNERS * half) @ turn.T)
    points = np.concatenate(corners[1:] or corners)
    return points[points[:, 2] < points[:, 2].min() + SOLE_M].mean(axis=0)


def _jacobian(model, data, foot: int, sole: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return (6, nv): how a foot's sole moves and, less counted, turns; base frame."""
    ways, turns = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    mujoco.mj_jac(model, data, ways, turns, sole, foot)
    return np.concatenate([frame.T @ ways, TURN_WEIGHT * frame.T @ turns])


def _joints_per_m(jacobian: np.ndarray) -> np.ndarray:
    """Return (a, 3): the damped least squares of a foot's (6, a) Jacobian for its three ways."""
    damped = jacobian @ jacobian.T + DAMPING * np.eye(6)
    return jacobian.T @ np.linalg.inv(damped)[:, :3]
