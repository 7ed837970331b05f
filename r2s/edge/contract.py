"""What a policy expects and promises, as plain data: signals, actions, kinematics, limits, safety numbers.

Built from the JSON of a bundle's manifest (or of a policy artifact, in simulation). Everything is matched by
name; a name that is missing, unknown or listed twice is an error, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Mapping

import numpy as np

from .errors import EdgeError

# Signals the runtime itself remembers; all other measured ones but clocks come from the robot.
REMEMBERED = ("joint_target", "last_action")
TIP = "ee_pos"  # the end effector's position, from the joints along the chain
# Vectors from one point to another.
BETWEEN = {
    "ee_to_goal": (TIP, "goal_pos"),
    "ee_to_object": (TIP, "object_pos"),
    "object_to_goal": ("object_pos", "goal_pos"),
}
# What each derivation is computed from.
SOURCES = {
    TIP: ("joint_pos",),
    **{
        name: tuple("joint_pos" if end == TIP else end for end in ends)
        for name, ends in BETWEEN.items()
    },
    "ee_turn_to_goal": ("joint_pos", "goal_quat"),
    "projected_gravity": ("base_quat",),
    "goal_direction": ("base_pos", "base_quat", "goal_pos"),
    "laser_nearness": ("laser_ranges",),
}
MODES = ("absolute", "relative", "velocity")


@dataclass(frozen=True)
class SignalSpec:
    """A named vector: element names in order, unit, kind, and how it is derived where it is.

    A clock has a period: sine and cosine of the time since the policy began, which the runtime counts.
    """

    name: str
    elements: tuple[str, ...]
    unit: str
    kind: str
    frame: str = ""
    derivation: str = ""
    period_s: float = 0.0

    @property
    def is_clock(self) -> bool:
        return self.period_s != 0.0

    @property
    def of_joints(self) -> bool:
        """Whether the elements are joint names, so that the robot's own order must be rearranged."""
        return self.frame == "joint" or self.name.startswith("joint_")


@dataclass(frozen=True)
class Actions:
    """Raw action in [-1, 1] to joint targets; arrays are (joints,) float64.

    Targets are positions, in mode `velocity` speeds [rad/s or m/s], and low and high are theirs.
    """

    joints: tuple[str, ...]
    mode: str
    scale: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def of_speed(self) -> bool:
        return self.mode == "velocity"

    @property
    def command(self) -> str:
        """What a transport is told to follow: `position` or `velocity`."""
        return "velocity" if self.of_speed else "position"

    def holding(self, target: np.ndarray) -> np.ndarray:
        """Return the target that stays where it is: a position itself, of a wheel no speed."""
        return np.zeros_like(target) if self.of_speed else target


@dataclass(frozen=True)
class SafetySpec:
    """Numbers of the envelope.

    Attributes:
        max_obs_age_s: older readings are stale.
        deadline_s: a tick must be done this long after it began.
        missed_deadlines, deadline_window: so many misses in so many ticks end in DAMP.
        hold_ticks: bad ticks in a row that are bridged by holding the last target.
        blend_s: time from holding the pose to following the policy.
        position_margin: commands stay this far inside the joint limits [rad or m].
        position_slack: a joint measured this far outside its limits ends in DAMP [rad or m].
        jump_factor, jump_slack: a joint cannot move farther in one tick than factor x velocity limit x
            period + slack.
        stall_s: estimated torque at its limit without motion for this long ends in DAMP.
        tilt_max_rad: largest tilt of a floating base; 0 for a fixed base.
    """

    max_obs_age_s: float
    deadline_s: float
    missed_deadlines: int = 3
    deadline_window: int = 50
    hold_ticks: int = 5
    blend_s: float = 1.0
    position_margin: float = 0.0
    position_slack: float = 0.2
    jump_factor: float = 4.0
    jump_slack: float = 0.1
    stall_s: float = 2.0
    tilt_max_rad: float = 0.0


@dataclass(frozen=True)
class Contract:
    """Attributes:
    chain: base to end effector, as the JSON of `Chain`, or None.
    kp, kd, low, high, velocity, effort, home: (joints,) float64 in the order of `actions.joints`; low and
        high are the joint's own limits, those of `actions` may be narrower.
    """

    robot: str
    task: Mapping[str, Any]
    control_s: float
    observations: tuple[SignalSpec, ...]
    actions: Actions
    chain: Mapping[str, Any] | None
    kp: np.ndarray
    kd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray
    home: np.ndarray
    safety: SafetySpec = field(default_factory=lambda: SafetySpec(0.1, 0.02))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what targets may be at most, (low, high): the actions' limits within the joints'."""
        actions, speed = self.actions, self.velocity
        low, high = (-speed, speed) if actions.of_speed else (self.low, self.high)
        return np.maximum(actions.low, low), np.minimum(actions.high, high)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the signals the robot must deliver every tick."""
        names = ["joint_pos"]
        for signal in self.observations:
            if signal.is_clock:
                continue
            wanted = SOURCES[signal.derivation] if signal.kind == "derived" else (signal.name,)
            names += [name for name in wanted if name not in (*names, *REMEMBERED)]
        return tuple(names)


