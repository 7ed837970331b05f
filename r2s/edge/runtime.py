"""The life cycle around the controller, and the loop that keeps time.

    UNCONFIGURED -configure-> INACTIVE -activate-> STANDBY -start-> BLEND -> ACTIVE <-> DEGRADED
                                  ^                                            |
                                  +--------------- reset --------------- DAMP, FAULT (latched)

STANDBY holds the measured pose; BLEND moves from it to the policy; DEGRADED repeats the last position; DAMP
brakes with velocity gain only. Wheels, which take a speed, stand still in all of these but BLEND. The
transport is also the clock, so a simulated robot has its own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from .contract import Contract
from .controller import Controller, Tick
from .errors import EdgeError
from .log import RingLog
from .observe import Reading
from .policy import OnnxPolicy
from .safety import Verdict


class State(Enum):
    UNCONFIGURED = "unconfigured"
    INACTIVE = "inactive"
    STANDBY = "standby"
    BLEND = "blend"
    ACTIVE = "active"
    DEGRADED = "degraded"
    DAMP = "damp"
    FAULT = "fault"


MOVING = (State.BLEND, State.ACTIVE, State.DEGRADED)


@dataclass(frozen=True)
class Command:
    """What goes to the motors.

    Attributes:
        mode: `position` or `velocity` (follow `target`), or `damp` (no position gain, velocity gain only:
            what turns comes to rest).
        joints: names, in the order of the arrays.
        target: (joints,) float64 [rad or m; rad/s or m/s in mode `velocity`].
        kp, kd: (joints,) gains the policy was trained with.
    """

    mode: str
    joints: tuple[str, ...]
    target: np.ndarray
    kp: np.ndarray
    kd: np.ndarray


class Transport(Protocol):
    """The robot, real or simulated: sensors in, commands out, and its clock."""

    joint_names: tuple[str, ...]

    def read(self) -> Reading:
        """Return the newest reading, without waiting."""
        ...

    def write(self, command: Command) -> None:
        """Send a command, without waiting."""
        ...

    def now_s(self) -> float:
        """Return the time on the clock that also stamps readings."""
        ...

    def wait_until(self, time_s: float) -> None:
        """Return at `time_s` on that clock."""
        ...


class Runtime:
    """Runs one policy on one transport.

    Attributes:
        state: see the module.
        reason: why it is in DAMP or FAULT, in words; "" otherwise.
    """

    def __init__(self, contract: Contract, transport: Transport, log: RingLog | None = None):
        self.contract = contract
        self.transport = transport
        self.log = RingLog() if log is None else log
        self.state = State.UNCONFIGURED
        self.reason = ""
        self._controller: Controller | None = None
        self._hold = contract.actions.holding(contract.home)
        self._follows = contract.actions.command
        self._blend_ticks = max(0, round(contract.safety.blend_s / contract.control_s))
        self._since_start = 0

    @property
    def controller(self) -> Controller:
        if self._controller is None:
            raise self._not_in("configured", State.INACTIVE)
        return self._controller

    def configure(self, policy: OnnxPolicy) -> None:
        """UNCONFIGURED -> INACTIVE: match names of robot, contract and model."""
        self._expect(State.UNCONFIGURED)
        self._controller = Controller(self.contract, policy, self.transport.joint_names)
        self.state = State.INACTIVE

    def activate(self) -> None:
        """INACTIVE -> STANDBY: hold the pose the robot is in."""
        self._expect(State.INACTIVE)
        self._hold = self.controller.reset(self.transport.read())
        self.state = State.STANDBY
        self._send(self._follows, self._hold)

    def start(self) -> None:
        """STANDBY -> BLEND (or ACTIVE where the contract has no blend)."""
        self._expect(State.STANDBY)
        self._since_start = 0
        self.state = State.BLEND if self._blend_ticks else State.ACTIVE

    def stop(self) -> None:
        """Any moving state -> STANDBY, holding the last position; wheels stop."""
        self._expect(*MOVING)
        self._hold = self.contract.actions.holding(self.controller.target)
        self.state = State.STANDBY
        self._send(self._follows, self._hold)

    def reset(self) -> None:
        """The operator clears a latch: DAMP, FAULT or STANDBY -> INACTIVE."""
        self._expect(State.DAMP, State.FAULT, State.STANDBY)
        self.controller.envelope.reset()
        self.state, self.reason = State.INACTIVE, ""

    def step(self) -> Tick | None:
        """Do one tick; return what the controller did, or None where it was not asked."""
        begin_s = self.transport.now_s()
        tick = None
        if self.state is State.STANDBY:
            self._send(self._follows, self._hold)
        elif self.state in (State.DAMP, State.FAULT):
            self._send("damp", self.controller.target)
        elif self.state in MOVING:
            tick = self._follow(begin_s)
        late = self.transport.now_s() - begin_s > self.contract.safety.deadline_s
        if self.state in MOVING:
            self.controller.envelope.note("deadline", late)
        return tick

    def run(self, ticks: int) -> int:
        """Tick at the control rate on an absolute schedule; return how many ticks it did.

        Stops early once the envelope has latched.
        """
        begin_s = self.transport.now_s()
        for index in range(ticks):
            self.step()
            if self.state in (State.DAMP, State.FAULT):
                self.step()  # one more, so that the damping command is out
                return index + 1
            self.transport.wait_until(begin_s + (index + 1) * self.contract.control_s)
        return ticks

    def _follow(self, now_s: float) -> Tick:
        reading = self.transport.read()
        ratio = 1.0
        if self._blend_ticks:
            ratio = min(1.0, (self._since_start + 1) / self._blend_ticks)
        tick = self.controller.tick(reading, now_s, blend=ratio, hold=self._hold)
        self._since_start += 1
        if tick.verdict is Verdict.RUN:
            self.state = State.ACTIVE if ratio >= 1.0 else State.BLEND
        else:
            self.state = {
                Verdict.HOLD: State.DEGRADED,
                Verdict.DAMP: State.DAMP,
                Verdict.FAULT: State.FAULT,
            }[tick.verdict]
        if self.state in (State.DAMP, State.FAULT):
            envelope = self.controller.envelope
            count = envelope.counts[envelope.reason]
            self.reason = f"guard {envelope.reason!r} latched after {count} violations"
        stopped = self.state in (State.DAMP, State.FAULT)
        self._send("damp" if stopped else self._follows, tick.target)
        self.log.append(
            {
                "t": now_s,
                "age_s": now_s - reading.stamp_s,
                "state": self.state.value,
                "values": {name: value.tolist() for name, value in reading.values.items()},
                "action": None if tick.action is None else tick.action.tolist(),
                "target": tick.target.tolist(),
            }
        )
        return tick

    def _send(self, mode: str, target: np.ndarray) -> None:
        contract = self.contract
        self.transport.write(
            Command(mode, contract.actions.joints, target.copy(), contract.kp, contract.kd)
        )

    def _expect(self, *states: State) -> None:
        if self.state not in states:
            raise self._not_in(self.state.value, *states)

    def _not_in(self, now: str, *states: State) -> EdgeError:
        return EdgeError(
            "R2S-EDGE-007",
            f"the runtime is {now}, this needs {' or '.join(state.value for state in states)}",
            where="life cycle",
            why="a step left out is how robots move unexpectedly",
            remedy="configure, activate, start; after DAMP or FAULT: reset, activate, start",
        )
