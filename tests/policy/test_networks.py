"""Networks and normalizer: names, bounds, and statistics that do not depend on how samples come."""

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.policy import NetworkSpec
from r2s.policy import networks, normalizer
from r2s.policy.networks import PolicyState

SPEC = NetworkSpec(actor=(16, 8), critic=(12,), activation="elu")


def some_policy() -> PolicyState:
    params = networks.initial_params(np.random.default_rng(0), SPEC, 5, 7, 3, std=0.5)
    samples = 3.0 + 2.0 * jax.random.normal(jax.random.PRNGKey(1), (500, 7))
    return PolicyState(params, normalizer.observed(normalizer.empty(7), samples, jnp.ones(500)))


def test_parameters_have_the_names_and_shapes_of_the_policy_contract():
    arrays = networks.exported(some_policy(), 5)
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes["actor/0/w"] == (5, 16) and shapes["actor/2/w"] == (8, 3)
    assert shapes["actor/2/b"] == (3,) and shapes["actor/log_std"] == (3,)
    assert shapes["critic/0/w"] == (7, 12) and shapes["critic/1/w"] == (12, 1)
    assert shapes["normalizer/mean"] == shapes["normalizer/std"] == (5,)


def test_action_is_the_formula_of_the_contract():
    policy = some_policy()
    w = networks.exported(policy, 5)
    x = np.random.default_rng(0).normal(3, 4, (20, 5)).astype(np.float32)
    h = np.clip((x - w["normalizer/mean"]) / w["normalizer/std"], -2.0, 2.0)
    for layer in range(2):
        h = h @ w[f"actor/{layer}/w"] + w[f"actor/{layer}/b"]
        h = np.where(h > 0, h, np.expm1(h))
    expected = np.tanh(h @ w["actor/2/w"] + w["actor/2/b"])
    np.testing.assert_allclose(networks.action_mean(policy, SPEC, x, 2.0), expected, atol=1e-6)


def test_log_prob_integrates_to_one():
    grid = jnp.linspace(-6, 6, 4001)[:, None]
    density = jnp.exp(networks.gaussian_log_prob(grid, jnp.array([0.3]), jnp.array([-0.4])))
    assert abs(float(jnp.sum(density) * (grid[1, 0] - grid[0, 0])) - 1.0) < 1e-4


def test_statistics_do_not_depend_on_batches_and_ignore_masked_rows():
    rng = np.random.default_rng(0)
    samples = rng.normal(5, 3, (300, 4)).astype(np.float32)
    weight = (rng.uniform(size=300) < 0.7).astype(np.float32)
    poisoned = np.where(weight[:, None] > 0, samples, 1e6).astype(np.float32)
    stats = normalizer.empty(4)
    for part in np.split(np.arange(300), [10, 150, 151]):
        stats = normalizer.observed(stats, jnp.asarray(poisoned[part]), jnp.asarray(weight[part]))
    kept = samples[weight > 0]
    np.testing.assert_allclose(stats.mean, kept.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(normalizer.std(stats), kept.std(axis=0), rtol=1e-4)


def test_a_constant_input_is_not_blown_up():
    stats = normalizer.observed(normalizer.empty(1), jnp.ones((100, 1)), jnp.ones(100))
    assert float(normalizer.std(stats)[0]) == np.float32(normalizer.SMALLEST_STD)
