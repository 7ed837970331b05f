"""What an ONNX policy says about itself, in `metadata_props`: text, and every number without loss.

`r2s.*` values are canonical JSON (shortest round-trip floats). The other keys are those that loaders of
mjlab-style policies read; values there are comma-separated, with full precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r2s.artifacts.kinematics import Chain
from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.core.canonical import canonical_json

SCHEMA = "r2s.policy/1"


def graph_metadata(
    observations: Sequence[Signal],
    actions: ActionSpec,
    network: NetworkSpec,
    observation_clip: float,
) -> dict[str, str]:
    """Return what follows from the graph itself: signal lists, meaning of the action, network shape."""
    return {
        "r2s.schema": SCHEMA,
        "r2s.observations": _json([signal.model_dump(mode="json") for signal in observations]),
        "r2s.actions": _json(actions.model_dump(mode="json")),
        "r2s.network": _json(network.model_dump(mode="json")),
        "r2s.observation_clip": _json(observation_clip),
        "joint_names": ",".join(actions.joints),
        "observation_names": ",".join(signal.name for signal in observations),
        "action_scale": _numbers(actions.scale),
    }


def deployment_metadata(
    *,
    robot: str,
    task: Mapping,
    actions: ActionSpec,
    chain: Chain | None,
    control_s: float,
    gains: Mapping[str, tuple[float, float]],
    limits: Mapping[str, tuple[float, float, float, float]],
    home: Mapping[str, float],
) -> dict[str, str]:
    """Return what the robot must share with the training: rate, gains, limits, home, kinematics.

    Args:
        task: `TaskSpec.model_dump()`.
        gains: joint name to (kp, kd) [N*m/rad, N*m*s/rad].
        limits: joint name to (low, high, velocity, effort).
        home: joint name to home position [rad or m].
    """
    return {
        "r2s.robot": robot,
        "r2s.task": _json(dict(task)),
        "r2s.chain": _json(None if chain is None else chain.model_dump(mode="json")),
        "r2s.control_s": _json(control_s),
        "r2s.gains": _json({name: list(value) for name, value in gains.items()}),
        "r2s.limits": _json({name: list(value) for name, value in limits.items()}),
        "r2s.home": _json(dict(home)),
        "joint_stiffness": _numbers([gains[name][0] for name in actions.joints]),
        "joint_damping": _numbers([gains[name][1] for name in actions.joints]),
        "default_joint_pos": _numbers([home[name] for name in actions.joints]),
    }


def _json(value) -> str:
    return canonical_json(value).decode()


def _numbers(values: Sequence[float]) -> str:
    return ",".join(repr(float(value)) for value in values)