def parse_contract(data: Mapping[str, Any]) -> Contract:
    """Build a contract from JSON, checking every name.

    Raises:
        EdgeError: R2S-EDGE-001 for a missing or malformed field, R2S-EDGE-004 for wrong names.
    """
    try:
        actions = _actions(data["actions"])
        joints = actions.joints
        observations = tuple(_signal(item) for item in data["observations"])
        limits, gains, home = data["limits"], data["gains"], data["home"]
        _check_names(joints, observations, limits, gains, home, data["chain"])
        known = {item.name for item in fields(SafetySpec)}
        unknown = sorted(set(data["safety"]) - known)
        if unknown:
            raise KeyError(f"unknown safety number {unknown[0]}")
        contract = Contract(
            robot=data["robot"],
            task=data["task"],
            control_s=float(data["control_s"]),
            observations=observations,
            actions=actions,
            chain=data["chain"],
            kp=np.array([gains[name][0] for name in joints], dtype=np.float64),
            kd=np.array([gains[name][1] for name in joints], dtype=np.float64),
            low=np.array([limits[name][0] for name in joints], dtype=np.float64),
            high=np.array([limits[name][1] for name in joints], dtype=np.float64),
            velocity=np.array([limits[name][2] for name in joints], dtype=np.float64),
            effort=np.array([limits[name][3] for name in joints], dtype=np.float64),
            home=np.array([home[name] for name in joints], dtype=np.float64),
            safety=SafetySpec(**data["safety"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise EdgeError(
            "R2S-EDGE-001",
            f"the contract is malformed: {exc}",
            where="manifest.json",
            why="the runtime acts only on a contract it understands completely",
            remedy="export the policy again with this version of r2s: r2s export",
        ) from exc
    _check_numbers(contract)
    return contract


def _signal(item: Mapping[str, Any]) -> SignalSpec:
    return SignalSpec(
        name=item["name"],
        elements=tuple(item["elements"]),
        unit=item["unit"],
        kind=item["kind"],
        frame=item.get("frame", ""),
        derivation=item.get("derivation", ""),
        period_s=float(item.get("period_s", 0.0)),
    )


def _actions(item: Mapping[str, Any]) -> Actions:
    n = len(item["joints"])
    arrays = {}
    for name in ("scale", "offset", "low", "high"):
        array = np.array(item[name], dtype=np.float64)
        if array.shape != (n,):
            raise ValueError(f"actions.{name} has {array.size} values for {n} joints")
        arrays[name] = array
    if item["mode"] not in MODES:
        raise ValueError(f"actions.mode is {item['mode']!r}")
    return Actions(joints=tuple(item["joints"]), mode=item["mode"], **arrays)


def _check_names(joints, observations, limits, gains, home, chain) -> None:
    for title, names in (("joints", joints), ("observations", [s.name for s in observations])):
        if len(set(names)) != len(names):
            raise _names(f"{title} are listed twice", ", ".join(names))
    for title, mapping in (("limits", limits), ("gains", gains), ("home", home)):
        missing = [name for name in joints if name not in mapping]
        if missing:
            raise _names(f"{title} lacks joint {missing[0]!r}", f"it has {', '.join(mapping)}")
    for signal in observations:
        if signal.kind == "privileged":
            raise _names(f"signal {signal.name!r} exists in simulation only", "observations")
        if signal.kind == "derived" and signal.derivation not in SOURCES:
            raise _names(
                f"signal {signal.name!r} is derived by the unknown {signal.derivation!r}",
                f"known: {', '.join(SOURCES)}",
            )
        turns = 0.0 < signal.period_s < np.inf
        fits = signal.kind == "measured" and len(signal.elements) == 2 and turns
        if signal.is_clock and not fits:
            raise _names(f"signal {signal.name!r} is no clock", "a clock has a sine and a cosine")
        if signal.name in REMEMBERED and set(signal.elements) - set(joints):
            odd = sorted(set(signal.elements) - set(joints))[0]
            raise _names(f"signal {signal.name!r} lists {odd!r}, no joint of the actions", "")
        if signal.kind == "derived" and "joint_pos" in SOURCES[signal.derivation] and not chain:
            raise _names(f"signal {signal.name!r} needs a kinematic chain", "chain is null")


def _check_numbers(contract: Contract) -> None:
    actions = contract.actions
    arrays = (actions.scale, actions.offset, actions.low, actions.high, contract.velocity)
    arrays += (contract.kp, contract.kd, contract.low, contract.high, contract.effort)
    low, high = contract.bounds()
    if (
        not all(np.isfinite(array).all() for array in arrays)
        or not np.isfinite(contract.control_s)
        or contract.control_s <= 0
        or (low >= high).any()
        or (contract.velocity <= 0).any()
    ):
        raise EdgeError(
            "R2S-EDGE-001",
            "the contract has limits that are empty, not positive or not finite",
            where="manifest.json: control_s, actions, limits, gains",
            why="commands could not be bounded",
            remedy="check the robot's joint limits, then: r2s export",
        )


def _names(what: str, where: str) -> EdgeError:
    return EdgeError(
        "R2S-EDGE-004",
        what,
        where=where,
        why="joints and signals are matched by name; a guess would move the wrong joint",
        remedy="export the policy again: r2s export",
    )
