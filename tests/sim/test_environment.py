"""Delays, noise, resets: what the policy sees and what the actuators get."""

import jax
import numpy as np
import pytest
from arm_scene import arm_scene, key, some_policy

from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.randomization import Randomize
from r2s.core.errors import R2SError
from r2s.sim.environment import Chance, Environment
from r2s.sim.model import load_model

N = 4
NETWORK = NetworkSpec(actor=(8,), critic=(8,))


def latency(target, seconds, **more):
    return Randomize(
        name=f"{target}_latency", target=target, field="latency", operation="abs",
        low=seconds, high=seconds, **more,
    )  # fmt: skip


def build(*entries, **signal_changes):
    scene = arm_scene(3, randomization=entries, clutter=False)
    signals = tuple(
        s.model_copy(
            update={"noise_sigma": 0.0, "latency_s": (0.0, 0.0), **signal_changes.get(s.name, {})}
        )
        for s in scene.info.signals
    )
    object.__setattr__(scene, "info", scene.info.model_copy(update={"signals": signals}))
    return Environment.build(scene, load_model(scene), NETWORK, 5.0)


def chance(environment, seed=0):
    numbers = environment.host_chance(key(seed), 1, N)
    return Chance(*(x[0] for x in numbers))


def start(environment):
    return environment.jitted.initial(chance(environment), np.float32(0))[0]


def sensordata(environment, joint_pos):
    """Sensor data in which every joint stands at `joint_pos`."""
    data = np.zeros((N, environment.model.nsensordata))
    data[:, environment.where.sensor_index["joint_pos"]] = joint_pos
    return data


def seen_joint_pos(state):
    return np.asarray(state.observation)[:, 0]


def pass_time(environment, state, joint_pos, seed=0):
    none = np.zeros(N, bool)
    return environment.jitted.outcome(
        state, state, sensordata(environment, joint_pos), none, chance(environment, seed)
    )[0]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, 0.3), (0.04, 0.2), (0.06, 0.15), (0.08, 0.1)]
)
def test_observations_are_late_by_the_sampled_delay(seconds, expected):
    entries = [latency("signal", seconds, select="joint_pos")] if seconds else []
    environment = build(*entries)
    state = start(environment)
    for value in (0.1, 0.1, 0.1, 0.2, 0.3):
        state = pass_time(environment, state, value)
    np.testing.assert_allclose(seen_joint_pos(state), expected, atol=1e-6)


@pytest.mark.parametrize(("seconds", "back", "switch"), [(0.015, 0, 3), (0.04, 1, 0), (0.05, 1, 2)])
def test_actuators_follow_targets_late(seconds, back, switch):
    environment = build(latency("action", seconds))
    policy, state = some_policy(environment), start(environment)
    state = state._replace(settling=np.zeros(N, bool))
    targets = [np.asarray(state.target)] * 3
    for step in range(4):
        acting = environment.jitted.act(policy, state, chance(environment, step), np.float32(1))
        state, command, _ = acting
        targets.append(np.asarray(state.target))
    assert np.all(np.diff(targets, axis=0)[2:] != 0)
    where = environment.where.ctrl_index
    np.testing.assert_array_equal(np.asarray(command.late)[:, where], targets[-1 - back])
    assert np.all(np.asarray(command.switch) == switch)
    if switch:
        np.testing.assert_array_equal(np.asarray(command.early)[:, where], targets[-2 - back])


def test_noise_has_the_stated_size_and_bias_is_kept_for_the_episode():
    bias = Randomize(
        name="bias", target="signal", select="joint_pos", field="bias", operation="add",
        low=0.5, high=1.5, per="target",
    )  # fmt: skip
    environment = build(bias, joint_pos={"noise_sigma": 0.1})
    state, values = start(environment), []
    for step in range(400):
        state = pass_time(environment, state._replace(steps=state.steps * 0), 0.0, seed=step)
        values.append(np.asarray(state.observation)[:, :3])
    np.testing.assert_allclose(np.std(values, axis=0), 0.1, rtol=0.2)
    np.testing.assert_allclose(np.mean(values, axis=0), state.draws["bias"], atol=0.03)


