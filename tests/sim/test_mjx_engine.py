"""The mjx engine: the same physics, the same episodes rules, one compilation."""

import numpy as np
import pytest
from arm_scene import arm_scene, key, some_policy

from r2s.artifacts.policy import NetworkSpec
from r2s.sim.environment import Environment
from r2s.sim.mjx import MjxCollector
from r2s.sim.model import load_model
from r2s.sim.parity import FIFTY_STEP_BOUND, ONE_STEP_BOUND, require_parity

pytestmark = pytest.mark.slow
COPIES, STEPS = 4, 8


@pytest.fixture(scope="module")
def environment():
    scene = arm_scene(2, clutter=False, episode_s=0.2)
    return Environment.build(scene, load_model(scene), NetworkSpec(actor=(8,), critic=(8,)), 5.0)


def test_engines_agree_within_the_stated_bounds(environment):
    found = require_parity(environment)
    assert found.one_step_velocity <= ONE_STEP_BOUND
    assert found.fifty_step_median <= FIFTY_STEP_BOUND
    assert found.fifty_step_position.max() > 0  # two engines, not one compared with itself


def test_collects_crashes_and_resumes_with_one_compilation(environment):
    policy, collector = some_policy(environment), MjxCollector(environment, COPIES)
    state = collector.initial(key(1), staggered=True)
    seen, state, failures = collector.collect(policy, state, key(2), steps=STEPS, explore=True)
    assert not failures and np.asarray(seen.ended).any()
    settling = ~np.asarray(seen.valid)
    np.testing.assert_array_equal(settling[1:], np.asarray(seen.ended)[:-1])

    spoiled = state._replace(
        physics=state.physics._replace(qpos=state.physics.qpos.at[1].set(np.nan))
    )
    broken, after, failures = collector.collect(policy, spoiled, key(3), steps=STEPS, explore=True)
    assert [(f.copy, f.step) for f in failures] == [(1, 0)]
    assert not np.asarray(broken.valid)[:2, 1].any() and np.asarray(broken.valid)[2, 1]
    assert all(np.isfinite(np.asarray(x)).all() for x in (broken.observation, after.physics.qpos))

    stored = collector.restore({k: np.array(v) for k, v in collector.arrays(state).items()})
    again, _, _ = collector.collect(policy, stored, key(4), steps=STEPS, explore=True)
    straight, _, _ = collector.collect(policy, state, key(4), steps=STEPS, explore=True)
    np.testing.assert_array_equal(again.observation, straight.observation)
    assert collector._collect._cache_size() == 1
