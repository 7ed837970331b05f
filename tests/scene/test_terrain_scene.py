"""Robots on open ground: the scene's height field is the reconstruction's, and a quadruped stands on it."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scene_bodies import FRICTION, place

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Body
from r2s.artifacts.scene import HOME_KEYFRAME
from r2s.core.heightfield import grid_heights, grid_mesh, surface_at
from r2s.scene.stage import Config, run

HALF_M, NODES = 4.0, 81


def hilly():
    """Ground that rises and falls by 0.2 m over 3 m, its lowest node at z = -0.1."""
    line = np.linspace(-HALF_M, HALF_M, NODES)
    x, y = np.meshgrid(line, line)
    heights = 0.1 * np.sin(2 * np.pi * x / 6) * np.cos(2 * np.pi * y / 7)
    low = float(heights.min())
    geom = Geom(shape="hfield", size=(HALF_M, HALF_M, 1.0), position=(0, 0, low), hull=0)
    body = Body(
        name="floor",
        role="floor",
        mobility="static",
        geoms=(geom,),
        fit="hfield",
        friction=FRICTION,
    )
    return place(body, hulls=(grid_mesh((heights - low).astype(np.float32), HALF_M, HALF_M),))


@pytest.fixture(scope="module")
def quadruped(shared_data, tmp_path_factory):
    from r2s.core.context import StageContext
    from r2s.robot.stage import Config as RobotConfig
    from r2s.robot.stage import run as import_robot

    path = shared_data / "robots/unitree_go1/go1.xml"
    context = StageContext(scratch=tmp_path_factory.mktemp("go1"), sources={"robot": path})
    robot = import_robot({}, RobotConfig(), context)
    return run({"reconstruction": hilly(), "robot": robot}, Config(), context)


def test_a_quadruped_stands_and_settles_on_hills(quadruped):
    assert quadruped.info.settle_speed_m_s < 0.05
    assert len(quadruped.spawns) > 50


def test_the_folder_opens_in_mujoco_with_the_same_ground(quadruped, tmp_path):
    for name, data in quadruped.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    nodes = hilly().hulls[0][0]
    for file in ("scene.xml", "scene_train.xml"):
        model = mujoco.MjModel.from_xml_path(str(tmp_path / file))
        found = model.hfield_data.reshape(NODES, NODES) * model.hfield_size[0, 2]
        np.testing.assert_allclose(found, grid_heights(nodes), atol=1e-6)


def test_no_start_has_feet_in_the_ground_or_falls_far(quadruped):
    from r2s.sim.model import load_model

    model = load_model(quadruped)
    data = mujoco.MjData(model)
    key = model.key(HOME_KEYFRAME).id
    nodes, low = hilly().hulls[0][0], hilly().info.bodies[0].geoms[0].position[2]
    height = quadruped.info.base_position_m[2] - quadruped.info.robot.base_height_m
    for x, y, yaw in quadruped.spawns[:40].astype(float):
        mujoco.mj_resetDataKeyframe(model, data, key)
        data.qpos[:2], data.qpos[3:7] = (x, y), (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        assert all(contact.dist > -0.005 for contact in data.contact)
        assert height - (surface_at(nodes, np.array([[x, y]]))[0][0] + low) < 0.12


def test_an_arm_gets_a_stand_on_even_enough_ground(arm, context):
    scene = run({"reconstruction": hilly(), "robot": arm}, Config(goals=60), context)
    assert scene.info.settle_speed_m_s < 0.05
    assert len(scene.goals) >= 50


def test_the_ground_is_drawn(quadruped):
    from r2s.report.camera import Camera
    from r2s.report.render import render_scene

    above = Camera((0.0, -0.5, 30.0), (0.0, 0.0, 0.0))
    image = render_scene(quadruped, size=(80, 80), camera=above, fine=False).astype(int)
    corner, middle = image[:6, :6].mean((0, 1)), image[30:50, 30:50].mean((0, 1))
    assert np.abs(corner - middle).max() > 10
