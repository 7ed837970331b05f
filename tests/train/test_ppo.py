"""The update: it prefers better actions, ignores invalid rows, and keeps to its KL budget."""

import jax
import numpy as np
import pytest

from r2s.artifacts.policy import NetworkSpec
from r2s.policy import networks
from r2s.sim.protocol import Trajectories
from r2s.train.config import Ppo
from r2s.train.ppo import initial_learner, make_update, shuffled

NETWORK = NetworkSpec(actor=(16,), critic=(16,))
STEPS, COPIES, WIDTH = 16, 64, 4
CONFIG = Ppo(entropy=0.0, discount=0.9)


@pytest.fixture(scope="module")
def update():
    return make_update(CONFIG, NETWORK, 3, 5.0)


def learner():
    return initial_learner(np.random.default_rng(0), CONFIG, NETWORK, (3, WIDTH, 1), std=0.5)


def bandit(policy, seed):
    """One-step episodes in which the action should be half of the first observation."""
    rng = np.random.default_rng(seed)
    observation = rng.uniform(-1, 1, (STEPS + 1, COPIES, WIDTH)).astype(np.float32)
    mean = networks.action_mean(policy, NETWORK, observation[:-1, :, :3], 5.0)
    log_sigma = networks.log_std(policy.params)
    action = mean + np.exp(log_sigma) * rng.normal(size=mean.shape).astype(np.float32)
    yes, no = np.ones((STEPS, COPIES), bool), np.zeros((STEPS, COPIES), bool)
    return Trajectories(
        observation=observation,
        action=np.asarray(action),
        log_prob=np.asarray(networks.gaussian_log_prob(action, mean, log_sigma)),
        reward=-np.square(np.asarray(action)[..., 0] - 0.5 * observation[:-1, :, 0]),
        terminated=yes, ended=yes, valid=yes, crashed=no, counted=yes, success=no,
        episode_return=no.astype(np.float32), sample=np.zeros((STEPS, COPIES, 0)),
        terms=np.zeros((STEPS, 1)),
    )  # fmt: skip


def error(policy) -> float:
    x = np.random.default_rng(9).uniform(-1, 1, (500, 3)).astype(np.float32)
    action = networks.action_mean(policy, NETWORK, x, 5.0)[:, 0]
    return float(np.sqrt(np.mean((action - 0.5 * x[:, 0]) ** 2)))


def order(seed):
    return shuffled(np.random.default_rng(seed), CONFIG, STEPS * COPIES)


def test_learns_a_bandit_and_narrows_its_noise(update):
    state = learner()
    first = error(state.policy)
    for i in range(60):
        state, numbers = update(state, bandit(state.policy, i), order(i))
    assert error(state.policy) < 0.35 * first
    assert float(numbers["action_std"]) < 0.45
    assert float(numbers["kl"]) < 3 * CONFIG.target_kl


def test_invalid_rows_change_nothing(update):
    state = learner()
    seen = bandit(state.policy, 0)
    valid = np.random.default_rng(1).uniform(size=(STEPS, COPIES)) < 0.7
    poison = np.where(valid, 1.0, 1e3).astype(np.float32)
    one = seen._replace(valid=valid)
    other = one._replace(reward=seen.reward * poison, action=seen.action * poison[..., None])
    a, b = update(state, one, order(0))[0], update(state, other, order(0))[0]
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_the_first_ratio_is_one_even_after_the_normalizer_moved(update):
    state, _ = update(learner(), bandit(learner().policy, 0), order(0))
    seen = bandit(state.policy, 1)
    single = make_update(
        Ppo(epochs=1, minibatches=1, adaptive_rate=False, discount=0.9), NETWORK, 3, 5.0
    )
    _, numbers = single(
        state,
        seen,
        shuffled(np.random.default_rng(0), Ppo(epochs=1, minibatches=1), STEPS * COPIES),
    )
    assert abs(float(numbers["kl"])) < 1e-6
    assert abs(float(numbers["surrogate"])) < 1e-5  # minus the mean of standardized advantages


def test_every_row_comes_once_per_epoch():
    rows = order(3)
    assert rows.shape == (CONFIG.epochs * CONFIG.minibatches, STEPS * COPIES // CONFIG.minibatches)
    for epoch in rows.reshape(CONFIG.epochs, -1):
        assert np.array_equal(np.sort(epoch), np.arange(STEPS * COPIES))


def test_entropy_widens_the_noise_to_where_it_began_and_pays_for_no_more():
    """A reward that says nothing: without the bound the bonus alone widens the noise for ever."""
    config = CONFIG.model_copy(update={"entropy": 0.5})
    stds = {}
    for widest in (0.5, np.inf):
        step = make_update(config, NETWORK, 3, 5.0, widest)
        state = initial_learner(np.random.default_rng(0), config, NETWORK, (3, WIDTH, 1), std=0.3)
        for i in range(25):
            seen = bandit(state.policy, i)
            noise = np.random.default_rng(i).normal(size=seen.reward.shape).astype(np.float32)
            state, numbers = step(state, seen._replace(reward=noise), order(i))
        stds[widest] = float(numbers["action_std"])
    assert 0.4 < stds[0.5] < 0.65 < 0.8 < stds[np.inf]


def test_imitation_learns_the_guess_and_what_it_is_worth_and_leaves_the_noise_alone():
    """The rewards ask for half of the first observation; what is imitated is its opposite."""
    update = make_update(CONFIG, NETWORK, 3, 5.0, guess=lambda seen: -0.5 * seen[:, :1])
    state = learner()
    rate, std = float(state.rate), np.exp(networks.log_std(state.params))
    explained = 0.0
    for i in range(40):
        seen = bandit(state.policy, i)
        paid = seen._replace(reward=seen.observation[:-1, :, 3])
        state, numbers = update(state, paid, order(i), True)
        explained = float(numbers["explained_variance"])
    x = np.random.default_rng(9).uniform(-1, 1, (500, 3)).astype(np.float32)
    action = networks.action_mean(state.policy, NETWORK, x, 5.0)[:, 0]
    assert np.sqrt(np.mean((action + 0.5 * x[:, 0]) ** 2)) < 0.03
    assert explained > 0.5 and float(state.rate) == rate
    np.testing.assert_array_equal(np.exp(networks.log_std(state.params)), std)
    begun = error(state.policy)
    for i in range(40, 80):
        state, _ = update(state, bandit(state.policy, i), order(i))
    assert error(state.policy) < 0.7 * begun  # then the rewards count
