"""Actor and critic as multilayer perceptrons over flat dicts of named arrays.

Names: `actor/0/w` (in, out), `actor/0/b` (out,), ..., `actor/log_std` (a,), `critic/0/w`, ...
The actor reads the first `observation width` numbers of the critic's input, so that one array and one
normalizer serve both.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.policy import NetworkSpec
from r2s.policy import normalizer
from r2s.policy.normalizer import Normalizer

Params = dict[str, jax.Array]
ACTIVATIONS = {"elu": jax.nn.elu, "silu": jax.nn.silu, "tanh": jnp.tanh, "relu": jax.nn.relu}
LARGEST_LOG_STD = 0.5
SMALLEST_LOG_STD = -4.0


class PolicyState(NamedTuple):
    """What it takes to act: weights and normalizer."""

    params: Params
    normalizer: Normalizer


def initial_params(
    random: np.random.Generator,
    spec: NetworkSpec,
    observation: int,
    critic: int,
    action: int,
    std: float,
) -> Params:
    """Return orthogonal weights: gain sqrt(2) inside, 0.01 for the actor's head, 1 for the critic's.

    Args:
        observation: width of the actor's input.
        critic: width of the critic's input (the actor's and privileged numbers).
        std: initial standard deviation of the exploration noise, in action units.
    """
    params = _layers(random, "actor", (observation, *spec.actor, action), 0.01)
    params |= _layers(random, "critic", (critic, *spec.critic, 1), 1.0)
    params["actor/log_std"] = jnp.full((action,), jnp.log(std), jnp.float32)
    return params


def action_mean(
    policy: PolicyState, spec: NetworkSpec, observation: jax.Array, clip: float
) -> jax.Array:
    """Return the deterministic action (..., a) in [-1, 1] of observations (..., d)."""
    x = normalized(policy.normalizer, observation, clip)
    return jnp.tanh(perceptron(policy.params, "actor", x, spec.activation))


def value(
    policy: PolicyState, spec: NetworkSpec, critic_input: jax.Array, clip: float
) -> jax.Array:
    """Return the value (...) of critic inputs (..., d)."""
    x = normalized(policy.normalizer, critic_input, clip)
    return perceptron(policy.params, "critic", x, spec.activation)[..., 0]


def log_std(params: Mapping[str, jax.Array]) -> jax.Array:
    """Return the (a,) log standard deviation of the exploration noise, bounded."""
    return jnp.clip(params["actor/log_std"], SMALLEST_LOG_STD, LARGEST_LOG_STD)


def normalized(stats: Normalizer, x: jax.Array, clip: float) -> jax.Array:
    """Return x (..., d) with the statistics of its first d numbers removed, within +-clip."""
    width = x.shape[-1]
    return jnp.clip((x - stats.mean[:width]) / normalizer.std(stats)[:width], -clip, clip)


def perceptron(params: Mapping[str, jax.Array], name: str, x: jax.Array, act: str) -> jax.Array:
    """Return the output of the perceptron called `name`; no activation after its last layer."""
    depth = sum(1 for key in params if key.startswith(f"{name}/") and key.endswith("/w"))
    for layer in range(depth):
        x = x @ params[f"{name}/{layer}/w"] + params[f"{name}/{layer}/b"]
        if layer < depth - 1:
            x = ACTIVATIONS[act](x)
    return x


def gaussian_log_prob(action: jax.Array, mean: jax.Array, log_sigma: jax.Array) -> jax.Array:
    """Return log N(action; mean, exp(log_sigma)^2), summed over the last axis."""
    z = (action - mean) / jnp.exp(log_sigma)
    return jnp.sum(-0.5 * z**2 - log_sigma - 0.5 * jnp.log(2 * jnp.pi), axis=-1)


def exported(policy: PolicyState, observation: int) -> dict[str, np.ndarray]:
    """Return the named arrays of a `Policy`'s weights file.

    `normalizer/mean` and `normalizer/std` are the actor's; the critic's whole statistics are kept as
    `critic_normalizer/...`, so that training can go on from the file.
    """
    arrays = {name: np.asarray(array) for name, array in policy.params.items()}
    stats = policy.normalizer
    spread = np.asarray(normalizer.std(stats))
    arrays["normalizer/mean"] = np.asarray(stats.mean)[:observation]
    arrays["normalizer/std"] = spread[:observation]
    arrays["critic_normalizer/count"] = np.asarray(stats.samples)
    arrays["critic_normalizer/mean"] = np.asarray(stats.mean)
    arrays["critic_normalizer/m2"] = np.asarray(stats.m2)
    return arrays


def _layers(
    random: np.random.Generator, name: str, widths: tuple[int, ...], head_gain: float
) -> Params:
    params: Params = {}
    last = len(widths) - 2
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        gain = head_gain if layer == last else float(np.sqrt(2.0))
        weight = gain * _orthogonal(random, fan_in, fan_out)
        params[f"{name}/{layer}/w"] = jnp.asarray(weight, jnp.float32)
        params[f"{name}/{layer}/b"] = jnp.zeros(fan_out)
    return params


def _orthogonal(random: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
    """Return a (fan_in, fan_out) matrix with orthonormal rows or columns, whichever are fewer.

    In numpy: compiling a QR decomposition per layer took XLA five seconds.
    """
    tall = random.standard_normal((max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))
    return q if fan_in >= fan_out else q.T
