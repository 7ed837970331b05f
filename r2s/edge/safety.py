"""The envelope between policy and motors. It knows no neural network and trusts nothing it is given.

Laws (property-tested): every command it lets through is finite, inside the joint limits minus the margin,
and within velocity limit x period of the command before (a speed: within the step that reverses it in
`REVERSAL_S`); once latched it never lets a policy through until
it is reset. A guard says what a violation means for the tick, and latches after so many in a window of ticks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Mapping

import numpy as np

from .contract import Contract

STILL_FRACTION = 0.02  # of the velocity limit: slower is standing still
REVERSAL_S = 0.2  # in which a commanded speed may go from one of its limits to the other


class Verdict(IntEnum):
    """What to do this tick, from mild to grave."""

    RUN = 0
    HOLD = 1
    DAMP = 2
    FAULT = 3


@dataclass(frozen=True)
class Guard:
    """Attributes:
    tick: what a violation means for this tick.
    latch: what it means once `count` of the last `window` ticks violated it; None never latches.
    """

    tick: Verdict
    latch: Verdict | None
    count: int = 0
    window: int = 0


def guards(contract: Contract) -> dict[str, Guard]:
    """Return the guards of a contract, in the order they are checked."""
    safety = contract.safety
    bridge = max(1, safety.hold_ticks)
    hold = Guard(Verdict.HOLD, Verdict.DAMP, bridge, 2 * bridge)
    stall = max(1, round(safety.stall_s / contract.control_s))
    return {
        "reading_finite": hold,
        "reading_age": hold,
        "joint_jump": hold,
        "joint_position": Guard(Verdict.HOLD, Verdict.DAMP, 2, 4),
        "tilt": Guard(Verdict.DAMP, Verdict.DAMP, 1, 1),
        "action_finite": Guard(Verdict.HOLD, Verdict.FAULT, 2, 4),
        "stall": Guard(Verdict.RUN, Verdict.DAMP, stall, stall),
        "deadline": Guard(
            Verdict.RUN, Verdict.DAMP, safety.missed_deadlines, safety.deadline_window
        ),
        "action_range": Guard(Verdict.RUN, None),
        "rate": Guard(Verdict.RUN, None),
        "joint_limit": Guard(Verdict.RUN, None),
    }


class Envelope:
    """State of the guards. Arrays are (joints,) float64 in the order of the contract's actions.

    Attributes:
        counts: guard name to violations since the reset.
        latched: the gravest latched verdict, RUN while none.
        reason: name of the guard that latched first, or "".
    """

    def __init__(self, contract: Contract):
        margin = contract.safety.position_margin
        low, high = contract.bounds()
        self.low = np.minimum(low + margin, 0.5 * (low + high))
        self.high = np.maximum(high - margin, 0.5 * (low + high))
        self.step = contract.velocity * contract.control_s
        if contract.actions.of_speed:
            self.step = (self.high - self.low) * contract.control_s / REVERSAL_S
        self._contract = contract
        self._guards = guards(contract)
        self._effort = np.where(contract.effort > 0, contract.effort, np.inf)
        self._still = STILL_FRACTION * contract.velocity
        self._jump = (
            contract.safety.jump_factor * contract.velocity * contract.control_s
            + contract.safety.jump_slack
        )
        self.reset()

    def reset(self) -> None:
        """Forget everything, latches included. Only an operator or a new episode may ask for it."""
        self.counts = dict.fromkeys(self._guards, 0)
        self._history = dict.fromkeys(self._guards, 0)
        self._q: np.ndarray | None = None
        self.latched = Verdict.RUN
        self.reason = ""

    def start(self, q: np.ndarray) -> np.ndarray:
        """Return the first target: the measured pose, of wheels no speed, moved inside the limits."""
        return np.clip(self._contract.actions.holding(q), self.low, self.high)

    def check_reading(
        self,
        values: Mapping[str, np.ndarray],
        q: np.ndarray,
        age_s: float,
        gravity: np.ndarray | None = None,
    ) -> Verdict:
        """Judge what the robot delivered, before the policy sees it."""
        safety = self._contract.safety
        finite = all(_finite(value) for value in values.values())
        worst = self.note("reading_finite", not finite)
        # `not <=` also catches an age that is NaN; a negative age is a clock that jumped.
        stale = not -safety.max_obs_age_s <= age_s <= safety.max_obs_age_s
        worst = _graver(worst, self.note("reading_age", stale))
        if not finite:
            return _graver(worst, self.latched)
        jumped = self._q is not None and bool((np.abs(q - self._q) > self._jump).any())
        worst = _graver(worst, self.note("joint_jump", jumped))
        self._q = q
        slack, contract = safety.position_slack, self._contract
        # What takes a speed turns without end.
        outside = not contract.actions.of_speed and bool(
            ((q < contract.low - slack) | (q > contract.high + slack)).any()
        )
        worst = _graver(worst, self.note("joint_position", outside))
        if gravity is not None and safety.tilt_max_rad > 0:
            tilted = -float(gravity[2]) < np.cos(safety.tilt_max_rad)
            worst = _graver(worst, self.note("tilt", tilted))
        return _graver(worst, self.latched)

    def check_action(self, action: np.ndarray, target: np.ndarray) -> Verdict:
        """Judge what the policy said."""
        finite = _finite(action) and _finite(target)
        return _graver(self.note("action_finite", not finite), self.latched)

    def limit(self, target: np.ndarray, last_target: np.ndarray) -> np.ndarray:
        """Return the nearest target within the limits and within one step of the last one.

        `last_target` is inside the limits (it came from `start` or from here), so both can be kept.
        """
        # minimum and maximum cost a third of np.clip on arrays this small.
        stepped = np.minimum(np.maximum(target, last_target - self.step), last_target + self.step)
        self.note("rate", bool((stepped != target).any()))
        limited = np.minimum(np.maximum(stepped, self.low), self.high)
        self.note("joint_limit", bool((limited != stepped).any()))
        return limited

    def check_effort(self, target: np.ndarray, q: np.ndarray, qd: np.ndarray | None) -> Verdict:
        """Estimate PD torque; a joint that pushes at its limit and does not move is stalled."""
        contract = self._contract
        torque = contract.kd * target if contract.actions.of_speed else contract.kp * (target - q)
        if qd is not None:
            torque = torque - contract.kd * qd
        pushing = np.abs(torque) >= self._effort
        if pushing.any() and qd is not None:
            pushing &= np.abs(qd) < self._still
        stalled = bool(pushing.any())
        return _graver(self.note("stall", stalled), self.latched)

    def note(self, name: str, violated: bool) -> Verdict:
        """Record whether a guard was violated this tick; return its verdict for the tick."""
        guard = self._guards[name]
        if guard.latch is not None:
            mask = (1 << guard.window) - 1
            self._history[name] = ((self._history[name] << 1) | violated) & mask
        if not violated:
            return Verdict.RUN
        self.counts[name] += 1
        if guard.latch is not None and _ones(self._history[name]) >= guard.count:
            if self.latched is Verdict.RUN:
                self.reason = name
            self.latched = _graver(self.latched, guard.latch)
        return _graver(guard.tick, self.latched)


def _graver(a: Verdict, b: Verdict) -> Verdict:
    return a if a >= b else b


def _finite(vector: np.ndarray) -> bool:
    # A dot product spreads NaN and infinity, and takes a fifth of the time of np.isfinite(...).all().
    # Beyond 1e154 it overflows: no sensor or motor has such a value either.
    return math.isfinite(vector.dot(vector))


def _ones(bits: int) -> int:
    return bin(bits).count("1")
