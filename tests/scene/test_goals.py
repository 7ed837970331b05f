"""Laws of goals: each is proved by a configuration that reaches it and touches nothing."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scene_bodies import TABLE_M, place, table
from test_twin_models import model_of

from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX
from r2s.core.errors import R2SError
from r2s.scene.goals import spread
from r2s.scene.stage import Config, draft_twin, run


def poses(scene, file):
    """Yield (data, goal) with the robot in each goal's configuration."""
    model = model_of(scene, file)
    data = mujoco.MjData(model)
    joints = [model.joint(ROBOT_PREFIX + name).qposadr[0] for name in scene.info.actions.joints]
    for goal, configuration in zip(scene.goals, scene.goal_configurations, strict=True):
        mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
        data.qpos[joints] = configuration
        mujoco.mj_forward(model, data)
        yield model, data, goal


def touching(model, data) -> list[str]:
    """Return what the robot is inside of."""
    found = []
    for contact in data.contact:
        names = [model.body(int(model.geom_bodyid[g])).name for g in contact.geom]
        if contact.dist < 0 and any(name.startswith(ROBOT_PREFIX) for name in names):
            found.append(" - ".join(names))
    return found


@pytest.mark.parametrize("file", ["scene.xml", "scene_train.xml"])
def test_every_goal_is_reached_by_its_configuration_in_free_air(built, file):
    assert len(built.goals) == 80
    for model, data, goal in poses(built, file):
        np.testing.assert_allclose(data.sensor("ee_pos").data, goal, atol=2e-6)
        assert not touching(model, data)


def test_goals_are_in_the_base_frame_above_the_table(built):
    for _model, data, _goal in poses(built, "scene.xml"):
        site = data.site(ROBOT_PREFIX + built.info.robot.ee_site).xpos
        assert site[2] > 0.015
        assert np.all(np.abs(site[:2]) < 2.1)


def test_configurations_keep_a_twentieth_of_the_range_off_the_stops(built):
    low, high = np.array(built.info.actions.low), np.array(built.info.actions.high)
    margin = 0.05 * (high - low) - 1e-5
    assert np.all(built.goal_configurations >= low + margin)
    assert np.all(built.goal_configurations <= high - margin)


def test_the_chain_agrees_with_the_sensor(built):
    """What the robot will compute is what the simulator measures."""
    from r2s.tasks.kinematics import chain_position

    tip = chain_position(built.info.chain, built.info.signal("joint_pos").elements)
    for goal, configuration in list(zip(built.goals, built.goal_configurations, strict=True))[:10]:
        np.testing.assert_allclose(np.asarray(tip(configuration)), goal, atol=1e-5)


def test_spread_is_better_than_chance():
    points = np.random.default_rng(0).random((500, 3))

    def closest(chosen):
        gap = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
        return gap[~np.eye(len(chosen), dtype=bool)].min()

    assert closest(points[spread(points, 30)]) > 2 * closest(points[:30])
    assert len(set(spread(points, 30))) == 30


def test_spread_keeps_all_when_there_are_few():
    np.testing.assert_array_equal(spread(np.zeros((4, 3)), 10), np.arange(4))


def test_a_robot_under_a_low_ceiling_is_told_what_to_do(arm, context):
    from r2s.artifacts.geometry import Geom

    from scene_bodies import static  # isort: skip

    walls = [
        static(f"wall_{i}", "wall", Geom(shape="box", size=s, position=p))
        for i, (s, p) in enumerate(
            [
                ((0.01, 0.3, 0.3), (x, 0.0, TABLE_M + 0.3)) for x in (-0.13, 0.13)
            ] + [((0.3, 0.01, 0.3), (0.0, y, TABLE_M + 0.3)) for y in (-0.13, 0.13)]
        )
    ]  # fmt: skip
    with pytest.raises(R2SError) as error:
        run(
            {"reconstruction": place(table(), *walls), "robot": arm},
            Config(goals=50, place=(0.0, 0.0, TABLE_M + 0.001, 0.0)),
            context,
        )
    assert error.value.code in ("R2S-SCENE-002", "R2S-SCENE-003")
    assert error.value.remedy


def test_greed_reaches_what_is_ahead_and_gets_stuck_at_a_joints_stop(tabletop, arm):
    twin = draft_twin(tabletop, arm, "reach", Config())
    probe, site = twin.probe(exact=False), arm.info.ee_site
    actions = twin.vocabulary.actions
    low, high = np.array(actions.low), np.array(actions.high)
    home = np.array([twin.stance.qpos[name] for name in actions.joints])
    near = np.clip(home + 0.2, low, high)
    probe.pose(near)
    target = probe.site(site)
    found = probe.descend(site, target, home, low, high)
    probe.pose(found)
    np.testing.assert_allclose(probe.site(site), target, atol=1e-3)
    assert np.all(found >= low) and np.all(found <= high)
    held = np.maximum(low, home - 0.01), np.minimum(high, home + 0.01)
    assert probe.descend(site, target, home, *held) is None
