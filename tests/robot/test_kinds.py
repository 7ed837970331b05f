"""What kind of robot it is, from the tree, with the evidence; what follows from it."""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np
import pytest
from conftest import INERTIAL, joint, link
from import_checks import simulate

from r2s.artifacts.robot import TRAIN_GROUP
from r2s.core.errors import R2SError
from r2s.scene.ability import chosen_task

WHEEL = '<cylinder radius="0.1" length="0.04"/>'


def hinge(name, parent, child, xyz, axis="0 1 0", *, limits=None, rpy="0 0 0") -> str:
    kind = "revolute" if limits else "continuous"
    low, high = limits or (0, 0)
    limit = f'<limit lower="{low}" upper="{high}" effort="50" velocity="10"/>'
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>{limit}</joint>'
    )


def wheel(name: str, parent: str, xyz: str, axis: str = "0 1 0") -> list[str]:
    return [
        link(f"{name}_wheel", shape='<sphere radius="0.1"/>'),
        hinge(f"{name}_wheel_joint", parent, f"{name}_wheel", xyz, axis),
    ]


def base(size: str = "0.6 0.4 0.1") -> str:
    return link("base", shape=f'<box size="{size}"/>')


def differential() -> list[str]:
    left, right = wheel("left", "base", "0 0.25 0"), wheel("right", "base", "0 -0.25 0")
    return [base(), *left, *right]


def three_ways() -> list[str]:
    found = [base()]
    for number in range(3):
        x, y = np.cos(number * 2.0944), np.sin(number * 2.0944)
        found += wheel(f"w{number}", "base", f"{0.3 * x} {0.3 * y} 0", f"{x} {y} 0")
    return found


def steered(count: int) -> list[str]:
    found = [base()]
    for number, (x, y) in enumerate([(0.3, 0.2), (0.3, -0.2), (-0.3, 0.2), (-0.3, -0.2)]):
        if number < count:
            found += [link(f"knuckle{number}", shape="")]
            found += [hinge(f"steer{number}", "base", f"knuckle{number}", f"{x} {y} 0", "0 0 1",
                            limits=(-0.6, 0.6))]  # fmt: skip
            found += wheel(f"w{number}", f"knuckle{number}", "0 0 0")
        else:
            found += wheel(f"w{number}", "base", f"{x} {y} 0")
    return found


def rotors() -> list[str]:
    found = [base()]
    for number in range(4):
        name = f"rotor_{number}"
        found += [link(name), joint(f"r{number}", "base", name, kind="fixed")]
    return found


def chain(prefix: str, start: str, count: int = 6) -> list[str]:
    names = [start, *(f"{prefix}{number}" for number in range(count))]
    found = []
    for number, (one, two) in enumerate(pairwise(names)):
        axis = "0 1 0" if number % 2 else "0 0 1"
        found += [link(two), hinge(f"{two}_joint", one, two, "0 0 0.15", axis, limits=(-2, 2))]
    return found


@pytest.mark.parametrize(
    ("elements", "kind", "drive", "said"),
    [
        (differential(), "mobile", "differential", "parallel axes"),
        (three_ways(), "mobile", "omni", "different ways"),
        (steered(2), "mobile", "ackermann", "steered by steer0, steer1"),
        (steered(4), "mobile", "omni", "steered by"),
        ([*differential(), *chain("arm", "base")], "mobile_manipulator", "differential", "arms"),
        (rotors(), "aerial", "", "rotor_0"),
        ([base(), *chain("a", "base"), *chain("b", "base")], "arm", "", "arms: a5, b5"),
        ([link("base"), *chain("a", "base", 1)], "other", "", "1 joints"),
    ],
    ids=["differential", "omni", "ackermann", "swerve", "mobile-arm", "aerial", "two-arms", "other"],
)  # fmt: skip
def test_the_tree_shows_the_kind(write_urdf, imported, elements, kind, drive, said):
    info = imported(write_urdf(*elements), samples=100).info
    assert (info.kind, info.drive) == (kind, drive)
    assert any(said in each for each in info.evidence), info.evidence
    assert (info.base == "floating") == (kind in ("mobile", "mobile_manipulator", "aerial"))


