"""Robots stand on their feet and wheels, in both sets of colliders, and on nothing else."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from conftest import link
from test_kinds import differential, leg

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, Robot
from r2s.robot.home import lowest_point
from r2s.robot.write import compile_files


def lowest(robot: Robot, group: int, bodies: tuple[str, ...] = ()) -> float:
    """Height of the lowest point of a set of colliders, in the frame of the base at home."""
    model = compile_files(robot.files)
    data = mujoco.MjData(model)
    for joint in robot.info.joints:
        data.joint(joint.name).qpos[0] = joint.home
    mujoco.mj_kinematics(model, data)
    geoms = [g for g in range(model.ngeom) if model.geom_group[g] == group]
    return min(
        lowest_point(model, data, g)
        for g in geoms
        if not bodies or model.body(model.geom_bodyid[g]).name in bodies
    )


@pytest.fixture
def biped(write_urdf, imported) -> Robot:
    torso = link("base", shape='<box size="0.1 0.2 0.2"/>')
    return imported(write_urdf(torso, *leg("left", 0.1), *leg("right", -0.1)), samples=100)


def test_flat_feet_become_two_capsules_on_the_ground(biped):
    model = compile_files(biped.files)
    feet = [g for g in range(model.ngeom) if model.geom_group[g] == TRAIN_GROUP
            and model.body(model.geom_bodyid[g]).name == "left_foot"]  # fmt: skip
    assert (model.geom_type[feet[:2]] == mujoco.mjtGeom.mjGEOM_CAPSULE).all()
    # The box is 20 x 8 cm: capsules along its long edges, half a radius over them.
    radius, half = model.geom_size[feet[0], :2]
    assert 2 * (half + radius) == pytest.approx(0.2 + radius, abs=1e-3)
    apart = np.linalg.norm(model.geom_pos[feet[0]] - model.geom_pos[feet[1]])
    assert apart == pytest.approx(0.08 - radius, abs=1e-3)
    ground = lowest(biped, EXACT_GROUP)
    assert lowest(biped, TRAIN_GROUP) == pytest.approx(ground, abs=1e-3)
    assert biped.info.standing is not None and biped.info.standing.stands, biped.info.standing


def test_wheels_roll_on_balls_of_their_radius(write_urdf, imported):
    robot = imported(write_urdf(*differential()), samples=100)
    assert [robot.info.colliders[n].shape for n in ("left_wheel", "right_wheel")] == ["sphere"] * 2
    assert lowest(robot, TRAIN_GROUP) == pytest.approx(lowest(robot, EXACT_GROUP), abs=2e-3)


@pytest.mark.parametrize(
    "name",
    [
        "bolt_description/robots/bolt.urdf",
        "romeo_description/urdf/romeo_laas_small.urdf",
        pytest.param("tiago_description/robots/tiago.urdf", marks=pytest.mark.campaign),
        pytest.param("g1_description/urdf/g1_29dof_rev_1_0.urdf", marks=pytest.mark.campaign),
    ],
)
def test_no_collider_reaches_below_feet_and_wheels(example_robots, imported, name):
    """Tiago stood on a collider 3 cm below its wheels."""
    (path,) = example_robots.rglob(name.split("/")[-1])
    robot = imported(path)
    ground = lowest(robot, EXACT_GROUP)
    assert abs(lowest(robot, TRAIN_GROUP) - ground) < 1.5e-3
    assert robot.info.base_height_m == pytest.approx(-ground, abs=1.5e-3)
    touching = robot.info.feet or tuple(n for n in robot.info.colliders if "wheel" in n)
    assert abs(lowest(robot, TRAIN_GROUP, touching) - ground) < 1.5e-3


def test_a_body_close_to_the_ground_stays_above_it(write_urdf, imported):
    """A step with its plate 1 cm above the ground: capsules of its size would reach below."""
    low = link("belly", shape='<box size="0.5 0.3 0.02"/>').replace(
        "</link>",
        '<collision><origin xyz="0 0 0.1"/><geometry><box size="0.1 0.3 0.1"/></geometry>'
        "</collision></link>",
    )
    weld = '<joint name="weld" type="fixed"><parent link="base"/><child link="belly"/>'
    weld += '<origin xyz="0 0 -0.08"/></joint>'
    robot = imported(write_urdf(*differential(), low, weld), samples=100)
    assert lowest(robot, TRAIN_GROUP) > lowest(robot, EXACT_GROUP) - 2e-3
    assert lowest(robot, TRAIN_GROUP, ("belly",)) > lowest(robot, EXACT_GROUP) - 1e-3


def test_pairs_are_what_mujoco_tests(biped):
    """Against how many pairs touch when every collider is larger than the robot."""
    for group, name in ((EXACT_GROUP, "exact"), (TRAIN_GROUP, "train")):
        assets = {name: data for name, data in biped.files.items() if name != "robot.xml"}
        spec = mujoco.MjSpec.from_string(biped.files["robot.xml"].decode(), assets=assets)
        for geom in list(spec.geoms):
            if geom.group != group:
                spec.delete(geom)
            else:
                geom.type, geom.size, geom.margin = mujoco.mjtGeom.mjGEOM_SPHERE, [1, 0, 0], 5.0
        model = spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        pairs = {tuple(sorted(contact.geom.tolist())) for contact in data.contact}
        assert len(pairs) == biped.info.contact_pairs[name]
