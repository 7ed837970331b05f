"""Navigate, from the rays to the reward: what a base sees, where it goes, and what ends its episode."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from rover_room import HALF_M, PILLAR, drive, place, read, rover, rover_scene, standing

from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.edge import kinematics as edge
from r2s.scene.ability import chosen_task
from r2s.sim.environment import check_observations
from r2s.tasks import kinematics
from r2s.tasks.navigate import Navigate
from r2s.tasks.task import Moment, Start, bind

SPEED = 8.0  # of a wheel [rad/s]


@pytest.fixture(scope="module")
def scene():
    return rover_scene()


@pytest.fixture(scope="module")
def task(scene) -> Navigate:
    bound = bind(scene)
    assert isinstance(bound, Navigate)
    return bound


def yaw_of(data) -> float:
    w, _, _, z = read_quat(data)
    return 2 * float(np.arctan2(z, w))


def read_quat(data):
    return data.body("robot/base").xquat


@pytest.mark.parametrize("file", ["scene_train.xml", "scene.xml"])
def test_rays_tell_the_distance_of_walls_pillars_and_planes(scene, file):
    x, y, yaw = -0.5, 0.1, 0.3
    model, data = standing(scene, x, y, yaw, file)
    drive(model, data, 0, 0, 0.1)
    seen = read(model, data, "laser_ranges")
    bearings = np.radians([float(name) for name in scene.info.signal("laser_ranges").elements])
    assert len(seen) == len(bearings) == 36
    rays = np.stack([np.cos(bearings + yaw), np.sin(bearings + yaw)], axis=1)
    low, high = np.full(2, -HALF_M), np.full(2, HALF_M)
    with np.errstate(divide="ignore"):
        exits = np.where(rays > 0, (high - (x, y)) / rays, (low - (x, y)) / rays).min(axis=1)
        middle, half = np.array(PILLAR[:2]), PILLAR[2]
        sides = np.stack([(middle - half - (x, y)) / rays, (middle + half - (x, y)) / rays])
    enter, leave = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
    expected = np.where((enter > 0) & (enter < leave), enter, exits)
    np.testing.assert_allclose(seen, expected, atol=0.01)
    assert ((enter > 0) & (enter < leave)).any() and (
        seen < exits - 0.1
    ).any()  # the pillar is seen


def test_the_scan_is_of_this_control_period_and_cast_once_in_it(scene):
    model, data = standing(scene, -1.0, 0.0, 0.0)
    ages = []
    for period in range(30):
        drive(model, data, SPEED, SPEED, scene.info.control_s / 2)
        before = read(model, data, "laser_ranges")[18]  # behind: grows as it drives
        drive(model, data, SPEED, SPEED, scene.info.control_s / 2)
        behind = read(model, data, "laser_ranges")[18]
        assert period == 0 or behind > before
        ages.append((data.body("robot/base").xpos[0] + HALF_M - behind) / max(data.qvel[0], 1e-3))
    assert max(ages[5:]) < 0.03  # [s]


def test_nothing_is_far_and_a_driver_may_say_it_in_any_way():
    far = edge.laser_nearness(np.array([edge.LASER_RANGE_M - 1e-9]))
    ways = np.array([-1.0, 0.0, np.inf, np.nan, 7.0, -0.97])
    np.testing.assert_allclose(edge.laser_nearness(ways), np.full(6, far[0]), rtol=1e-6)
    near = edge.laser_nearness(np.array([0.1, 0.5, 2.0]))
    assert np.all(np.diff(near) < 0) and near[1] == 0.5


def test_derived_signals_are_the_same_on_the_robot_and_in_training():
    random = np.random.default_rng(0)
    for _ in range(50):
        position, goal = random.uniform(-5, 5, 3), random.uniform(-5, 5, 2)
        quat = random.normal(size=4) * [1, 0.05, 0.05, 1]
        on_robot = edge.goal_direction(position, quat, goal)
        in_training = kinematics.goal_direction(*map(jnp.float32, (position, quat, goal)))
        np.testing.assert_allclose(in_training, on_robot, atol=2e-5)
    ranges = np.concatenate([random.uniform(-2, 8, 100), [np.inf, np.nan, 0.0, -1.0, 5.0]])
    np.testing.assert_allclose(
        kinematics.laser_nearness(jnp.float32(ranges)), edge.laser_nearness(ranges), rtol=1e-5
    )


def test_a_goal_ahead_is_ahead_and_a_goal_to_the_left_is_left():
    def seen(yaw, goal):
        quat = np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
        return edge.goal_direction(np.array([1.0, 2.0, 0.1]), quat, np.array(goal))

    np.testing.assert_allclose(seen(0.0, (3.0, 2.0)), [2.0 / 2.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(seen(np.pi / 2, (1.0, 2.5)), [0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(seen(np.pi / 2, (0.0, 2.0)), [0.0, 1.0 / 1.5], atol=1e-12)
    np.testing.assert_allclose(seen(0.7, (1.0, 2.0)), [0.0, 0.0], atol=1e-12)


def test_wheel_speeds_drive_ahead_and_turn_the_way_they_should(scene):
    radius, track = 0.035, 0.24
    model, data = standing(scene, -1.0, 0.0, 0.5)
    at = data.qpos[:2].copy()
    drive(model, data, SPEED, SPEED, 1.0)
    moved = data.qpos[:2] - at
    np.testing.assert_allclose(moved / np.linalg.norm(moved), [np.cos(0.5), np.sin(0.5)], atol=0.02)
    assert np.linalg.norm(moved) == pytest.approx(SPEED * radius, rel=0.15)
    model, data = standing(scene, -1.0, 0.0, 0.0)
    drive(model, data, -SPEED / 2, SPEED / 2, 1.0)
    assert yaw_of(data) == pytest.approx(SPEED * radius / track, rel=0.15)  # to the left
    assert np.linalg.norm(data.qpos[:2] - (-1.0, 0.0)) < 0.03


@pytest.mark.parametrize("file", ["scene_train.xml", "scene.xml"])
def test_a_wall_ends_the_episode_and_the_floor_does_not(scene, task, file):
    model, data = standing(scene, 0.0, 1.4, 0.0, file)
    drive(model, data, SPEED, SPEED, 1.0)
    assert read(model, data, "bumps")[0] == 0 and not bool(judged(task, model, data).terminated)
    drive(model, data, SPEED, SPEED, 8.0)
    assert data.qpos[0] == pytest.approx(HALF_M - 0.17, abs=0.02)  # it stands at the wall
    found = judged(task, model, data)
    assert bool(found.terminated) and not bool(found.success)
    assert float(found.terms["collision"]) == 1.0


def judged(task, model, data, held=0, goal=None, distance=1.0):
    here = data.body("robot/base").xpos[:2]
    state = {
        "start": jnp.zeros(3),
        "goal": jnp.float32(here if goal is None else goal),
        "distance": jnp.float32(distance),
        "held": jnp.int32(held),
    }
    names = ("base_pos", "base_quat", "base_lin_vel", "laser_ranges", "bumps")
    signals = {name: jnp.float32(read(model, data, name)) for name in names}
    signals["joint_vel"] = jnp.zeros(2)
    moment = Moment(signals, jnp.zeros(2), jnp.zeros(2), state)
    return task.advance(moment, jnp.zeros(0))[1]


def test_success_is_being_there_slowly_for_a_while(scene, task):
    model, data = standing(scene, -1.0, 0.0, 0.0)
    drive(model, data, 0, 0, 0.3)
    long = task.steps("hold_s")
    assert bool(judged(task, model, data, held=long).success)
    assert not bool(judged(task, model, data, held=0).success)
    assert not bool(judged(task, model, data, held=long, goal=(-0.5, 0.0)).success)
    drive(model, data, SPEED, SPEED, 0.5)
    assert not bool(judged(task, model, data, held=long).success)


def test_progress_is_the_metres_gained(scene, task):
    model, data = standing(scene, -1.0, 0.0, 0.0)
    drive(model, data, 0, 0, 0.1)
    terms = judged(task, model, data, goal=(-0.2, 0.0), distance=0.85).terms
    assert float(terms["progress"]) * task.control_s == pytest.approx(0.05, abs=5e-3)
    assert float(terms["heading"]) == pytest.approx(1.0, abs=1e-2)
    assert float(terms["closeness"]) == 0.0
    model, data = standing(scene, -HALF_M + 0.2, 0.0, 0.0)
    drive(model, data, 0, 0, 0.1)
    assert float(judged(task, model, data).terms["closeness"]) > 0.7


def test_routes_start_and_end_on_free_floor_at_the_distance_that_was_asked(scene, task):
    base = scene.info
    world = scene.goals @ quat_to_matrix(base.base_quaternion).T + base.base_position_m
    np.testing.assert_allclose(world[:, :2], task.goals, atol=1e-5)
    length = np.linalg.norm(task.goals - scene.spawns[:, :2], axis=1)
    assert len(length) == 60
    assert length.min() >= 0.5 - 1e-6 and length.max() <= 4.0 + 1e-6
    for points in (task.goals, scene.spawns[:, :2]):
        assert np.abs(points).max() < HALF_M - 0.17
        off = np.abs(points - np.array(PILLAR[:2])).max(axis=1)
        assert off.min() > PILLAR[2] + 0.17


def test_an_episode_starts_where_its_route_does(task):
    for u in (0.0, 0.31, 0.999):
        state = task.reset(jnp.array([u]))
        home = Start(jnp.zeros(2), jnp.array([0, 0, 0.04, 1, 0, 0, 0.0]))
        begun = task.start(jnp.zeros(0), home, state)
        row = int(u * len(task.starts))
        np.testing.assert_allclose(begun.base[:2], task.starts[row, :2], atol=1e-6)
        np.testing.assert_allclose(task.commands(state)["goal_pos"], task.goals[row], atol=1e-6)
        assert float(begun.base[2]) == pytest.approx(0.04)


def test_the_actor_sees_only_what_a_robot_has(scene):
    check_observations(scene.info)
    kinds = {signal.name: signal.kind for signal in scene.info.signals}
    assert kinds["bumps"] == kinds["base_lin_vel"] == "privileged"
    assert scene.info.actions.mode == "velocity"


def test_bind_refuses_a_scene_without_routes(scene):
    with pytest.raises(R2SError, match="routes: 0") as error:
        bind(replace(scene, goals=np.zeros((0, 3), np.float32)))
    assert error.value.code == "R2S-TASK-050"


def test_a_room_with_nowhere_to_go_is_told(tmp_path):
    from r2s.core.context import StageContext
    from r2s.scene.stage import Config, run

    inputs = {"reconstruction": place(), "robot": rover()}
    with pytest.raises(R2SError, match="routes over the free floor") as error:
        run(inputs, Config(parameters={"nearest_m": 20.0}), StageContext(scratch=tmp_path))
    assert error.value.code == "R2S-SCENE-051"


def test_a_robot_on_wheels_gets_navigate_and_nothing_else():
    info = rover().info
    assert chosen_task("auto", info) == "navigate"
    for other in ("reach", "velocity"):
        with pytest.raises(R2SError, match="--task navigate") as error:
            chosen_task(other, info)
        assert error.value.code == "R2S-SCENE-004"
    steered = info.model_copy(update={"drive": "ackermann"})
    legs = info.model_copy(update={"wheels": ()})
    for robot, said in ((steered, "ackermann drive"), (legs, "no wheels that turn")):
        with pytest.raises(R2SError, match=said):
            chosen_task("navigate", robot)


def test_a_scanner_inside_the_robot_is_refused():
    from r2s.scene.mobile_base import mobile_base

    robot = rover()
    wall = b'<geom type="cylinder" size="0.3 0.3" group="3" mass="0"/>'
    xml = robot.files["robot.xml"].replace(
        b'<body name="front_caster"', wall + b'<body name="front_caster"', 1
    )
    with pytest.raises(R2SError, match="pass the robot itself") as error:
        mobile_base(replace(robot, files={**robot.files, "robot.xml": xml}))
    assert error.value.code == "R2S-SCENE-050"


def test_a_film_shows_the_goal_on_the_floor(scene, task):
    from r2s.report.film import goal_marks

    mark = goal_marks(scene, {"goal_pos": task.goals[0]})
    assert mark is not None
    np.testing.assert_allclose(mark, [[*task.goals[0], 0.0]], atol=0.005)
