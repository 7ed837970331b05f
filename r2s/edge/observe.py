"""Readings of the robot become the policy's named inputs: reorder by name, derive, stack.

`joint_names` is the order in which this robot delivers its joints; everything that follows is in the order
the contract asks for. Work is float64, the policy's inputs are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np

from .contract import BETWEEN, REMEMBERED, TIP, Contract, SignalSpec
from .errors import EdgeError
from .kinematics import (
    ForwardKinematics,
    goal_direction,
    laser_nearness,
    phase,
    projected_gravity,
    turn_to,
)


@dataclass(frozen=True)
class Reading:
    """What the robot delivered.

    Attributes:
        values: signal name to (width,) values; joint signals in the robot's own joint order.
        stamp_s: when it was measured, on the transport's clock.
    """

    values: Mapping[str, np.ndarray]
    stamp_s: float


class Observer:
    """Assembles observations. Knows the robot's joint order; remembers nothing between calls."""

    def __init__(self, contract: Contract, joint_names: Sequence[str]):
        self.contract = contract
        self.joint_names = tuple(joint_names)
        if len(set(self.joint_names)) != len(self.joint_names):
            raise _unknown("the robot lists a joint twice", self.joint_names, ())
        self._action_order = self._order(contract.actions.joints)
        self._kinematics = ForwardKinematics(contract.chain) if contract.chain else None
        self._chain_order = self._order(self._kinematics.joints if self._kinematics else ())
        self._orders = {
            signal.name: self._order(signal.elements)
            for signal in contract.observations
            if signal.of_joints and signal.name not in REMEMBERED and signal.kind == "measured"
        }
        index = {name: i for i, name in enumerate(contract.actions.joints)}
        self._memory_orders = {
            signal.name: np.array([index[name] for name in signal.elements], dtype=np.intp)
            for signal in contract.observations
            if signal.name in REMEMBERED
        }

    def joints(self, values: np.ndarray) -> np.ndarray:
        """Return a joint signal of the robot, (robot joints,), in the order of the actions."""
        return values[self._action_order]

    def assemble(
        self, values: Mapping[str, np.ndarray], memory: Mapping[str, np.ndarray], clock_s: float
    ) -> dict[str, np.ndarray]:
        """Return input name to (1, width) float32, in the contract's order.

        Args:
            values: see `Reading`.
            memory: `joint_target` and `last_action`, (joints,) in the order of the actions.
            clock_s: time since the policy began.
        """
        feed = {}
        for signal in self.contract.observations:
            vector = self._vector(signal, values, memory, clock_s)
            if vector.shape != (len(signal.elements),):
                raise EdgeError(
                    "R2S-EDGE-004",
                    f"signal {signal.name!r} has {vector.size} values, {len(signal.elements)} expected",
                    where=f"elements: {', '.join(signal.elements)}",
                    why="the policy would read its inputs shifted",
                    remedy="make the transport deliver the signal as the manifest describes it",
                )
            feed[signal.name] = vector.astype(np.float32)[None]
        return feed

    def _vector(self, signal: SignalSpec, values, memory, clock_s: float) -> np.ndarray:
        name = signal.name
        if signal.is_clock:
            return phase(clock_s, signal.period_s)
        if name in self._memory_orders:
            return memory[name][self._memory_orders[name]]
        if signal.derivation == "projected_gravity":
            return projected_gravity(values["base_quat"])
        if signal.derivation == "goal_direction":
            return goal_direction(values["base_pos"], values["base_quat"], values["goal_pos"])
        if signal.derivation == "laser_nearness":
            return laser_nearness(values["laser_ranges"])
        if signal.derivation == "ee_turn_to_goal":
            assert self._kinematics is not None
            pose = self._kinematics.tip_pose(values["joint_pos"][self._chain_order])
            return turn_to(pose[:3, :3], values["goal_quat"])
        if signal.derivation in BETWEEN:
            start, end = BETWEEN[signal.derivation]
            return self._point(end, values) - self._point(start, values)
        if signal.derivation:
            return self._point(signal.derivation, values)
        vector = values[name]
        return vector[self._orders[name]] if name in self._orders else vector

    def _point(self, name: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
        if name != TIP:
            return values[name]
        assert self._kinematics is not None
        return self._kinematics.tip_position(values["joint_pos"][self._chain_order])

    def _order(self, wanted: Sequence[str]) -> np.ndarray:
        missing = [name for name in wanted if name not in self.joint_names]
        if missing:
            raise _unknown(
                f"the robot has no joint {missing[0]!r}",
                self.joint_names,
                self.contract.actions.joints,
            )
        return np.array([self.joint_names.index(name) for name in wanted], dtype=np.intp)


def _unknown(what: str, has: Sequence[str], wanted: Sequence[str]) -> EdgeError:
    return EdgeError(
        "R2S-EDGE-004",
        what,
        where=f"robot: {', '.join(has)}; policy: {', '.join(wanted)}",
        why="joints are matched by name; a guess would move the wrong one",
        remedy="name the robot's joints as in its description, or export for this robot",
    )
