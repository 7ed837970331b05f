"""The clipped surrogate update (Schulman et al. 2017), one jitted call per iteration.

The learning rate follows the measured KL divergence, as in rsl_rl: a step that moves the policy too
far makes the next one smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from r2s.artifacts.policy import NetworkSpec
from r2s.policy import networks, normalizer
from r2s.policy.networks import Params, PolicyState
from r2s.policy.normalizer import Normalizer
from r2s.sim.protocol import Trajectories
from r2s.train.config import Ppo
from r2s.train.gae import advantages

FASTER, SMALLEST_RATE, LARGEST_RATE = 1.5, 5e-5, 2e-3


class Learner(NamedTuple):
    """Attributes:
    params: actor and critic.
    optimizer: optax state.
    rate: () learning rate.
    stats: normalizer of the critic's input (its first columns are the actor's).
    """

    params: Params
    optimizer: optax.OptState
    rate: jax.Array
    stats: Normalizer

    @property
    def policy(self) -> PolicyState:
        return PolicyState(self.params, self.stats)


class Batch(NamedTuple):
    """Rows of one update, each (n, ...)."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    mean: jax.Array
    guess: jax.Array
    advantage: jax.Array
    target: jax.Array
    weight: jax.Array


def optimizer(config: Ppo) -> optax.GradientTransformation:
    """Return Adam on clipped gradients; the learning rate is applied by the caller.

    All weights as one vector: a third of the kernels to compile, and to start.
    """
    return optax.flatten(
        optax.chain(optax.clip_by_global_norm(config.gradient_norm), optax.scale_by_adam(eps=1e-5))
    )


def initial_learner(
    random: np.random.Generator,
    config: Ppo,
    network: NetworkSpec,
    widths: tuple[int, int, int],
    std: float,
) -> Learner:
    """Return fresh weights; `widths` are those of observation, critic input and action."""
    params = networks.initial_params(random, network, *widths, std)
    rate = jnp.asarray(config.learning_rate, jnp.float32)
    return Learner(params, optimizer(config).init(params), rate, normalizer.empty(widths[1]))


