"""Laws of the two models: they open in plain MuJoCo, agree on names, and suit every engine."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP
from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX, Scene

FILES = ("scene.xml", "scene_train.xml")


def model_of(scene: Scene, file: str) -> mujoco.MjModel:
    assets = {name: data for name, data in scene.files.items() if not name.endswith(".xml")}
    return mujoco.MjModel.from_xml_string(scene.files[file].decode(), assets)


def names(model, kind: str, count: int) -> list[str]:
    return [getattr(model, kind)(index).name for index in range(count)]


@pytest.fixture(scope="module")
def models(built):
    return {file: model_of(built, file) for file in FILES}


def test_the_folder_opens_in_plain_mujoco(built, tmp_path):
    for name, data in built.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for file in FILES:
        assert mujoco.MjModel.from_xml_path(str(tmp_path / file)).nu == built.info.nu


def test_both_models_have_the_same_bodies_actuators_and_sensors(models):
    view, train = (models[file] for file in FILES)
    for kind, count in (("actuator", "nu"), ("sensor", "nsensor"), ("body", "nbody")):
        assert names(view, kind, getattr(view, count)) == names(train, kind, getattr(train, count))


def test_the_robot_is_the_same_in_both_models_and_things_move_in_scene_xml(built, models):
    view, train = (models[file] for file in FILES)
    robot = [name for name in names(view, "joint", view.njnt) if name.startswith(ROBOT_PREFIX)]
    assert robot == [n for n in names(train, "joint", train.njnt) if n.startswith(ROBOT_PREFIX)]
    for name in robot:
        home = [m.key_qpos[0, m.joint(name).qposadr[0]] for m in (view, train)]
        assert home[0] == home[1]
    free = {name.rsplit("/", 1)[0] for name in names(view, "joint", view.njnt)} - {"robot"}
    assert free == set(built.info.movable) == {"object_0", "object_1"}


def test_every_sensor_of_a_signal_has_its_width(built, models):
    model = models["scene_train.xml"]
    for signal in built.info.signals:
        width = sum(int(model.sensor(name).dim[0]) for name in signal.sensors)
        assert not signal.sensors or width == signal.width
    assert {s.name for s in built.info.signals} >= {*built.info.observations, *built.info.critic}


def test_no_actor_input_is_privileged(built):
    kinds = {name: built.info.signal(name).kind for name in built.info.observations}
    assert "privileged" not in kinds.values()


def test_the_training_model_is_made_of_shapes_every_engine_collides(models):
    from mujoco.mjx._src import collision_driver

    model = models["scene_train.xml"]
    touching = (model.geom_contype | model.geom_conaffinity) != 0
    kinds = {mujoco.mjtGeom(int(t)).name for t in model.geom_type[touching]}
    assert not kinds & {"mjGEOM_CYLINDER", "mjGEOM_ELLIPSOID", "mjGEOM_MESH"}
    for one, other, _ in collision_driver.geom_pairs(model):
        pair = (model.geom_type[one], model.geom_type[other])
        assert collision_driver.has_collision_fn(*pair), pair


def test_each_model_has_one_set_of_robot_colliders(models):
    for file, kept, dropped in (
        ("scene.xml", EXACT_GROUP, TRAIN_GROUP),
        ("scene_train.xml", TRAIN_GROUP, EXACT_GROUP),
    ):
        model = models[file]
        body = [model.body(int(b)).name for b in model.geom_bodyid]
        robot = np.array([name.startswith(ROBOT_PREFIX) for name in body])
        assert (model.geom_group[robot] == kept).any()
        assert not (model.geom_group[robot] == dropped).any()


def test_static_geoms_never_look_for_contacts(models):
    for model in models.values():
        static = model.body_weldid[model.geom_bodyid] == 0
        world = static & (model.geom_bodyid == 0)
        assert world.any()
        assert not model.geom_contype[world].any()


def test_home_is_the_robots_home(built, models):
    model = models["scene.xml"]
    key = model.key(HOME_KEYFRAME).id
    for joint in built.info.robot.joints:
        address = model.joint(ROBOT_PREFIX + joint.name).qposadr[0]
        assert model.key_qpos[key, address] == pytest.approx(joint.home, abs=1e-9)
    for name in built.info.robot.actuators:
        home = next(j.home for j in built.info.robot.joints if j.name == name)
        assert model.key_ctrl[key, model.actuator(ROBOT_PREFIX + name).id] == pytest.approx(home)


def test_masses_and_frictions_are_the_reconstructions(tabletop, models):
    for model in models.values():
        for body in tabletop.info.bodies:
            if body.mobility == "movable":
                assert model.body(body.name).mass[0] == pytest.approx(body.mass_kg.value)
                assert model.geom(f"{body.name}/0").friction[0] == pytest.approx(
                    body.friction.value
                )


def test_the_base_stands_where_the_scene_says(built, models):
    for model in models.values():
        body = model.body(ROBOT_PREFIX + built.info.robot.base_body)
        np.testing.assert_allclose(body.pos, built.info.base_position_m, atol=1e-9)
        np.testing.assert_allclose(body.quat, built.info.base_quaternion, atol=1e-9)


def test_control_steps_are_whole_physics_steps(built, models):
    ratio = built.info.control_s / models["scene_train.xml"].opt.timestep
    assert ratio == pytest.approx(round(ratio), abs=1e-9)


def test_the_scene_stays_where_it_is(built, models):
    for model in models.values():
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
        mujoco.mj_forward(model, data)
        assert min((c.dist for c in data.contact), default=0.0) > -0.005
        start = {name: data.body(name).xpos.copy() for name in built.info.movable}
        for _ in range(round(1.0 / model.opt.timestep)):
            mujoco.mj_step(model, data)
        for name, before in start.items():
            assert np.linalg.norm(data.body(name).xpos - before) < 0.02, name
    assert built.info.settle_speed_m_s < 0.01


def test_equal_inputs_give_equal_bytes(built, tabletop, arm, context):
    from r2s.scene.stage import Config, run

    again = run({"reconstruction": tabletop, "robot": arm}, Config(goals=80), context)
    one, other = built.encode(), again.encode()
    assert one.config == other.config
    assert dict(one.files) == dict(other.files)


def test_a_scene_survives_its_codec(built):
    config, files = built.encode()
    again = Scene.decode(config, files)
    assert again.info == built.info
    np.testing.assert_array_equal(again.goals, built.goals)


def test_measured_speed_is_a_fact_not_a_field(built, context):
    assert context.facts["physics_steps_per_s"] > 100
    assert "physics_steps_per_s" not in built.info.model_dump_json()
