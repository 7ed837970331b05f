"""Reach: its success is an event with a stated meaning, and its terms point the right way."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_scene import arm_scene
from first_guess import succeeds

from r2s.artifacts.scene import TaskSpec
from r2s.core.errors import R2SError
from r2s.tasks.specs import KINDS, default_spec
from r2s.tasks.task import Moment, Start, bind, merged

JOINTS = np.float32([0.3, 0.4, -0.2])


def bound(**parameters):
    scene = arm_scene(3, **parameters)
    return bind(scene)


def play(task, offsets_m, speed=0.0):
    """Hold still with the goal `offset` metres from the tip; return success after every step."""
    state, answers = task.reset(jnp.array([0.5])), []
    advance = jax.jit(task.advance)
    for offset in offsets_m:
        goal = task.tip(JOINTS) + jnp.array([offset, 0, 0])
        signals = {"joint_pos": JOINTS, "joint_vel": jnp.array([speed, 0, 0])}
        moment = Moment(signals, jnp.zeros(3), jnp.zeros(3), {**state, "goal": goal})
        state, judgement = advance(moment, jnp.zeros(0))
        answers.append(bool(judgement.success))
    return answers


def test_success_needs_the_hold_without_a_break():
    task = bound(hold_s=0.12)  # three control steps
    assert play(task, [0.02, 0.02, 0.02, 0.02]) == [False, False, True, True]
    assert play(task, [0.02, 0.02, 0.04, 0.02, 0.02]) == [False] * 5


def test_success_needs_stillness():
    assert not any(play(bound(), [0.0] * 20, speed=0.6))
    assert play(bound(), [0.0] * 20, speed=0.4)[-1]


def test_goals_are_the_scenes_and_each_may_come():
    scene = arm_scene(3)
    task = bind(scene)
    goals = jax.vmap(task.reset)(jnp.linspace(0, 0.99999, 5000)[:, None])["goal"]
    assert {tuple(g) for g in np.asarray(goals)} == {tuple(g) for g in scene.goals}


def test_starts_stay_near_home_and_inside_limits():
    task = bound(start_joint_rad=0.5)
    home = Start(jnp.array([0.0, 1.7, -1.7]), jnp.zeros(7))
    uniform = np.random.default_rng(0).random((500, 3), np.float32)
    joints = np.asarray(jax.vmap(lambda u: task.start(u, home, {}).joints)(uniform))
    assert np.all(np.abs(joints - home.joints) <= 0.5 + 1e-6)
    assert np.all(joints <= 1.8) and np.all(joints >= -1.8) and joints.max() == np.float32(1.8)


def test_terms_prefer_nearer():
    task, values = bound(), []
    for offset in (0.0, 0.02, 0.1, 0.5):
        goal = task.tip(JOINTS) + jnp.array([offset, 0, 0])
        signals = {"joint_pos": JOINTS, "joint_vel": jnp.zeros(3)}
        moment = Moment(signals, jnp.zeros(3), jnp.zeros(3), {"goal": goal, "held": 0})
        terms = task.advance(moment, jnp.zeros(0))[1].terms
        assert set(terms) == set(task.spec.weights)
        values.append(float(terms["approach"] + terms["precision"] + terms["stillness"]))
    assert values == sorted(values, reverse=True) and values[0] == pytest.approx(3.0, abs=1e-3)


def test_unknown_weights_and_tasks_are_refused_with_the_known_ones():
    with pytest.raises(R2SError, match="no weights called aproach") as caught:
        merged(TaskSpec(name="reach", parameters={}, weights={"aproach": 1.0}))
    assert "approach" in caught.value.remedy
    with pytest.raises(R2SError, match="no task called 'fly'") as caught:
        default_spec("fly")
    assert all(name in caught.value.remedy for name in KINDS)


def test_a_scene_without_goals_is_refused():
    scene = arm_scene(3)
    with pytest.raises(R2SError, match="has 0 goals"):
        bind(replace(scene, goals=scene.goals[:0]))


@pytest.mark.parametrize("joints", [3, 4, 6])
def test_the_first_guess_alone_arrives_nearly_everywhere(joints):
    """Straight to the goal with few joints and with more than it takes."""
    assert sum(succeeds(arm_scene(joints, clutter=False), range(12))) >= 11


def test_commands_that_are_not_relative_have_no_first_guess():
    scene = arm_scene(3)
    actions = scene.info.actions.model_copy(update={"mode": "absolute"})
    other = replace(scene, info=scene.info.model_copy(update={"actions": actions}))
    assert bind(scene).guesses and not bind(other).guesses
