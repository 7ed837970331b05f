"""The mjx engine: the same physics, the same rules of episodes, one compilation, and it learns."""

import json

import numpy as np
import pytest
from arm_scene import arm_scene, key, some_policy
from memory_checkpoint import context

from r2s.artifacts.policy import NetworkSpec
from r2s.sim.environment import Environment
from r2s.sim.mjx import MjxCollector
from r2s.sim.model import load_model
from r2s.sim.parity import FIFTY_STEP_BOUND, ONE_STEP_BOUND, require_parity
from r2s.train.config import Config, Ppo, resolved
from r2s.train.loop import train

pytestmark = pytest.mark.slow
COPIES, STEPS = 128, 16
NETWORK = NetworkSpec(actor=(32, 32), critic=(32, 32))


@pytest.fixture(scope="module")
def environment():
    scene = arm_scene(
        2, clutter=False, episode_s=1.0, hold_s=0.04, tolerance_m=0.05, hold_speed_rad_s=2.0
    )
    return Environment.build(scene, load_model(scene), NETWORK, 5.0)


def test_engines_agree_within_the_stated_bounds(environment):
    found = require_parity(environment)
    assert found.free.sum() >= 8
    assert found.one_step <= ONE_STEP_BOUND and found.fifty_step <= FIFTY_STEP_BOUND
    assert found.fifty_step_position.max() > 0  # two engines, not one compared with itself


def test_collects_crashes_and_resumes_with_one_compilation(environment):
    policy, collector = some_policy(environment), MjxCollector(environment, COPIES)
    state = collector.initial(key(1), staggered=True)
    seen, state, failures = collector.collect(policy, state, key(2), steps=STEPS, explore=True)
    assert not failures and np.asarray(seen.ended).any()
    settling = ~np.asarray(seen.valid)
    np.testing.assert_array_equal(settling[1:], np.asarray(seen.ended)[:-1])

    qpos = state.physics.qpos.at[1].set(np.nan)
    spoiled = state._replace(physics=state.physics._replace(qpos=qpos))
    broken, after, failures = collector.collect(policy, spoiled, key(3), steps=STEPS, explore=True)
    assert [(f.copy, f.step) for f in failures] == [(1, 0)]
    valid = np.asarray(broken.valid)
    assert not valid[:2, 1].any() and valid[2, 1]
    assert all(np.isfinite(np.asarray(x)).all() for x in (broken.observation, after.physics.qpos))

    stored = collector.restore({k: np.array(v) for k, v in collector.arrays(state).items()})
    again, _, _ = collector.collect(policy, stored, key(4), steps=STEPS, explore=True)
    straight, _, _ = collector.collect(policy, state, key(4), steps=STEPS + 9, explore=True)
    assert len(straight.reward) == STEPS + 9 and len(straight.observation) == STEPS + 10
    np.testing.assert_array_equal(again.observation, straight.observation[: STEPS + 1])
    assert collector._collect._cache_size() == 1


def test_success_rises(environment, tmp_path):
    config = Config(
        copies=COPIES, horizon=STEPS, iterations=60, evaluation_episodes=COPIES, evaluate_every=20,
        target_success=1.01, ppo=Ppo(epochs=6, discount=0.9),
    )  # fmt: skip
    config = resolved(config, "mjx", "reach")
    done = train(environment, lambda n: MjxCollector(environment, n), config, context(tmp_path))
    lines = [json.loads(line) for line in done.log.splitlines()]
    success = [line["evaluation"]["success_rate"] for line in lines if "evaluation" in line]
    assert success[-1] >= 0.5 > 0.3 > lines[0].get("success_rate", 0.0), success
