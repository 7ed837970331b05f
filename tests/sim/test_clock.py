"""A clock among the signals: the simulator counts it, and a task's guess reads it by name."""

import jax
import numpy as np
import pytest
from dog_scene import CONTROL_S, STRIDE_S, dog_scene

from r2s.artifacts.policy import NetworkSpec
from r2s.policy.networks import PolicyState, initial_params
from r2s.policy.normalizer import empty
from r2s.sim.cpu import CpuCollector
from r2s.sim.environment import Environment
from r2s.sim.model import load_model
from r2s.tasks.shapes import given_signals

NETWORK = NetworkSpec(actor=(8,), critic=(8,))
COPIES, STEPS = 4, 40


@pytest.fixture(scope="module")
def environment():
    scene = dog_scene()
    return Environment.build(scene, load_model(scene), NETWORK, 5.0)


@pytest.fixture(scope="module")
def seen(environment):
    widths = environment.observation_width, environment.critic_width, environment.action_width
    params = initial_params(np.random.default_rng(0), NETWORK, *widths, 0.01)
    collector = CpuCollector(environment, COPIES)
    key = np.array([1, 2], np.uint32)
    state = collector.initial(key, staggered=False)
    policy = PolicyState(params, empty(environment.critic_width))
    return collector.collect(policy, state, key, steps=STEPS, explore=False)[0]


def columns(environment, name: str) -> slice:
    names = environment.info.observations
    ends = np.cumsum([environment.info.signal(each).width for each in names])
    last = int(ends[names.index(name)])
    return slice(last - environment.info.signal(name).width, last)


def test_the_clock_begins_with_the_first_action(environment, seen):
    """The first control step of an episode settles: nothing is asked, and no time passes."""
    clock = np.asarray(seen.observation)[1:, :, columns(environment, "gait_phase")]
    assert not np.asarray(seen.ended).any()
    angle = 2 * np.pi * np.arange(STEPS) * CONTROL_S / STRIDE_S
    expected = np.stack([np.sin(angle), np.cos(angle)], axis=-1)[:, None]
    np.testing.assert_allclose(clock, np.broadcast_to(expected, clock.shape), atol=1e-4)


def test_the_guess_of_observations_is_the_tasks_guess_of_their_names(environment, seen):
    rows = np.asarray(seen.observation)[20, :, : environment.observation_width]
    guess = environment.first_guess()
    named = {
        name: rows[:, columns(environment, name)] for name in ("gait_phase", "command_velocity")
    }
    assert guess is not None and np.abs(guess(rows)).max() > 0.05
    np.testing.assert_allclose(guess(rows), jax.vmap(environment.task.guess)(named), atol=1e-6)


def test_a_task_need_not_give_what_is_counted(environment):
    assert given_signals(environment.info) == {"command_velocity": 3}
