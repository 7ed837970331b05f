"""A first guess of how to move an arm: its end effector straight to a place, by the chain's Jacobian.

It sees no obstacle and waits for nothing. A policy that begins with it explores arrivals instead of twitches.
Resolved motion rate (Whitney 1969), damped (Nakamura and Hanafusa 1986); what the place leaves free goes to
the posture in which the scene has reached such a place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.tasks.task import Signals

SHARE = 0.25  # of the way that is left, each control step: joints follow their targets late
DAMPING_M = 0.03  # singular directions that move the end effector less than this per radian fade


@dataclass(frozen=True)
class ResolvedRate:
    """Attributes:
    moved: joint positions of `joint_pos` -> (k,) metres, what shall go somewhere; robot base frame.
    rows: (a,) where the action's joints are in `joint_pos`.
    chain: (a,) 1 for joints of the chain, 0 for others.
    scale: (a,) what an action of 1 changes [rad or m].
    postures: (4, a): a place (x, y, z, 1) times this is the posture there; least squares of the scene's.
    """

    moved: Callable[[jax.Array], jax.Array]
    rows: np.ndarray
    chain: np.ndarray
    scale: np.ndarray
    postures: np.ndarray

    @classmethod
    def of(
        cls, scene: Scene, moved: Callable[[jax.Array], jax.Array], places: np.ndarray
    ) -> ResolvedRate | None:
        """Return it for an arm whose actions are relative; None for others.

        Args:
            places: (n, 3) metres, robot base frame: where the scene's n known configurations belong.
        """
        info, known = scene.info, np.asarray(scene.goal_configurations)
        actions, order = info.actions, info.signal("joint_pos").elements
        if actions.mode != "relative" or info.chain is None or len(known) != len(places):
            return None
        rows = np.column_stack([places, np.ones(len(places))])
        return cls(
            moved,
            np.array([order.index(name) for name in actions.joints]),
            np.array([name in info.chain.joints for name in actions.joints], np.float32),
            np.asarray(actions.scale, np.float32),
            np.linalg.lstsq(rows, known, rcond=1e-3)[0].astype(np.float32),
        )

    def action(self, seen: Signals, way: jax.Array, place: jax.Array) -> jax.Array:
        """Return the action (a,) that moves what is `moved` along `way` (k,) [m], at `place` (3,)."""
        joints = seen["joint_pos"]
        jacobian = jax.jacfwd(self.moved)(joints)[:, self.rows] * self.chain
        away = self.chain * (jnp.append(place, 1.0) @ self.postures - joints[self.rows])
        # The least squares of |J step - way| and, where that leaves it free, |step - away|.
        damped = jacobian.T @ jacobian + DAMPING_M**2 * jnp.eye(len(away))
        step = away + jnp.linalg.solve(damped, jacobian.T @ (way - jacobian @ away))
        wanted = SHARE * step / self.scale
        return wanted / jnp.maximum(1.0, jnp.max(jnp.abs(wanted)))
