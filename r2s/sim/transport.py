"""A simulated robot behind the edge runtime's `Transport`: sensors in, commands out, and its own clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from r2s.artifacts.scene import SceneInfo
from r2s.edge.observe import Reading
from r2s.sim.model import Layout
from r2s.sim.sensing import Sensing

if TYPE_CHECKING:
    from r2s.edge.runtime import Command


class MujocoTransport:
    """Drives one MuJoCo simulation. Time passes only in `wait_until`.

    Attributes:
        joint_names: order of the readings' joint signals.
        commands: signals that are given, not measured (`goal_pos`, `command_velocity`); set them freely.
        action_delay_steps: physics steps until a command reaches the actuators.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        info: SceneInfo,
        where: Layout,
        sensing: Sensing,
        *,
        commands: Mapping[str, np.ndarray] | None = None,
        action_delay_steps: int = 0,
    ):
        """`data` starts as the caller set it, its `ctrl` holding the pose."""
        self.model, self.data = model, data
        self.joint_names = info.signal("joint_pos").elements
        self.commands = dict(commands or {})
        self.action_delay_steps = action_delay_steps
        self._where, self._sensing = where, sensing
        self._queue: list[tuple[int, np.ndarray]] = []
        self._step = 0
        self._actions = info.actions
        order = list(info.actions.joints)
        self._from_command = {name: i for i, name in enumerate(order)}

    def now_s(self) -> float:
        return self._step * self.model.opt.timestep

    def read(self) -> Reading:
        return self._sensing.read(self.commands, self.now_s())

    def write(self, command: Command) -> None:
        """Queue a command; `damp` lets every joint go where it is, with only the velocity gain left."""
        if command.mode == "damp":
            target = self._actions.holding(self.data.qpos[self._where.qpos_index].copy())
        else:
            target = np.empty(len(command.joints))
            for name, value in zip(command.joints, command.target, strict=True):
                target[self._from_command[name]] = value
        self._queue.append((self._step + self.action_delay_steps, target))

    def wait_until(self, time_s: float) -> None:
        """Run physics until `time_s`."""
        steps = round(time_s / self.model.opt.timestep) - self._step
        samples = np.empty((max(steps, 0), self.model.nsensordata))
        for k in range(steps):
            while self._queue and self._queue[0][0] <= self._step:
                self.data.ctrl[self._where.ctrl_index] = self._queue.pop(0)[1]
            mujoco.mj_step(self.model, self.data)
            samples[k] = self.data.sensordata
            self._step += 1
        if steps > 0:
            self._sensing.push(samples)