def test_a_reset_settles_for_one_step_in_which_nothing_is_learned():
    environment = build()
    state = start(environment)._replace(settling=np.zeros(N, bool))
    state = state._replace(steps=state.steps + environment.task.episode_steps - 1)
    none = np.zeros(N, bool)
    data = sensordata(environment, 0.1)
    state, outcome, reset = environment.jitted.outcome(
        state, state, data, none, chance(environment)
    )
    assert np.all(outcome.ended) and np.all(outcome.counted) and np.all(reset.mask)
    assert not np.any(outcome.terminated)
    # The row after the end still holds what the episode ended with, for the value at the time limit.
    np.testing.assert_allclose(seen_joint_pos(state), 0.1, atol=1e-6)
    acted, _, _ = environment.jitted.act(
        some_policy(environment), state, chance(environment, 1), np.float32(1)
    )
    np.testing.assert_array_equal(acted.target, state.target)
    state, outcome, _ = environment.jitted.outcome(state, acted, data, none, chance(environment, 2))
    assert not np.any(outcome.valid) and not np.any(outcome.reward)
    assert np.all(np.asarray(state.steps) == 0) and not np.any(state.settling)


def test_a_crash_is_no_termination_and_no_reward():
    environment = build()
    state = start(environment)._replace(settling=np.zeros(N, bool))
    data, failed = sensordata(environment, 0.1), np.array([False, True, False, False])
    data[2, 0] = np.nan
    after, outcome, reset = environment.jitted.outcome(
        state, state, data, failed, chance(environment)
    )
    assert np.asarray(outcome.crashed).tolist() == [False, True, True, False]
    assert np.asarray(outcome.ended).tolist() == np.asarray(reset.mask).tolist()
    assert not np.any(np.asarray(outcome.terminated)) and not np.any(np.asarray(outcome.counted))
    assert np.asarray(outcome.reward)[1] == np.asarray(outcome.reward)[2] == 0
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after))


def test_privileged_actor_inputs_are_refused_with_what_could_be_used():
    scene = arm_scene(3)
    wrong = scene.info.model_copy(update={"observations": ("joint_pos", "ee_pos")})
    object.__setattr__(scene, "info", wrong)
    with pytest.raises(R2SError, match="cannot observe ee_pos") as caught:
        Environment.build(scene, load_model(scene), NETWORK, 5.0)
    assert caught.value.code == "R2S-SIM-004" and "joint_vel" in caught.value.remedy


def test_chance_is_the_same_for_the_same_key_and_fills_its_range():
    environment = build()
    a, b = environment.host_chance(key(1), 3, N), environment.host_chance(key(1), 3, N)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert not np.array_equal(a.action, environment.host_chance(key(2), 3, N).action)
    assert a.restart.shape == (3, N, environment.chance_widths.restart)
    assert 0 <= a.restart.min() < a.restart.max() < 1


def test_training_starts_anywhere_reachable_and_a_judge_only_near_home():
    scene = arm_scene(3, randomization=(), clutter=False)
    environment = Environment.build(scene, load_model(scene), NETWORK, 5.0, start_anywhere=0.5)
    many = Chance(*(x[0] for x in environment.host_chance(key(7), 1, 400)))
    known = {tuple(row) for row in scene.goal_configurations}

    def share_elsewhere(staggered):
        state, qpos = environment.jitted.initial(many, np.float32(staggered))
        np.testing.assert_array_equal(state.target, qpos[:, environment.where.qpos_index])
        return np.mean([tuple(row) in known for row in np.asarray(state.target)])

    assert 0.42 < share_elsewhere(1) < 0.58
    assert share_elsewhere(0) == 0