def make_update(
    config: Ppo,
    network: NetworkSpec,
    observation_width: int,
    observation_clip: float,
    widest: float = np.inf,
    guess: Callable[[jax.Array], jax.Array] | None = None,
) -> Callable[..., tuple[Learner, dict[str, jax.Array]]]:
    """Return the jitted update: learner, trajectories, `shuffled` rows, imitate=False -> learner, metrics.

    To imitate, the policy learns the actions of `guess` in place of those that paid; the critic learns
    as ever, so that it knows what the guess is worth when the rewards begin to count.

    Args:
        widest: deviation of the exploration noise beyond which entropy is worth nothing: actions end at
            +-1, and noise that only hits the ends explores nothing. Without it a task that is not
            learnt at once ended with 1.2, and a policy that could not hold still.
    """
    adam = optimizer(config)

    def mean_of(params: Params, stats: Normalizer, observation: jax.Array) -> jax.Array:
        actor = observation[..., :observation_width]
        return networks.action_mean(PolicyState(params, stats), network, actor, observation_clip)

    def value_of(params: Params, stats: Normalizer, observation: jax.Array) -> jax.Array:
        return networks.value(PolicyState(params, stats), network, observation, observation_clip)

    def loss(
        params: Params, stats: Normalizer, old_std: jax.Array, imitate: jax.Array, batch: Batch
    ):
        mean = mean_of(params, stats, batch.observation)
        log_sigma = networks.log_std(params)
        log_prob = networks.gaussian_log_prob(batch.action, mean, log_sigma)
        weight = batch.weight / jnp.maximum(jnp.sum(batch.weight), 1.0)
        ratio = jnp.exp(log_prob - batch.log_prob)
        clipped = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
        gain = jnp.minimum(ratio * batch.advantage, clipped * batch.advantage)
        surrogate = -jnp.sum(weight * gain)
        error = value_of(params, stats, batch.observation) - batch.target
        critic = 0.5 * jnp.sum(weight * error**2)
        entropy = jnp.sum(log_sigma + 0.5 * jnp.log(2 * jnp.pi * jnp.e))
        explored = jnp.sum(jnp.minimum(log_sigma, jnp.log(widest)))
        away = jnp.sum(weight * jnp.sum((mean - batch.guess) ** 2, axis=-1))
        actor = jnp.where(imitate, away, surrogate - config.entropy * explored)
        total = actor + config.value_weight * critic
        kl = jnp.sum(weight * _kl(batch.mean, old_std, mean, log_sigma))
        metrics = {"surrogate": surrogate, "value_loss": critic, "entropy": entropy, "kl": kl}
        return total, metrics | {"imitation": jnp.where(imitate, away, 0.0)}

    def step(carry, batch: Batch):
        params, state, rate, stats, old_std, imitate = carry
        gradient, metrics = jax.grad(loss, has_aux=True)(params, stats, old_std, imitate, batch)
        if config.adaptive_rate:
            slower = metrics["kl"] > 2 * config.target_kl
            faster = metrics["kl"] < config.target_kl / 2
            adapted = jnp.where(slower, rate / FASTER, jnp.where(faster, rate * FASTER, rate))
            rate = jnp.where(imitate, rate, jnp.clip(adapted, SMALLEST_RATE, LARGEST_RATE))
        change, state = adam.update(gradient, state, params)
        params = jax.tree.map(lambda p, c: p - rate * c, params, change)
        return (params, state, rate, stats, old_std, imitate), metrics

    def update(learner: Learner, seen: Trajectories, order: jax.Array, imitate=False):
        stats = learner.stats
        value = value_of(learner.params, stats, seen.observation)
        advantage, target = advantages(
            seen.reward, value, seen.terminated, seen.ended, seen.valid,
            discount=config.discount, smoothing=config.smoothing,
        )  # fmt: skip
        weight = seen.valid.astype(jnp.float32)
        observation = seen.observation[:-1]
        mean = mean_of(learner.params, stats, observation)
        actor = observation[..., :observation_width]
        rows = Batch(
            observation,
            seen.action,
            seen.log_prob,
            mean,
            jax.lax.cond(imitate, jax.vmap(guess), lambda _: mean, actor) if guess else mean,
            _standardized(advantage, weight),
            target,
            weight,
        )
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
        old_std = networks.log_std(learner.params)
        carry = (learner.params, learner.optimizer, learner.rate, stats, old_std, imitate)

        def minibatch(carry, rows: jax.Array):
            return step(carry, jax.tree.map(lambda x: x[rows], flat))

        carry, metrics = jax.lax.scan(minibatch, carry, order)
        params, state, rate, *_ = carry
        # The statistics change after the update, so that the policy that is judged is the policy
        # that acted.
        stats = normalizer.observed(stats, flat.observation, flat.weight)
        summary = {name: jnp.mean(values) for name, values in metrics.items()}
        summary |= {
            "learning_rate": rate,
            "action_std": jnp.mean(jnp.exp(networks.log_std(params))),
            "explained_variance": _explained(target, value[:-1], weight),
        }
        return Learner(params, state, rate, stats), summary

    return jax.jit(update)


def shuffled(random: np.random.Generator, config: Ppo, rows: int) -> np.ndarray:
    """Return (epochs * minibatches, rows per minibatch) int32: every row once per epoch.

    Drawn on the host: XLA takes seconds to compile the sorts of a permutation.
    """
    size = rows // config.minibatches
    orders = [random.permutation(rows)[: size * config.minibatches] for _ in range(config.epochs)]
    return np.concatenate(orders).reshape(-1, size).astype(np.int32)


def _kl(old_mean: jax.Array, old_log_std: jax.Array, mean: jax.Array, log_std: jax.Array):
    """Return KL(old || new) (n,) of diagonal Gaussians."""
    ratio = jnp.exp(2 * (old_log_std - log_std))
    shift = ((old_mean - mean) / jnp.exp(log_std)) ** 2
    return jnp.sum(log_std - old_log_std + 0.5 * (ratio + shift - 1.0), axis=-1)


def _standardized(x: jax.Array, weight: jax.Array) -> jax.Array:
    count = jnp.maximum(jnp.sum(weight), 1.0)
    mean = jnp.sum(x * weight) / count
    variance = jnp.sum(weight * (x - mean) ** 2) / count
    return (x - mean) / (jnp.sqrt(variance) + 1e-8)


def _explained(target: jax.Array, value: jax.Array, weight: jax.Array) -> jax.Array:
    """Return the share of the targets' variance that the critic explained before the update."""
    count = jnp.maximum(jnp.sum(weight), 1.0)
    mean = jnp.sum(target * weight) / count
    variance = jnp.sum(weight * (target - mean) ** 2) / count
    residual = jnp.sum(weight * (target - value) ** 2) / count
    return 1.0 - residual / jnp.maximum(variance, 1e-8)