def test_wheels_turn_at_the_speed_they_are_told(write_urdf, imported):
    robot = imported(write_urdf(*differential()), samples=100)
    assert robot.info.wheels == ("left_wheel_joint", "right_wheel_joint")
    model, data = simulate(robot, TRAIN_GROUP, floor=True)
    data.ctrl[:] = 4.0
    for _ in range(1000):
        mujoco.mj_step(model, data)
    for name in robot.info.wheels:
        assert data.joint(name).qvel[0] == pytest.approx(4.0, rel=0.05)
    assert data.qvel[0] == pytest.approx(4.0 * 0.1, rel=0.1)  # it rolls: speed times radius


def test_a_kind_without_a_task_is_refused_by_name(write_urdf, imported):
    robot = imported(write_urdf(*rotors()), samples=100)
    for task in ("auto", "reach", "velocity"):
        with pytest.raises(R2SError) as caught:
            chosen_task(task, robot.info)
        assert caught.value.code == "R2S-SCENE-004" and "'aerial'" in caught.value.what


def leg(side: str, y: float) -> list[str]:
    """Six joints: yaw, roll and pitch of the hip, knee, pitch and roll of the ankle; a flat foot."""
    foot = '<box size="0.2 0.08 0.04"/>'
    small = INERTIAL.replace("0.01", "0.002").replace('value="1"', 'value="0.5"')
    names = ["yaw", "roll", "thigh", "shin", "ankle", "foot"]
    axes = ["0 0 1", "1 0 0", "0 1 0", "0 1 0", "0 1 0", "1 0 0"]
    places = [f"0 {y} 0", "0 0 0", "0 0 0", "0 0 -0.3", "0 0 -0.3", "0.02 0 -0.05"]
    found, parent = [], "base"
    for name, axis, place in zip(names, axes, places, strict=True):
        shape = foot if name == "foot" else ""
        found += [link(f"{side}_{name}", inertial=small, shape=shape)]
        at = (parent, f"{side}_{name}", place, axis)
        found += [hinge(f"{side}_{name}_joint", *at, limits=(-2, 2))]
        parent = f"{side}_{name}"
    return found


def test_a_biped_stands_on_flat_feet_under_its_centre_of_mass(write_urdf, imported):
    heavy_behind = INERTIAL.replace("<mass", '<origin xyz="-0.06 0 0.1"/><mass').replace(
        'value="1"', 'value="8"'
    )
    torso = link("base", inertial=heavy_behind, shape='<box size="0.1 0.2 0.2"/>')
    robot = imported(write_urdf(torso, *leg("left", 0.1), *leg("right", -0.1)), samples=100)
    assert robot.info.kind == "biped" and robot.info.feet == ("left_foot", "right_foot")
    assert any("inside its feet" in each for each in robot.info.evidence), robot.info.evidence
    model, data = simulate(robot, TRAIN_GROUP, floor=True)
    for _ in range(2500):
        mujoco.mj_step(model, data)
    assert data.qpos[2] > 0.95 * robot.info.base_height_m
    assert 1 - 2 * (data.qpos[4] ** 2 + data.qpos[5] ** 2) > 0.99


def test_an_effort_that_cannot_hold_the_home_pose_is_raised(write_urdf, imported):
    heavy = INERTIAL.replace("<mass", '<origin xyz="0.5 0 0"/><mass').replace('"1"', '"20"')
    arm = hinge("lift", "base", "arm", "0 0 0.2", limits=(-0.1, 0.1)).replace('"50"', '"30"')
    robot = imported(write_urdf(link("base"), link("arm", inertial=heavy), arm), samples=100)
    (repair,) = [each for each in robot.info.repairs if each.rule == "weak-effort-limit"]
    assert repair.element == "lift" and repair.before == "30"
    assert robot.info.joints[0].effort > 20 * 9.81 * 0.5


def test_a_follower_gets_the_limits_its_leader_takes_it_through(write_urdf, imported):
    """PR2's right fingers: multiplier -1, limits from zero up."""
    more = '<mimic joint="one" multiplier="-1"/>'
    path = write_urdf(
        link("base"), link("a"), link("b"),
        joint("one", "base", "a").replace('lower="-1"', 'lower="0"'),
        joint("two", "base", "b", more=more).replace('lower="-1"', 'lower="0"'),
    )  # fmt: skip
    info = imported(path, samples=100).info
    assert (info.joints[1].low, info.joints[1].high) == (-1, 0)
    assert "follower-limits" in [each.rule for each in info.repairs]
