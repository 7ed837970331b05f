"""Signals: the one vocabulary of simulation, robot, policy and logs, matched by name."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from r2s.artifacts.base import Frozen


class Signal(Frozen):
    """A named vector quantity.

    Names in use: `joint_pos`, `joint_vel`, `joint_target` (last commanded joint positions),
    `last_action`, `ee_pos`, `goal_pos`, `ee_to_goal`, `base_quat`, `base_ang_vel`, `base_lin_vel`,
    `projected_gravity`, `command_velocity`, `base_height`, `object_pos` (centre of mass of the thing
    that the task moves), `ee_to_object`, `object_to_goal`. A task may add more.

    Attributes:
        elements: names of its numbers, in order; joint signals list joint names.
        unit: `rad`, `rad/s`, `m`, `m/s`, `N*m`, `1`.
        frame: `joint`, `robot_base`, `world`, `imu` or "".
        kind: `measured` (encoders, IMU, command, last action), `derived` from measured ones by a named
            function that edge and tasks both have, or `privileged` (simulator truth: critic, reward
            and success only; an actor that asks for one is refused).
        derivation: for `derived`: `ee_pos` (forward kinematics along the scene's chain), a vector between
            two points (`ee_to_goal`, `ee_to_object`, `object_to_goal`), or `projected_gravity` (from
            `base_quat`). Else "".
        sensors: MJCF sensor names whose data, concatenated, is this signal; empty where the signal is
            not a sensor (commands, last action, derived).
        noise_sigma: standard deviation of the sensor's noise, in `unit`.
        latency_s: (low, high) delay of the measurement [s].
    """

    name: str
    elements: tuple[str, ...]
    unit: str
    frame: str = ""
    kind: Literal["measured", "derived", "privileged"]
    derivation: str = ""
    sensors: tuple[str, ...] = ()
    noise_sigma: float = 0.0
    latency_s: tuple[float, float] = (0.0, 0.0)

    @property
    def width(self) -> int:
        return len(self.elements)

    @model_validator(mode="after")
    def _derived_says_how(self) -> Signal:
        if (self.kind == "derived") != bool(self.derivation):
            raise ValueError(
                f"signal {self.name}: a derivation is for derived signals, and only those"
            )
        return self


class ActionSpec(Frozen):
    """What the policy's raw action in [-1, 1] means as joint position targets.

    `absolute`: target = offset + scale * action. `relative`: target = joint_target + scale * action.
    Both are clipped to [low, high]. All lists follow `joints`.
    """

    joints: tuple[str, ...]
    mode: Literal["absolute", "relative"]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
