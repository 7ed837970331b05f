"""Advantages against a brute-force sum, and what may flow over which boundary."""

import numpy as np

from r2s.train.gae import advantages

DISCOUNT, SMOOTHING = 0.9, 0.8


def brute_force(reward, value, terminated, ended, valid):
    """Sum discounted errors forward from every step until something cuts."""
    steps, copies = reward.shape
    result = np.zeros((steps, copies))
    for n in range(copies):
        for t in range(steps):
            factor = 1.0
            for u in range(t, steps):
                if not valid[u, n]:
                    break
                following = 0.0 if terminated[u, n] else value[u + 1, n]
                result[t, n] += factor * (reward[u, n] + DISCOUNT * following - value[u, n])
                if ended[u, n]:
                    break
                factor *= DISCOUNT * SMOOTHING
    return result


def random_case(seed):
    rng = np.random.default_rng(seed)
    shape = (20, 6)
    ended = rng.uniform(size=shape) < 0.15
    return {
        "reward": rng.normal(size=shape).astype(np.float32),
        "value": rng.normal(size=(21, 6)).astype(np.float32),
        "terminated": ended & (rng.uniform(size=shape) < 0.5),
        "ended": ended,
        "valid": rng.uniform(size=shape) < 0.85,
    }


def run(**case):
    return advantages(**case, discount=DISCOUNT, smoothing=SMOOTHING)


def test_is_the_brute_force_sum():
    for seed in range(5):
        case = random_case(seed)
        advantage, target = run(**case)
        np.testing.assert_allclose(advantage, brute_force(**case), atol=1e-5)
        np.testing.assert_allclose(target, advantage + case["value"][:-1], atol=1e-6)


def test_a_time_limit_keeps_the_last_value_and_a_fall_does_not():
    case = {
        "reward": np.zeros((1, 2), np.float32),
        "value": np.array([[0, 0], [10, 10]], np.float32),
        "terminated": np.array([[False, True]]),
        "ended": np.array([[True, True]]),
        "valid": np.ones((1, 2), bool),
    }
    advantage, _ = run(**case)
    np.testing.assert_allclose(advantage[0], [9.0, 0.0])


def test_nothing_that_happens_in_a_crashed_step_is_seen_before_it():
    case = random_case(0)
    case["ended"][:] = case["terminated"][:] = False
    case["valid"][:] = True
    case["valid"][10] = False
    case["ended"][10] = True
    poisoned = {**case, "reward": case["reward"].copy(), "value": case["value"].copy()}
    poisoned["reward"][10:] += 100
    poisoned["value"][11:] += 100
    before, after = run(**case)[0], run(**poisoned)[0]
    np.testing.assert_array_equal(before[:10], after[:10])
    assert not np.any(after[10])
