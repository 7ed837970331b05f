"""The contract between a policy and whatever runs it, as JSON: simulation, bundle and robot use the same one.

`r2s.edge.contract.parse_contract` reads it. It says what the ONNX metadata says, and adds the numbers of the
safety envelope, so that validation drives the policy through the very envelope that the robot has.
"""

from __future__ import annotations

from typing import Any

from r2s.artifacts.policy import PolicyInfo

HOLD_S = 0.1  # bad readings are bridged for this long
BLEND_S = 1.0
STALL_S = 2.0
DEFAULT_TILT_RAD = 1.0


def deployment_contract(info: PolicyInfo) -> dict[str, Any]:
    """Return the contract of a policy as a JSON tree."""
    data = info.model_dump(mode="json")
    names = ("robot", "task", "actions", "observations", "chain", "control_s", "home")
    return {
        **{name: data[name] for name in names},
        "gains": data["gains"],
        "limits": data["limits"],
        "safety": _safety(info),
    }


def _safety(info: PolicyInfo) -> dict[str, Any]:
    latency = [signal.latency_s[1] for signal in info.observations]
    latency += [
        entry.high
        for entry in info.randomization
        if (entry.target, entry.field) == ("signal", "latency")
    ]
    floating = any(
        signal.name == "base_quat" or signal.derivation == "projected_gravity"
        for signal in info.observations
    )
    tilt = info.task.parameters.get("maximum_tilt_rad", DEFAULT_TILT_RAD)
    return {
        "max_obs_age_s": max(2.0 * info.control_s, max(latency, default=0.0) + info.control_s),
        "deadline_s": info.control_s,
        "missed_deadlines": 3,
        "deadline_window": 50,
        "hold_ticks": max(2, round(HOLD_S / info.control_s)),
        "blend_s": BLEND_S,
        "position_margin": 0.0,
        "position_slack": 0.2,
        "jump_factor": 4.0,
        "jump_slack": 0.1,
        "stall_s": STALL_S,
        "tilt_max_rad": tilt if floating else 0.0,
    }
