"""Running mean and variance of observations (Chan's parallel update), part of every policy."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

SMALLEST_STD = 1e-2  # a constant input must not be blown up when it moves for the first time


class Normalizer(NamedTuple):
    """Attributes:
    samples: () float32, how many were seen.
    mean: (d,) float32.
    m2: (d,) float32, sum of squared deviations from the mean.
    """

    samples: jax.Array
    mean: jax.Array
    m2: jax.Array


def empty(width: int) -> Normalizer:
    """Return the normalizer that has seen nothing: mean 0, standard deviation 1."""
    return Normalizer(jnp.zeros(()), jnp.zeros(width), jnp.zeros(width))


def std(normalizer: Normalizer) -> jax.Array:
    """Return the (d,) standard deviation, at least `SMALLEST_STD`; 1 before the first sample."""
    variance = normalizer.m2 / jnp.maximum(normalizer.samples, 1.0)
    return jnp.where(normalizer.samples > 0, jnp.maximum(jnp.sqrt(variance), SMALLEST_STD), 1.0)


def observed(normalizer: Normalizer, samples: jax.Array, weight: jax.Array) -> Normalizer:
    """Return the normalizer after more samples.

    Args:
        samples: (n, d).
        weight: (n,) 1 for samples that count, 0 for those that do not.
    """
    count = jnp.sum(weight)
    safe = jnp.maximum(count, 1.0)
    mean = jnp.sum(samples * weight[:, None], axis=0) / safe
    m2 = jnp.sum(weight[:, None] * (samples - mean) ** 2, axis=0)
    total = normalizer.samples + count
    delta = mean - normalizer.mean
    share = count / jnp.maximum(total, 1.0)
    return Normalizer(
        total,
        normalizer.mean + delta * share,
        normalizer.m2 + m2 + delta**2 * normalizer.samples * share,
    )
