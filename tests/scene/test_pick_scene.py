"""Laws of a scene with something to pick up, and of the task on it: a scripted lift is a success."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from first_guess import succeeds
from scene_bodies import TABLE_M, box, place, static, table, thing
from test_twin_models import model_of

from r2s.artifacts.geometry import Geom
from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP
from r2s.artifacts.scene import ROBOT_PREFIX, Scene
from r2s.core.coupled import brought
from r2s.core.errors import R2SError
from r2s.scene.gripper import find_grip
from r2s.scene.signals import action_joints, relative_actions
from r2s.scene.stage import GRIP_TIMESTEP_S, Config, run
from r2s.sim.episode import arena, start
from r2s.sim.model import layout
from r2s.sim.truth import sensors_of, true_moment
from r2s.tasks.pick import TERMS, Pick
from r2s.tasks.specs import task_kind
from r2s.tasks.task import bind

FILES = ("scene.xml", "scene_train.xml")
SMALL_M, OPENING_M = 0.02, 0.07  # half side of the cube; how far the fingers of samples/arm6 part
LIFT_M = 0.08


@pytest.fixture(scope="module")
def cubes():
    """A cube that a hand holds, a wider one, and one too heavy."""
    floor = static("floor", "floor", Geom(shape="plane", size=(2, 2, 0), position=(0, 0, 0)))
    half = (SMALL_M,) * 3
    return place(
        floor, table(),
        thing("object_0", box(0.2, 0.0, half), kg=0.05, parent="table_0"),
        thing("object_1", box(-0.2, 0.3, (0.034, 0.034, 0.02)), kg=0.05, parent="table_0"),
        thing("object_2", box(0.2, 0.3, half), kg=3.0, parent="table_0"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def picking(cubes, arm, context) -> Scene:
    config = Config(task="pick", goals=60, parameters={"lift_m": LIFT_M})
    return run({"reconstruction": cubes, "robot": arm}, config, context)


@pytest.fixture(scope="module")
def pick(picking) -> Pick:
    task = bind(picking)
    assert isinstance(task, Pick)
    return task


def lifted(scene: Scene, file: str, row: int, seconds: float = 2.0):
    """Close the gripper where the scene says, and move half of the way home; return model and data."""
    model, info = model_of(scene, file), scene.info
    data, where = mujoco.MjData(model), layout(model, scene)
    joints = np.asarray(scene.goal_configurations[row], float)
    home = np.array([where.home_qpos[i] for i in where.qpos_index])
    fingers = [info.actions.joints.index(name) for name in info.robot.gripper]
    home[fingers] = joints[fingers]
    mujoco.mj_resetDataKeyframe(model, data, 0)
    data.qpos[where.qpos_index] = joints
    brought(data.qpos, where.coupled)
    x, y, yaw = scene.spawns[row]
    data.qpos[where.thing_qpos : where.thing_qpos + 2] = x, y
    data.qpos[where.thing_qpos + 3 : where.thing_qpos + 7] = np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)
    for share in np.concatenate([np.zeros(20), np.linspace(0, 1, 40)]):
        target = joints + 0.5 * share * (home - joints)
        target[fingers] = 0.0
        data.ctrl[where.ctrl_index] = target
        mujoco.mj_step(model, data, nstep=round(seconds / 60 / model.opt.timestep))
    return model, data


def test_how_far_the_fingers_part_and_along_what(arm):
    grip = find_grip(arm)
    assert grip is not None
    assert grip.opening_m == pytest.approx(OPENING_M, abs=1e-3)
    np.testing.assert_allclose(np.abs(grip.axis), [0, 1, 0], atol=1e-6)
    assert grip.opened == {"gripper": pytest.approx(0.035)}
    assert grip.joints == ("gripper", "gripper_right")


def test_a_hand_without_fingers_holds_nothing(arm):
    assert find_grip(replace(arm, info=arm.info.model_copy(update={"gripper": ()}))) is None


def test_the_thing_that_fits_is_chosen_and_it_alone_is_free(picking):
    assert picking.info.thing == "object_0"
    model = model_of(picking, "scene_train.xml")
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    assert [model.body(int(b)).name for b in model.jnt_bodyid[free]] == ["object_0"]


def test_the_gripper_acts_and_its_fingers_are_exact_in_training_too(picking):
    assert "gripper" in picking.info.actions.joints
    assert "gripper_right" not in picking.info.actions.joints
    model = model_of(picking, "scene_train.xml")
    for body in ("finger_left", "finger_right"):
        mine = model.geom_bodyid == model.body(ROBOT_PREFIX + body).id
        assert np.all(model.geom_group[mine] == EXACT_GROUP) and mine.any()
    hand = model.geom_bodyid == model.body(ROBOT_PREFIX + "hand").id
    assert np.all(model.geom_group[hand] == TRAIN_GROUP) and hand.any()


@pytest.mark.parametrize(
    ("name", "words"),
    [("object_1", "the gripper opens 70 mm"), ("object_2", "weighs 29.4 N"), ("object_9", "")],
)
def test_what_cannot_be_held_is_told(cubes, arm, context, name, words):
    with pytest.raises(R2SError) as caught:
        run({"reconstruction": cubes, "robot": arm}, Config(task="pick", object=name), context)
    assert caught.value.code == ("R2S-SCENE-041" if words else "R2S-SCENE-040")
    assert words in caught.value.where


def test_an_arm_without_a_gripper_is_told_what_it_can_do(cubes, arm, context):
    bare = replace(arm, info=arm.info.model_copy(update={"gripper": ()}))
    with pytest.raises(R2SError) as caught:
        run({"reconstruction": cubes, "robot": bare}, Config(task="pick"), context)
    assert caught.value.code == "R2S-SCENE-004" and "no gripper" in str(caught.value)


def test_a_goal_is_a_lift_above_its_start(picking):
    world = picking.info.to_world(picking.goals)
    np.testing.assert_allclose(world[:, :2], picking.spawns[:, :2], atol=2e-6)
    np.testing.assert_allclose(world[:, 2], TABLE_M + SMALL_M + LIFT_M, atol=2e-3)


def test_things_start_near_where_the_scan_has_them_and_the_arm_is_slow_but_not_its_gripper(
    picking, arm
):
    numbers, info = picking.info.task.parameters, picking.info
    away = np.linalg.norm(picking.spawns[:, :2] - [0.2, 0.0], axis=1)
    assert 0.5 * numbers["start_within_m"] < away.max() < 1.3 * numbers["start_within_m"]
    assert info.timestep_s <= GRIP_TIMESTEP_S
    full = relative_actions(action_joints(arm.info, gripper=True), info.control_s)
    pace = dict(zip(info.actions.joints, np.divide(info.actions.scale, full.scale), strict=True))
    assert pace.pop("gripper") == 1.0
    np.testing.assert_allclose(list(pace.values()), task_kind("pick").pace, rtol=1e-4)


def test_an_episode_begins_with_both_fingers_where_one_says(picking, pick):
    there = arena(picking)
    data = start(there, jnp.full(pick.draws.start, 0.9), pick.reset(jnp.zeros(1)))
    left, right = (data.joint(ROBOT_PREFIX + n).qpos[0] for n in ("gripper", "gripper_right"))
    home = there.where.home_qpos[there.model.joint(ROBOT_PREFIX + "gripper_right").qposadr[0]]
    assert left == pytest.approx(right, abs=1e-6) and abs(right - home) > 1e-3


@pytest.mark.parametrize("file", FILES)
def test_the_open_gripper_is_around_the_thing_and_touches_nothing(picking, file):
    model = model_of(picking, file)
    data, where = mujoco.MjData(model), layout(model, picking)
    mine = [model.body(int(b)).name.startswith(ROBOT_PREFIX) for b in model.geom_bodyid]
    for (x, y, yaw), joints in zip(picking.spawns, picking.goal_configurations, strict=True):
        mujoco.mj_resetDataKeyframe(model, data, 0)
        data.qpos[where.qpos_index] = joints
        brought(data.qpos, where.coupled)
        data.qpos[where.thing_qpos : where.thing_qpos + 2] = x, y
        turn = (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
        data.qpos[where.thing_qpos + 3 : where.thing_qpos + 7] = turn
        mujoco.mj_forward(model, data)
        assert not any(mine[a] for pair in data.contact.geom for a in pair)
        tip = data.site(ROBOT_PREFIX + "ee").xpos
        assert np.linalg.norm(tip[:2] - [x, y]) < 2e-3
        fingers = [data.body(ROBOT_PREFIX + f"finger_{side}").xpos for side in ("left", "right")]
        across = (fingers[0] - fingers[1])[:2]
        along = np.array([np.cos(yaw), np.sin(yaw)])
        sides = np.abs([across @ along, across @ [-along[1], along[0]]]) / np.linalg.norm(across)
        assert max(sides) > np.cos(0.03)  # square to a side of the cube


@pytest.mark.parametrize("file", FILES)
def test_a_scripted_lift_holds_the_thing(picking, file):
    """The scene proves more than geometry: close, go up, and the thing comes along."""
    held = 0
    for row in range(0, 60, 12):
        model, data = lifted(picking, file, row)
        address = layout(model, picking).thing_qpos
        held += data.qpos[address + 2] > TABLE_M + SMALL_M + 0.03
    assert held >= 4


def test_a_lift_is_a_success_and_every_term_says_so(picking, pick):
    """Terms at the start, with the gripper around the thing, and with it held at its goal."""
    there = arena(picking)
    memory = pick.reset(jnp.zeros(1))
    data = start(there, jnp.full(pick.draws.start, 0.5), memory)
    action = jnp.zeros(len(picking.info.actions.joints))

    def moment(target, thing_at):
        data.qpos[there.where.thing_qpos : there.where.thing_qpos + 3] = thing_at
        mujoco.mj_forward(there.model, data)
        sensors = sensors_of(there.where, jnp.asarray(data.sensordata))
        return true_moment(pick, sensors, memory, jnp.asarray(target), action, action)

    row = int(memory["row"])
    joints = np.asarray(picking.goal_configurations[row])
    stood = np.append(picking.spawns[row, :2], TABLE_M + SMALL_M)
    data.qpos[there.where.qpos_index] = joints
    brought(data.qpos, there.where.coupled)
    around = pick.advance(moment(joints, stood), jnp.zeros(0))[1].terms
    shut = joints.copy()
    shut[pick.fingers] = pick.closed
    closing = pick.advance(moment(shut, stood), jnp.zeros(0))[1].terms
    assert set(around) == set(TERMS) == set(pick.spec.weights)
    assert around["approach"] > 0.8 and around["grasp"] == 0 and around["progress"] < 0.1
    assert closing["grasp"] > 0.8
    state = memory
    for _ in range(pick.steps("hold_s")):
        now = moment(shut, stood + np.array([0, 0, LIFT_M]))._replace(state=state)
        state, best = pick.advance(now, jnp.zeros(0))
    assert bool(best.success) and not bool(best.terminated)
    for name in ("progress", "precision", "stillness"):
        assert best.terms[name] > 0.9
    tilted = moment(shut, stood + np.array([0, 0, LIFT_M]))
    tilted = tilted._replace(signals={**tilted.signals, "object_up": jnp.array([1.0, 0, 0])})
    assert not bool(pick.advance(tilted, jnp.zeros(0))[1].terminated)  # it turned in the hand
    _, dropped = pick.advance(moment(shut, stood - np.array([0, 0, 0.06])), jnp.zeros(0))
    assert bool(dropped.terminated)


def test_the_first_guess_comes_down_closes_and_lifts(picking):
    assert sum(succeeds(picking, range(6))) >= 4


def test_the_first_guess_opens_far_away_and_holds_on_where_it_holds(picking, pick):
    """Fingers: open on the way, closing around the thing; up once they are told to be half closed."""
    info = picking.info
    thing = np.asarray(picking.goals[0]) - LIFT_M * np.asarray(pick.up)
    joints = np.asarray(picking.goal_configurations[0])
    measured = dict(zip(info.actions.joints, joints, strict=True))
    order = info.signal("joint_pos").elements

    def guess(shut: float, off_m: float = 0.0):
        target = joints.copy()
        target[pick.fingers] = pick.opened + shut * (pick.closed - pick.opened)
        at = jnp.float32([measured[name] for name in order])
        place = thing + np.array([off_m, 0, 0])
        seen = {
            "joint_pos": at,
            "joint_target": target,
            "object_pos": place,
            "ee_to_object": place - pick.tip(at),
            "object_to_goal": LIFT_M * np.asarray(pick.up),
        }
        action = np.asarray(pick.guess({k: jnp.float32(v) for k, v in seen.items()}))
        closing = action[pick.fingers] * np.sign(pick.closed - pick.opened)
        moved = at[jnp.array([order.index(name) for name in info.actions.joints])]
        moved = moved + action * np.float32(info.actions.scale)
        new = jnp.float32([dict(zip(info.actions.joints, moved, strict=True))[n] for n in order])
        return closing, float((pick.tip(new) - pick.tip(at)) @ pick.up)

    assert np.all(guess(0.0)[0] == 1.0) and abs(guess(0.0)[1]) < 2e-3
    assert np.all(guess(0.8)[0] == 1.0) and guess(0.8)[1] > 3e-3
    assert np.all(guess(0.0, off_m=0.1)[0] == -1.0) and guess(0.0, off_m=0.1)[1] > 1e-3
