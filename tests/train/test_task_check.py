"""What a check says of a task: named findings for what is wrong, numbers for what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arm_scene import RANDOMIZATION, small_environment
from own_tasks import changed, scene_with

from r2s.artifacts.policy import NetworkSpec
from r2s.sim.environment import Environment
from r2s.sim.model import load_model
from r2s.sim.protocol import Trajectories
from r2s.train.rollouts import blame, ends_of, joined, terms_of
from r2s.train.task_check import check_task, search_success
from r2s.train.task_findings import unseen

SHORT = {"episode_s": 0.4}
T, N = 4, 3


def trajectories(**given) -> Trajectories:
    """Return T steps of N copies in which nothing happens, but what is given."""
    flags = ("terminated", "ended", "crashed", "counted", "success")
    fields = {name: np.zeros((T, N)) for name in Trajectories._fields}
    fields |= {name: np.zeros((T, N), bool) for name in flags}
    fields |= {"valid": np.ones((T, N), bool), "observation": np.zeros((T + 1, N, 2))}
    return Trajectories(**{**fields, **given})


def test_terms_are_counted_without_weights_and_shared_with_them():
    values = np.zeros((T, N, 2))
    values[..., 0], values[..., 1] = 0.5, np.arange(T)[:, None]
    values[1, 2, 0] = np.nan
    valid = np.ones((T, N), bool)
    valid[3] = False
    a, b = terms_of(trajectories(terms=values, valid=valid), {"b": -2.0, "a": 4.0}, 0.5)
    assert (a.name, a.low, a.mean, a.high, a.not_finite, a.constant) == ("a", 1, 1, 1, 1, True)
    assert (b.low, b.mean, b.high, b.largest, b.not_finite) == (0, 2, 4, 8, 0)
    assert (a.share, b.share) == (32 / 68, 36 / 68)


def test_an_episode_that_ends_at_its_first_step_is_counted_apart():
    ended = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    valid = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1]], bool)
    seen = trajectories(ended=ended, terminated=ended, counted=ended, valid=valid)
    ends = ends_of(seen)
    assert (ends.whole, ends.terminated, ends.at_once) == (4, 4, 2)


def test_the_randomized_number_that_differs_is_named():
    random = np.random.default_rng(0)
    sample = random.random((200, 8, 3))
    bad = sample[..., 1] > 0.9
    seen = trajectories(sample=sample, valid=np.ones(bad.shape, bool))
    cause = blame(seen, bad, ("friction[0]", "gain[0]", "mass[0]"))
    assert cause is not None and cause.column == "gain[0]"
    assert cause.there > 0.9 and abs(cause.overall - 0.5) < 0.05
    assert (
        blame(seen, random.random(bad.shape) > 0.5, ("friction[0]", "gain[0]", "mass[0]")) is None
    )


def test_collections_that_follow_each_other_are_one():
    first, second = (trajectories(observation=np.full((T + 1, N, 2), k)) for k in (0, 1))
    both = joined([first, second])
    assert both.reward.shape == (2 * T, N) and both.observation.shape == (2 * T + 1, N, 2)


@pytest.fixture(scope="module")
def wrong():
    """A task with a root that has no answer where joints lag, as soft ones do, and more that is wrong."""
    lag = 'jnp.max(jnp.abs(moment.signals["joint_target"] - moment.signals["joint_pos"]))'
    task = changed(
        ("1.0 - jnp.tanh(task.error(moment) / 0.15)", f"jnp.sqrt(0.2 - {lag})"),
        ('"joint_speed": -0.01', '"joint_speed": -1e6'),
        ('moment.state["touched"] / POINTS', 'moment.state["touched"] * 0.0'),
        ("goals = np.asarray(scene.goals)", "goals = np.random.permutation(scene.goals)"),
        ("never = jnp.zeros((), bool)", 'never = moment.state["line"][0, 0] > 0.0'),
    )
    gain = [replace_range(entry, 0.1, 2.0) for entry in RANDOMIZATION if entry.name == "gain"]
    scene = scene_with(task, episode_s=0.8)
    info = scene.info.model_copy(update={"randomization": tuple(gain)})
    return check_task(replace(scene, info=info), copies=48)


def replace_range(entry, low: float, high: float):
    return entry.model_copy(update={"low": low, "high": high})


def test_a_reward_that_is_no_number_under_some_randomization_is_caught_and_named(wrong):
    finding = wrong.findings[0]
    assert finding.code == "R2S-TASK-031"
    assert "reward term approach of task Wipe is not a finite number" in finding.what
    assert "there gain[0] is 0." in finding.where and " of 48 copies" in finding.where
    assert not finding.where.startswith("48 of")
    bad = {term.name: term.not_finite for term in wrong.terms}
    assert bad["approach"] > 0 and bad["joint_speed"] == bad["progress"] == 0


def test_an_unbounded_term_and_one_that_is_always_0_are_named(wrong):
    (large,) = (each for each in wrong.findings if each.code == "R2S-TASK-032")
    assert "joint_speed" in large.what and "weight -1e+06" in large.where
    assert "always 0 in every rollout: progress" in wrong.warnings


def test_a_task_that_binds_otherwise_each_time_is_told(wrong):
    (found,) = (each for each in wrong.findings if each.code == "R2S-TASK-035")
    assert "`bind` makes another lines, rate each time" in found.what
    assert wrong.search is None  # no training on what is not sound


def test_episodes_that_end_at_their_first_step_are_told(wrong):
    (found,) = (each for each in wrong.findings if each.code == "R2S-TASK-034")
    assert f"ends {wrong.random.at_once} of {wrong.random.whole} episodes" in found.what
    assert wrong.random.whole > wrong.random.at_once > 0


def test_what_the_policy_cannot_observe_is_named_by_signal():
    environment = small_environment()
    observation = np.zeros((T + 1, N, environment.critic_width))
    assert unseen("Wipe", trajectories(observation=observation), environment) == []
    observation[2, 1, 10], observation[3, 0, -1] = np.nan, np.inf
    (finding,) = unseen("Wipe", trajectories(observation=observation), environment)
    assert finding.code == "R2S-TASK-036" and "goal_pos, ee_pos" in finding.what


def test_a_sound_task_is_sound_and_one_that_succeeds_by_itself_is_told():
    report = check_task(scene_with(changed(), tolerance_m=2.0, **SHORT), copies=16)
    assert not report.findings and report.search is None
    assert report.idle.successes == report.idle.whole == 16
    assert "a robot that does nothing succeeds in 16 of 16 episodes" in report.warnings
    assert sum(term.share for term in report.terms) == pytest.approx(1)
    assert report.observation == 3 + 3 + 3 + 3 + 3 and report.critic == report.observation + 3


def test_a_success_that_never_comes_is_told_after_a_training_that_looked_for_it():
    task = changed(("never, touched == POINTS)", "never, touched > POINTS)"))
    report = check_task(scene_with(task, **SHORT), copies=8, seconds=1)
    (finding,) = report.findings
    assert (
        finding.code == "R2S-TASK-033" and "no episode of task Wipe was a success" in finding.what
    )
    assert report.search is not None and report.search.success_rate == 0
    assert f"{report.search.env_steps:,} control steps of training" in finding.where


@pytest.mark.campaign
def test_a_success_is_found_by_training():
    scene = scene_with(changed(), tolerance_m=0.1, **SHORT)
    network = NetworkSpec(actor=(16,), critic=(16,))
    environment = Environment.build(scene, load_model(scene), network, 5.0)
    search = search_success(environment, copies=16, seconds=60, seed=0)
    assert search.success_rate > 0 and search.env_steps >= 10 * 16 * 32


@pytest.mark.campaign
def test_an_observation_that_is_not_finite_is_told():
    task = changed(('state["line"][jnp.minimum(', 'jnp.nan * state["line"][jnp.minimum('))
    report = check_task(scene_with(task, **SHORT), copies=8)
    assert report.findings[0].code == "R2S-TASK-036"
    assert "goal_pos, ee_to_goal" in report.findings[0].what
