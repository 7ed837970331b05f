"""One tick: reading -> checks -> observations -> policy -> envelope -> command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from .contract import Contract
from .errors import EdgeError
from .kinematics import projected_gravity
from .observe import Observer, Reading
from .policy import PREVIOUS_TARGET, OnnxPolicy
from .safety import Envelope, Verdict


@dataclass(frozen=True)
class Tick:
    """What one tick did.

    Attributes:
        verdict: RUN, HOLD (target repeats the last position, a wheel stops), DAMP or FAULT (no target is
            followed).
        target: (joints,) float64 [rad or m; in mode `velocity` rad/s or m/s], order of the contract's
            actions.
        action: (joints,) float32 of the policy, or None where it was not asked.
        observation: input name to (1, width) float32, or None.
    """

    verdict: Verdict
    target: np.ndarray
    action: np.ndarray | None
    observation: dict[str, np.ndarray] | None


class Controller:
    """The policy with its memory (last target, last action) and its envelope.

    Attributes:
        target: last commanded target, (joints,) float64.
        action: last action the policy gave, (joints,) float64; zeros after a reset.
        steps: control periods since the reset.
    """

    def __init__(self, contract: Contract, policy: OnnxPolicy, joint_names: Sequence[str]):
        """Raises: EdgeError: R2S-EDGE-004 when names of robot, contract and model do not match."""
        self.contract = contract
        self.observer = Observer(contract, joint_names)
        self.envelope = Envelope(contract)
        self._policy = policy
        self._feeds_target = PREVIOUS_TARGET in policy.inputs
        expected = {s.name: (1, len(s.elements)) for s in contract.observations}
        if contract.actions.mode == "relative":
            expected[PREVIOUS_TARGET] = (1, len(contract.actions.joints))
        if policy.inputs != expected:
            raise EdgeError(
                "R2S-EDGE-004",
                f"the model's inputs are {_shapes(policy.inputs)}",
                where=f"the contract's: {_shapes(expected)}",
                why="the policy would read other signals than it was trained on",
                remedy="export the policy again: r2s export",
            )
        n = len(contract.actions.joints)
        self.target = np.zeros(n)
        self.action = np.zeros(n)
        self.steps = 0

    def reset(self, reading: Reading) -> np.ndarray:
        """Begin an episode: forget, and return the target that holds the measured pose."""
        missing = [name for name in self.contract.required if name not in reading.values]
        if missing:
            raise EdgeError(
                "R2S-EDGE-004",
                f"the robot does not deliver {missing[0]!r}",
                where=f"it delivers {', '.join(sorted(reading.values))}",
                why=f"the policy needs {', '.join(self.contract.required)}",
                remedy="make the transport deliver the signal",
            )
        self.envelope.reset()
        self.target = self.envelope.start(self.observer.joints(reading.values["joint_pos"]))
        self.action = np.zeros_like(self.target)
        self.steps = 0
        return self.target

    def tick(
        self,
        reading: Reading,
        now_s: float,
        *,
        blend: float = 1.0,
        hold: np.ndarray | None = None,
    ) -> Tick:
        """Decide one command.

        Args:
            blend: share of the policy in the target, 0..1; the rest is `hold`.
            hold: (joints,) pose to blend from.
        """
        values = reading.values
        clock_s = self.steps * self.contract.control_s
        self.steps += 1
        q = self.observer.joints(values["joint_pos"])
        gravity = projected_gravity(values["base_quat"]) if "base_quat" in values else None
        verdict = self.envelope.check_reading(values, q, now_s - reading.stamp_s, gravity)
        if verdict is not Verdict.RUN:
            return Tick(verdict, self._hold(), None, None)
        memory = {PREVIOUS_TARGET: self.target, "last_action": self.action}
        feed = self.observer.assemble(values, memory, clock_s)
        if self._feeds_target and PREVIOUS_TARGET not in feed:
            feed[PREVIOUS_TARGET] = self.target.astype(np.float32)[None]
        action, wanted = self._policy(feed)
        verdict = self.envelope.check_action(action, wanted)
        if verdict is not Verdict.RUN:
            return Tick(verdict, self._hold(), action, feed)
        target = wanted.astype(np.float64)
        if blend < 1.0 and hold is not None:
            target = hold + blend * (target - hold)
        target = self.envelope.limit(target, self.target)
        qd = self.observer.joints(values["joint_vel"]) if "joint_vel" in values else None
        verdict = self.envelope.check_effort(target, q, qd)
        if verdict is Verdict.RUN:
            self.target, self.action = target, _unit(action)
        return Tick(verdict, self.target if verdict is Verdict.RUN else self._hold(), action, feed)

    def _hold(self) -> np.ndarray:
        """Stay: the last position is repeated, a speed ends. Returns the target."""
        self.target = self.contract.actions.holding(self.target)
        return self.target


def _unit(action: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(action.astype(np.float64), -1.0), 1.0)


def _shapes(shapes: dict) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in shapes.items())
