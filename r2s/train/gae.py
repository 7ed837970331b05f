"""Generalized advantage estimation with time limits, settling steps and crashes told apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def advantages(
    reward: jax.Array,
    value: jax.Array,
    terminated: jax.Array,
    ended: jax.Array,
    valid: jax.Array,
    *,
    discount: float,
    smoothing: float,
) -> tuple[jax.Array, jax.Array]:
    """Return advantages and value targets, each (T, N).

    An episode that ends at a time limit keeps the value of its last state; one that terminated does
    not; nothing flows over an end. A step that is not valid (settling, crashed) has no advantage and
    passes none on, so the step before a crash is judged by the value of the state it reached.

    Args:
        reward: (T, N).
        value: (T+1, N); row t+1 is the value of what followed step t, also where the episode ended.
        terminated, ended, valid: (T, N) bool.
        discount: gamma; smoothing: lambda.
    """
    alive = 1.0 - terminated.astype(reward.dtype)
    goes_on = (~ended & valid).astype(reward.dtype)
    error = jnp.where(valid, reward + discount * alive * value[1:] - value[:-1], 0.0)

    def backwards(following: jax.Array, row):
        delta, on, ok = row
        advantage = jnp.where(ok, delta + discount * smoothing * on * following, 0.0)
        return advantage, advantage

    _, result = jax.lax.scan(
        backwards, jnp.zeros_like(reward[0]), (error, goes_on, valid), reverse=True
    )
    return result, result + value[:-1]
