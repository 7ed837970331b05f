"""Laws of placement: on something level, inside the rim, free at home; or an error that says why."""

from __future__ import annotations

import numpy as np
import pytest
from scene_bodies import TABLE_M, box, place, static, table, thing

from r2s.artifacts.geometry import Geom
from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import quat_to_matrix, yaw_quaternion
from r2s.scene.ability import chosen_task
from r2s.scene.environment import Environment, environment
from r2s.scene.placement import bottom, twin_alone
from r2s.scene.stage import Config, draft_twin, stand_robot, task_spec
from r2s.scene.surfaces import discs, surfaces


def stood(robot, context, reconstruction, **settings):
    config = Config(**settings)
    return stand_robot(draft_twin(reconstruction, robot, "reach", config), "reach", config, context)


def floor():
    return static("floor", "floor", Geom(shape="plane", size=(2, 2, 0), position=(0, 0, 0)))


def test_the_base_stands_on_the_table_with_its_whole_foot(built):
    x, y, _ = built.info.base_position_m
    radius = built.info.robot.base_radius_m
    assert max(abs(x), abs(y)) + radius <= 0.5 + 1e-6


def test_home_touches_nothing_in_either_model(arm, context, tabletop):
    twin = stood(arm, context, tabletop).twin
    for exact in (True, False):
        assert twin.probe(exact=exact).touches() == []


def test_discs_stay_off_things_and_rims():
    found = environment(place(table(), thing("object_0", box(0.0, 0.0))))
    top = surfaces(found)[0]
    spots = np.array(discs(found, top, 0.1))
    assert len(spots) > 20
    assert np.abs(spots[:, :2]).max() <= 0.4 + 1e-6
    # Nearer than the box's half edge, a disc of 0.1 m would overlap it.
    assert np.linalg.norm(spots[:, :2], axis=1).min() > 0.1
    np.testing.assert_allclose(spots[:, 2], TABLE_M, atol=1e-6)


def test_without_a_table_a_stand_is_built_on_the_floor(arm, context):
    standing = stood(arm, context, place(floor(), table(0.03)), stand_height_m=0.5)
    stand = standing.twin.place.thing("stand")
    assert stand.geoms[0].position[2] + stand.geoms[0].size[2] == pytest.approx(0.5, abs=1e-6)
    assert standing.twin.stance.position[2] >= 0.5 - 1e-6


def test_nowhere_to_stand_is_an_error_with_a_remedy(arm, context):
    with pytest.raises(R2SError, match="stands nowhere") as error:
        stood(arm, context, place(table(0.03)))
    assert error.value.code == "R2S-SCENE-001"
    assert "--place" in error.value.remedy


def test_a_given_place_is_taken_as_it_is(arm, context, tabletop):
    twin = stood(arm, context, tabletop, place=(-0.3, -0.3, TABLE_M + 0.05, 0.5)).twin
    assert twin.stance.position == (-0.3, -0.3, TABLE_M + 0.05)
    np.testing.assert_allclose(twin.stance.quaternion, yaw_quaternion(0.5))


def test_a_given_place_inside_something_names_what_is_touched(arm, context, tabletop):
    with pytest.raises(R2SError, match="touches the twin") as error:
        stood(arm, context, tabletop, place=(0.0, 0.0, TABLE_M - 0.1, 0.0))
    assert error.value.code == "R2S-SCENE-002"
    assert "table_0" in error.value.where


def test_a_place_without_a_height_is_on_top_of_what_is_under_it(arm, context, tabletop):
    given = stood(arm, context, tabletop, place=(-0.3, -0.3, 0.5)).twin.stance
    probe = twin_alone(stood(arm, context, tabletop).twin, Environment((), ())).probe(exact=True)
    assert given.position == pytest.approx((-0.3, -0.3, TABLE_M - bottom(probe)), abs=1e-6)
    assert given.quaternion == pytest.approx(yaw_quaternion(0.5))
    level = stood(arm, context, tabletop, place=(-0.3, -0.3)).twin.stance
    assert (level.position, level.quaternion) == (given.position, (1.0, 0.0, 0.0, 0.0))


def test_a_place_beside_everything_is_told(arm, context):
    with pytest.raises(R2SError, match="nothing under") as error:
        stood(arm, context, place(table()), place=(7.0, 0.0))
    assert error.value.code == "R2S-SCENE-009" and "table_0" in error.value.where


def test_a_place_has_two_to_four_numbers(arm, context, tabletop):
    with pytest.raises(UsageError, match="1 numbers"):
        stood(arm, context, tabletop, place=(0.0,))


def test_things_out_of_reach_are_fixed_and_said(arm, context, tabletop):
    far = place(*tabletop.info.bodies, thing("object_9", box(9.0, 0.0)))
    standing = stood(arm, context, far)
    assert "object_9" not in standing.twin.place.movable
    assert any("object_9" in note for note in standing.notes)


def test_a_bolted_arm_cannot_walk(arm):
    with pytest.raises(R2SError, match="bolted down") as error:
        chosen_task("velocity", arm.info)
    assert error.value.code == "R2S-SCENE-004"
    assert "--task reach" in error.value.remedy


def test_a_misspelt_number_of_the_task_is_refused(arm):
    with pytest.raises(UsageError, match="tolerance"):
        task_spec("reach", arm.info, Config(parameters={"tolerance": 0.01}))


@pytest.mark.parametrize(("reach_m", "tolerance_m"), [(0.4, 0.03), (0.75, 0.03), (1.25, 0.05)])
def test_a_longer_arm_may_be_farther_off_unless_the_user_says(arm, reach_m, tolerance_m):
    info = arm.info.model_copy(update={"reach_m": reach_m})
    assert task_spec("reach", info, Config()).parameters["tolerance_m"] == tolerance_m
    given = task_spec("reach", info, Config(parameters={"tolerance_m": 0.01}))
    assert given.parameters["tolerance_m"] == 0.01


def test_yaw_turns_about_the_vertical():
    turned = quat_to_matrix(yaw_quaternion(np.pi / 2)) @ [1.0, 0.0, 0.0]
    np.testing.assert_allclose(turned, [0.0, 1.0, 0.0], atol=1e-12)


def test_an_arm_stands_on_its_feet_with_the_base_orientation_of_its_file(arm, context, tabletop):
    twin = stood(arm, context, tabletop).twin
    tilt = np.array(twin.stance.quaternion)[1:3]
    np.testing.assert_allclose(tilt, 0.0, atol=1e-12)


def test_a_quadruped_stands_on_the_floor_and_settles(shared_data, context):
    from r2s.robot.stage import Config as RobotConfig
    from r2s.robot.stage import run as import_robot
    from r2s.scene.stage import run

    context = type(context)(
        scratch=context.scratch, sources={"robot": shared_data / "robots/unitree_go1/go1.xml"}
    )
    robot = import_robot({}, RobotConfig(), context)
    scene = run({"reconstruction": place(floor(), table()), "robot": robot}, Config(), context)
    assert scene.info.task.name == "velocity"
    assert len(scene.spawns) > 50
    # Under a table of 0.7 m a robot of 0.3 m walks; on its rim it does not stand.
    assert scene.info.settle_speed_m_s < 0.05
    height = scene.info.signal("base_height")
    assert height.kind == "privileged" and height.elements[0] == "z"
