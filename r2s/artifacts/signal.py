"""Signals: the one vocabulary of simulation, robot, policy and logs, matched by name."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from r2s.artifacts.base import Frozen

# What the runtime and the simulator remember themselves: no sensor's, and not given from outside.
COMMAND_SIGNALS = ("joint_target", "last_action")


class Signal(Frozen):
    """A named vector quantity.

    Names in use: `joint_pos`, `joint_vel`, `joint_target` (last commanded joint positions),
    `last_action`, `ee_pos`, `goal_pos`, `ee_to_goal`, `goal_quat`, `ee_turn_to_goal`, `base_quat`,
    `base_ang_vel`, `base_lin_vel`, `projected_gravity`, `command_velocity`, `base_height`; of the thing that
    a task moves `object_pos` (its centre of mass), `ee_to_object`, `object_to_goal`; of a mobile base
    `base_pos`, `goal_direction`, `laser_ranges` (-1 where nothing came back), `laser_nearness` and
    `bumps`; of legs `gait_phase`. A task may add more.

    Attributes:
        elements: names of its numbers, in order; joint signals list joint names.
        unit: `rad`, `rad/s`, `m`, `m/s`, `N*m`, `1`.
        frame: `joint`, `robot_base`, `world`, `imu` or "".
        kind: `measured` (encoders, IMU, command, last action), `derived` from measured ones by a named
            function that edge and tasks both have, or `privileged` (simulator truth: critic, reward
            and success only; an actor that asks for one is refused).
        derivation: for `derived`: `ee_pos` or `ee_turn_to_goal` (forward kinematics along the scene's chain),
            a vector between two points (`ee_to_goal`, `ee_to_object`, `object_to_goal`),
            `projected_gravity` (from `base_quat`), `goal_direction` (from `base_pos`, `base_quat` and
            `goal_pos`), `laser_nearness` (from `laser_ranges`). Else "".
        sensors: MJCF sensor names whose data, concatenated, is this signal; empty where the signal is
            not a sensor (commands, last action, clocks, derived).
        noise_sigma: standard deviation of the sensor's noise, in `unit`.
        latency_s: (low, high) delay of the measurement [s].
        period_s: of a clock, else 0: sine and cosine of the time since the episode began or the runtime was
            started, in turns of this period. The runtime and the simulator count it themselves.
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
    period_s: float = Field(default=0.0, ge=0.0)

    @property
    def width(self) -> int:
        return len(self.elements)

    @property
    def is_clock(self) -> bool:
        return self.period_s > 0.0

    @model_serializer(mode="wrap")
    def _as_before_there_were_clocks(
        self, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Only clocks have a period: policies and scenes without one keep their bytes."""
        data = handler(self)
        if not self.is_clock:
            del data["period_s"]
        return data

    @model_validator(mode="after")
    def _derived_says_how(self) -> Signal:
        if (self.kind == "derived") != bool(self.derivation):
            raise ValueError(
                f"signal {self.name}: a derivation is for derived signals, and only those"
            )
        return self


class ActionSpec(Frozen):
    """What the policy's raw action in [-1, 1] means as targets of the joints.

    `absolute`: position = offset + scale * action. `relative`: position = joint_target + scale * action.
    `velocity`: speed = offset + scale * action, for joints whose actuator takes a velocity (wheels).
    All are clipped to [low, high]. All lists follow `joints`.
    """

    joints: tuple[str, ...]
    mode: Literal["absolute", "relative", "velocity"]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def holding(self, positions: Any) -> Any:
        """Return the targets (..., joints) that keep the joints where they are, with numpy or JAX."""
        return 0.0 * positions if self.mode == "velocity" else positions
