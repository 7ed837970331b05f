"""Laws of a scene with something to push: what is free, where it starts, where it shall go, who may."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scene_bodies import TABLE_M, box, place, static, table, thing
from test_goals import touching
from test_twin_models import model_of

from r2s.artifacts.geometry import Geom
from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX, Scene
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.scene.environment import environment
from r2s.scene.stage import Config, draft_twin, run, with_target
from r2s.scene.target import find_target, push_force_n
from r2s.scene.training_shapes import one_collider
from r2s.scene.upright import UprightBox, outline

FILES = ("scene.xml", "scene_train.xml")


@pytest.fixture(scope="module")
def pushing(tabletop, arm, context) -> Scene:
    config = Config(task="push", object="object_0", goals=60)
    return run({"reconstruction": tabletop, "robot": arm}, config, context)


def free_bodies(model) -> list[str]:
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    return sorted(model.body(int(body)).name for body in model.jnt_bodyid[free])


def goals_in_the_world(scene: Scene) -> np.ndarray:
    turn = quat_to_matrix(scene.info.base_quaternion)
    return scene.goals @ turn.T + np.asarray(scene.info.base_position_m)


def test_the_thing_is_free_in_training_and_the_others_are_held(pushing, built):
    assert pushing.info.thing == "object_0"
    assert free_bodies(model_of(pushing, "scene_train.xml")) == ["object_0"]
    assert free_bodies(model_of(pushing, "scene.xml")) == ["object_0", "object_1"]
    assert built.info.thing == "" and free_bodies(model_of(built, "scene_train.xml")) == []
    assert "thing" not in built.encode().config


def test_a_scene_survives_its_codec(pushing):
    again = Scene.decode(*pushing.encode())
    assert again.info == pushing.info
    np.testing.assert_array_equal(again.spawns, pushing.spawns)


def test_starts_and_goals_lie_on_the_table_off_its_edge_and_off_the_other_thing(pushing):
    goals = goals_in_the_world(pushing)
    assert len(goals) == len(pushing.spawns) == len(pushing.goal_configurations) == 60
    np.testing.assert_allclose(goals[:, 2], TABLE_M + 0.06, atol=2e-3)
    reach = 0.03 * np.sqrt(2)
    for xy in (pushing.spawns[:, :2], goals[:, :2]):
        assert np.all(np.abs(xy) < 0.5 - reach)
        assert np.all(np.linalg.norm(xy - [0.0, 0.2], axis=1) > 0.03 + reach)


def test_a_goal_is_a_push_away_from_its_start(pushing):
    length = np.linalg.norm(goals_in_the_world(pushing)[:, :2] - pushing.spawns[:, :2], axis=1)
    numbers = pushing.info.task.parameters
    assert np.all(length > numbers["least_push_m"] - 1e-4)
    assert np.all(length < numbers["most_push_m"] + 1e-4)
    assert np.all(np.abs(pushing.spawns[:, 2]) <= numbers["start_turn_rad"])


@pytest.mark.parametrize("file", FILES)
def test_the_arm_gets_behind_the_thing_without_touching_anything(pushing, file):
    model = model_of(pushing, file)
    data, name = mujoco.MjData(model), pushing.info.thing
    joints = [model.joint(ROBOT_PREFIX + j).qposadr[0] for j in pushing.info.actions.joints]
    address = model.jnt_qposadr[model.body(name).jntadr[0]]
    goals = goals_in_the_world(pushing)
    rows = zip(pushing.spawns, goals, pushing.goal_configurations, strict=True)
    for (x, y, yaw), goal, configuration in rows:
        mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
        data.qpos[address : address + 2] = x, y
        data.qpos[address + 3 : address + 7] = np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)
        data.qpos[joints] = configuration
        mujoco.mj_forward(model, data)
        assert not touching(model, data)
        tip = data.site(ROBOT_PREFIX + pushing.info.robot.ee_site).xpos
        assert (tip[:2] - [x, y]) @ (goal[:2] - [x, y]) < 0


@pytest.mark.parametrize("file", FILES)
def test_the_sensors_say_where_the_thing_is_for_the_robot(pushing, file):
    model = model_of(pushing, file)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
    mujoco.mj_forward(model, data)
    base = data.body(ROBOT_PREFIX + pushing.info.robot.base_body)
    expected = base.xmat.reshape(3, 3).T @ (data.body("object_0").xpos - base.xpos)
    np.testing.assert_allclose(data.sensor("object_pos").data, expected, atol=1e-9)
    np.testing.assert_allclose(data.sensor("object_up").data, [0, 0, 1], atol=1e-3)


def test_the_pushed_thing_varies_in_mass_and_no_other_does(pushing):
    entry = next(e for e in pushing.info.randomization if e.name == "object_mass")
    assert entry.select == "object_0" and entry.low < 1 < entry.high


def test_many_hulls_train_as_one_upright_box():
    turned = Geom(
        shape="box", size=(0.05, 0.02, 0.03), position=(0.1, 0.2, 0.3),
        quaternion=(np.cos(0.3), 0, 0, np.sin(0.3)),
    )  # fmt: skip
    top = turned.model_copy(update={"position": (0.1, 0.2, 0.34), "size": (0.02, 0.02, 0.01)})
    body = thing("object_0", turned).model_copy(update={"geoms": (turned, top)})
    env = environment(place(table(), body))
    (found,) = one_collider(env.thing("object_0"), env.hulls).geoms
    np.testing.assert_allclose(found.position, (0.1, 0.2, 0.31), atol=1e-9)
    np.testing.assert_allclose(sorted(found.size), (0.02, 0.04, 0.05), atol=2e-3)
    ball = environment(
        place(thing("object_0", Geom(shape="sphere", size=(0.05, 0, 0), position=(0, 0, 0))))
    )
    (same,) = one_collider(ball.thing("object_0"), ball.hulls).geoms
    assert same.shape == "sphere"


@pytest.mark.parametrize("shape", ["sphere", "capsule", "cylinder"])
def test_an_outline_is_as_wide_as_the_round_thing(shape):
    geom = Geom(shape=shape, size=(0.05, 0.1, 0.0), position=(1.0, 2.0, 3.0))
    env = environment(place(thing("object_0", geom)))
    half = UprightBox.around(outline(env.thing("object_0"), env.hulls)).half
    tall = {"sphere": 0.05, "capsule": 0.15, "cylinder": 0.1}[shape]
    np.testing.assert_allclose(half, (0.05, 0.05, tall), rtol=0.02)


def target(bodies, arm, wanted="", base=()):
    return find_target(environment(place(*bodies)), arm.info, wanted, base)


def test_the_most_stable_of_what_can_be_pushed_is_chosen(arm):
    tall = thing("object_0", box(0.2, 0.0, half=(0.02, 0.02, 0.1)), kg=0.1)
    flat = thing("object_1", box(-0.2, 0.0, half=(0.05, 0.05, 0.02)), kg=0.1)
    found = target((table(), tall, flat), arm)
    assert found.thing.name == "object_1" and found.surface and found.surface.name == "table_0"
    assert found.stability == pytest.approx(0.05 / 0.02 / 0.6, rel=1e-3)
    assert target((table(), tall, flat), arm, "object_0").thing.name == "object_0"


def test_an_unknown_name_lists_what_there_is(arm):
    with pytest.raises(R2SError, match="no movable thing called 'cup'") as error:
        target((table(), thing("object_0", box(0.2, 0.0))), arm, "cup")
    assert error.value.code == "R2S-SCENE-040" and "object_0 (0.06 x 0.06" in error.value.where


@pytest.mark.parametrize(
    ("geom", "kg", "base", "why"),
    [
        (box(0.2, 0.0), 500.0, (), "N at full stretch"),
        (box(0.2, 0.0, half=(0.3, 0.3, 0.05)), 0.1, (), "too wide for a reach"),
        (box(0.2, 0.0, above=0.3), 0.1, (), "does not stand on a level support"),
        (box(0.2, 0.0), 0.1, (9.0, 0.0), "8.80 m from the robot"),
    ],
)
def test_a_thing_that_cannot_be_pushed_says_why(arm, geom, kg, base, why):
    with pytest.raises(R2SError, match="cannot push any thing") as error:
        target((table(), thing("object_0", geom, kg=kg)), arm, base=base)
    assert error.value.code == "R2S-SCENE-041" and why in error.value.where


def test_a_place_without_things_says_so(arm):
    with pytest.raises(R2SError) as error:
        target((table(),), arm)
    assert error.value.where == "the place has no movable thing"
    assert 0 < push_force_n(arm.info) < 1e4


def test_a_thing_that_does_not_stay_is_told_with_its_reason(arm, context):
    shelf = static(
        "shelf",
        "wall",
        Geom(shape="box", size=(0.05, 0.05, 0.02), position=(0.22, 0, TABLE_M + 0.1)),
    )
    low = thing("object_0", box(0.2, 0.0), kg=0.1)
    with pytest.raises(R2SError, match="object_0 cannot be moved") as error:
        run(
            {"reconstruction": place(table(), shelf, low), "robot": arm},
            Config(task="push"),
            context,
        )
    assert error.value.code == "R2S-SCENE-042" and "object_0" in error.value.where


def test_a_thing_without_room_is_told(arm, context):
    small = static(
        "table_0",
        "support",
        Geom(shape="box", size=(0.05, 0.05, 0.02), position=(0.3, 0, TABLE_M - 0.02)),
    )
    floor = static(
        "floor",
        "floor",
        Geom(shape="box", size=(0.2, 0.2, 0.02), position=(-0.1, 0, TABLE_M - 0.32)),
    )
    bodies = (floor, small, thing("object_0", box(0.3, 0.0), kg=0.1))
    with pytest.raises(R2SError, match="pushes looked at") as error:
        run(
            {"reconstruction": place(*bodies), "robot": arm}, Config(task="push", goals=50), context
        )
    assert error.value.code == "R2S-SCENE-043" and "0.00 m2" in error.value.where


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (Config(task="reach", object="object_0"), "reach moves nothing"),
        (Config(task="push", objects="fixed"), "nothing to move"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(tabletop, arm, config, why):
    with pytest.raises(R2SError, match=why):
        with_target(draft_twin(tabletop, arm, config.task, config), config.task, config)
