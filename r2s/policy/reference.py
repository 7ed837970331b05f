"""The actor in float64 numpy, from the weights file: an oracle that knows neither JAX nor ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.signal import ActionSpec

ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "silu": lambda x: 0.5 * x * (1.0 + np.tanh(0.5 * x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
}


def reference_action(
    weights: Mapping[str, np.ndarray], network: NetworkSpec, clip: float, observation: np.ndarray
) -> np.ndarray:
    """Return deterministic actions (n, joints) float64 of concatenated observations (n, width)."""
    mean, std = (weights[f"normalizer/{name}"].astype(np.float64) for name in ("mean", "std"))
    x = np.clip((observation.astype(np.float64) - mean) / std, -clip, clip)
    for layer in range(len(network.actor) + 1):
        x = x @ weights[f"actor/{layer}/w"].astype(np.float64) + weights[f"actor/{layer}/b"]
        if layer < len(network.actor):
            x = ACTIVATIONS[network.activation](x)
    return np.tanh(x)


def reference_target(
    actions: ActionSpec, action: np.ndarray, previous_target: np.ndarray
) -> np.ndarray:
    """Return joint targets (n, joints) float64 of actions (n, joints)."""
    base = previous_target if actions.mode == "relative" else np.asarray(actions.offset)
    return np.clip(base + np.asarray(actions.scale) * action, actions.low, actions.high)
