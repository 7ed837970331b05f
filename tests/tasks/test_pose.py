"""Pose: goals are poses that a configuration reaches; success needs place, turn and stillness together."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_scene import HOME, arm_chain, arm_scene
from scipy.spatial.transform import Rotation

from r2s.core.errors import R2SError
from r2s.edge import kinematics as edge
from r2s.tasks.kinematics import chain_axes, length, quat_axes, turn_to
from r2s.tasks.specs import POSE
from r2s.tasks.task import Moment, bind

JOINTS = 6


@pytest.fixture(scope="module")
def scene():
    """An arm with one known configuration for each goal."""
    made = arm_scene(JOINTS)
    known = np.random.default_rng(3).uniform(-1, 1, (len(made.goals), JOINTS)).astype(np.float32)
    spec = POSE.model_copy(update={"parameters": {**POSE.parameters, "hold_s": 0.08}})
    return replace(
        made, info=made.info.model_copy(update={"task": spec}), goal_configurations=known
    )


@pytest.fixture(scope="module")
def task(scene):
    return bind(scene)


def moment(task, joints, state, speed=0.0):
    signals = {"joint_pos": jnp.float32(joints), "joint_vel": jnp.full(JOINTS, speed)}
    return Moment(signals, jnp.zeros(JOINTS), jnp.zeros(JOINTS), state)


def state_at(task, joints, turned_rad=0.0):
    """A goal where the arm is, but for a turn about the world's z."""
    frame = np.asarray(task.axes(jnp.float32(joints))).T
    turn = Rotation.from_euler("z", turned_rad) * Rotation.from_matrix(frame)
    quat = jnp.float32(turn.as_quat(scalar_first=True))
    return {"goal": task.reach.tip(jnp.float32(joints)), "turn": quat, "held": jnp.zeros((), int)}


def test_the_turn_of_edge_and_tasks_is_one():
    random = np.random.default_rng(0)
    for _ in range(50):
        frame = Rotation.random(random_state=random).as_matrix()
        quat = random.normal(size=4)
        told = edge.turn_to(frame, quat)
        np.testing.assert_allclose(
            turn_to(jnp.float32(frame.T), jnp.float32(quat)), told, atol=2e-6
        )
        wanted = Rotation.from_quat(quat, scalar_first=True)
        left = (wanted * Rotation.from_matrix(frame).inv()).as_rotvec()
        angle = np.linalg.norm(left)
        np.testing.assert_allclose(told[:3], left / angle * np.sin(angle), atol=1e-9)
        assert told[3] == pytest.approx(np.cos(angle))


def test_the_tips_axes_are_the_runtimes():
    random, joints = np.random.default_rng(1), [f"j{i}" for i in range(JOINTS)]
    chain = arm_chain(JOINTS)
    runtime = edge.ForwardKinematics(chain.model_dump(mode="json"))
    for q in random.uniform(-1.8, 1.8, (30, JOINTS)):
        axes = chain_axes(chain, joints)(jnp.float32(q))
        np.testing.assert_allclose(axes, runtime.tip_pose(q)[:3, :3].T, atol=2e-6)


def test_a_goal_is_turned_as_its_configuration_is(task, scene):
    for row in (0, 7, len(scene.goals) - 1):
        axes = task.axes(jnp.asarray(scene.goal_configurations[row]))
        np.testing.assert_allclose(quat_axes(jnp.asarray(task.turns[row])), axes, atol=2e-6)
    state = task.reset(jnp.array([0.5]))
    row = int(np.flatnonzero((scene.goals == np.asarray(state["goal"])).all(axis=1))[0])
    np.testing.assert_array_equal(state["turn"], task.turns[row])


@pytest.mark.parametrize(
    ("turned_rad", "speed", "success"), [(0.0, 0.0, True), (0.3, 0.0, False), (0.0, 0.6, False)]
)
def test_success_needs_place_turn_and_stillness(task, turned_rad, speed, success):
    joints = np.linspace(-0.5, 0.5, JOINTS)
    state = state_at(task, joints, turned_rad)
    for _ in range(3):
        state, judged = task.advance(moment(task, joints, state, speed), jnp.zeros(0))
    assert bool(judged.success) is success


def test_terms_prefer_the_nearer_turn(task):
    joints, values = np.linspace(-0.5, 0.5, JOINTS), []
    for turned in (0.0, 0.1, 0.5, 1.5, 3.0):
        terms = task.advance(moment(task, joints, state_at(task, joints, turned)), jnp.zeros(0))[
            1
        ].terms
        assert set(terms) == set(task.spec.weights)
        values.append(float(terms["facing"] + terms["precision"] + terms["stillness"]))
    assert values == sorted(values, reverse=True) and values[0] == pytest.approx(3.0, abs=1e-3)


def test_goals_without_configurations_are_refused(scene):
    with pytest.raises(R2SError, match="0 configurations") as caught:
        bind(replace(scene, goal_configurations=scene.goal_configurations[:0]))
    assert caught.value.code == "R2S-TASK-005"


def test_the_first_guess_arrives_turned_as_the_goal_says():
    """Without dynamics, from home to the poses of known configurations."""
    made = arm_scene(JOINTS, clutter=False)
    task = bind(replace(made, info=made.info.model_copy(update={"task": POSE})))
    scale = jnp.float32(made.info.actions.scale)

    def ends(quat, goal):
        def step(joints, _):
            seen = {"joint_pos": joints, "goal_quat": quat, "goal_pos": goal}
            seen["ee_to_goal"] = goal - task.reach.tip(joints)
            return joints + scale * task.guess(seen), None

        joints = jax.lax.scan(step, jnp.float32(HOME), None, length=task.episode_steps)[0]
        turn = turn_to(task.axes(joints), quat)
        return length(goal - task.reach.tip(joints)), jnp.arctan2(length(turn[:3]), turn[3])

    rows = slice(0, 60)
    away, turned = jax.jit(jax.vmap(ends))(task.turns[rows], task.reach.goals[rows])
    there = (away < task.number("tolerance_m")) & (turned < task.number("tolerance_rad"))
    assert there.mean() > 0.7
