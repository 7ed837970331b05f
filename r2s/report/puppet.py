"""A scene's robot, moved by hand: one number per joint in, the pose of every body out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX
from r2s.core.coupled import brought, followers
from r2s.core.rigid import Array

# How far a joint without limits may be turned, or pushed.
FREE_RAD, FREE_M = np.pi, 1.0


@dataclass(frozen=True)
class Handle:
    """A joint that can be moved.

    Attributes:
        name: without the scene's prefix.
        low, high, home: [rad] or [m].
    """

    name: str
    low: float
    high: float
    home: float
    address: int


class Puppet:
    """Joints that follow others (`<equality><joint/>`) go along and have no handle of their own."""

    def __init__(self, model: Any):
        import mujoco

        self._mujoco = mujoco
        self.model = model
        self.data = mujoco.MjData(model)
        self.home()
        self._followers = followers(self.model)
        led = {follower.address for follower in self._followers}
        self.handles = tuple(each for each in self._found_handles() if each.address not in led)

    def home(self) -> None:
        """Go back to where the scene begins."""
        m = self._mujoco
        key = m.mj_name2id(self.model, m.mjtObj.mjOBJ_KEY, HOME_KEYFRAME)
        if key >= 0:
            m.mj_resetDataKeyframe(self.model, self.data, key)
        m.mj_kinematics(self.model, self.data)

    def show(self, qpos: Array) -> None:
        """Take a whole configuration (nq,)."""
        self.data.qpos[:] = qpos
        self._mujoco.mj_kinematics(self.model, self.data)

    def move(self, values: Mapping[str, float]) -> None:
        """Set joints, by the names of their handles, within their limits."""
        qpos = self.data.qpos
        for handle in self.handles:
            if handle.name in values:
                qpos[handle.address] = np.clip(values[handle.name], handle.low, handle.high)
        brought(qpos, self._followers)
        self._mujoco.mj_kinematics(self.model, self.data)

    def values(self) -> dict[str, float]:
        """Return where the joints are, by the names of their handles."""
        return {handle.name: float(self.data.qpos[handle.address]) for handle in self.handles}

    def _found_handles(self) -> list[Handle]:
        m, found = self.model, []
        kinds = self._mujoco.mjtJoint
        slide, hinge = int(kinds.mjJNT_SLIDE), int(kinds.mjJNT_HINGE)
        for joint in range(m.njnt):
            name, kind = m.joint(joint).name, int(m.jnt_type[joint])
            if not name.startswith(ROBOT_PREFIX) or kind not in (slide, hinge):
                continue
            address = int(m.jnt_qposadr[joint])
            home, free = float(self.data.qpos[address]), FREE_M if kind == slide else FREE_RAD
            limits = m.jnt_range[joint] if m.jnt_limited[joint] else (home - free, home + free)
            low, high = (float(limit) for limit in limits)
            found.append(Handle(name.removeprefix(ROBOT_PREFIX), low, high, home, address))
        return found
