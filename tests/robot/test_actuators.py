"""Actuators answer as a second-order system of their gains does, and legs carry who stands on them."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from import_checks import simulate
from test_profile import run
from test_robot_ground import biped as biped  # a fixture

from r2s.artifacts.robot import TRAIN_GROUP
from r2s.robot.response import MAX_OVERSHOOT, SHARE

MOTOR = (
    "motors: {elbow_pitch: {stall_effort: 60, no_load_velocity: 0.5, delay_s: 0.1, backlash: 0.02}}"
)


def test_a_critically_damped_joint_rises_as_theory_says(tmp_path):
    """Two equal poles w: 10 % to 90 % takes 3.36 / w; smaller steps, so that no limit is met."""
    info = run(tmp_path, 'gains: {"*": {effort: 1000}}').info
    for joint in (joint for joint in info.joints if joint.name in info.actuators):
        assert joint.step is not None and joint.step.fault == "", joint
        w = np.sqrt(joint.kp / joint.inertia)
        assert joint.kd / 2 / np.sqrt(joint.kp * joint.inertia) == pytest.approx(1, rel=1e-4)
        assert joint.step.rise_s == pytest.approx(3.36 / w, rel=0.2)
        assert joint.step.overshoot < 0.05 and joint.step.reached == pytest.approx(1, abs=0.02)
        assert abs(joint.step.size) <= SHARE * (joint.high - joint.low) + 1e-6


def test_a_joint_without_damping_is_told_to_move_on(tmp_path):
    info = run(tmp_path, "gains: {elbow_pitch: {kp: 200, kd: 0.1}}").info
    faults = {
        joint.name: joint.step.fault for joint in info.joints if joint.step and joint.step.fault
    }
    assert list(faults) == ["elbow_pitch"]
    joint = next(joint for joint in info.joints if joint.name == "elbow_pitch")
    assert joint.step is not None and joint.step.overshoot > MAX_OVERSHOOT


def test_a_motor_is_late_slower_and_short_by_half_its_play(tmp_path):
    with_motor = {joint.name: joint for joint in run(tmp_path, MOTOR).info.joints}
    without = {joint.name: joint for joint in run(tmp_path, "{}").info.joints}
    slow, quick = with_motor["elbow_pitch"], without["elbow_pitch"]
    assert slow.motor is not None and slow.step is not None and quick.step is not None
    assert without["wrist_roll"].step == with_motor["wrist_roll"].step
    assert slow.step.rise_s > 2 * quick.step.rise_s
    lost = (quick.step.reached - slow.step.reached) * abs(slow.step.size)
    assert lost == pytest.approx(0.01, abs=2e-3)


def test_ankles_outweigh_the_body_that_tips_over_them(biped):
    """Without base and feet fixed by anything but friction: the pendulum m g h on two ankles."""
    joints = {joint.name: joint for joint in biped.info.joints}
    model, data = simulate(biped, TRAIN_GROUP)
    data.qpos[:] = [joint.home for joint in biped.info.joints]
    mujoco.mj_forward(model, data)
    anchor = data.joint("left_ankle_joint").xanchor
    bodies = [
        b for b in range(1, model.nbody) if model.body(b).name not in ("left_ankle", "left_foot")
    ]
    above = sum(model.body_mass[b] * (data.xipos[b, 2] - anchor[2]) for b in bodies)
    ankle = joints["left_ankle_joint"]
    assert 2 * ankle.kp > 1.5 * 9.81 * above
    assert ankle.kp <= max(ankle.effort / 0.1, 63**2 * ankle.inertia) + 1e-3


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        # Its feet are lying cylinders.
        ("romeo_laas_small.urdf", False),
        ("alexander_v1.lowerBodyOnly.urdf", True),
        ("simple_humanoid.urdf", False),
        pytest.param("g1_29dof_rev_1_0.urdf", True, marks=pytest.mark.campaign),
        pytest.param("romeo_small.urdf", True, marks=pytest.mark.campaign),
        pytest.param("talos_reduced.urdf", True, marks=pytest.mark.campaign),
    ],
)
def test_who_can_stand_stands_and_who_cannot_is_told(example_robots, imported, name, stands):
    (path,) = example_robots.rglob(name)
    standing = imported(path).info.standing
    assert standing is not None and standing.stands is stands
    assert (standing.why == "") is stands


def test_a_brake_within_the_torque_limit_does_not_overshoot(tmp_path):
    """Little effort beside gravity: gains of the natural frequency alone would overshoot."""
    info = run(tmp_path, "gains: {shoulder_pitch: {effort: 40}}").info
    for joint in (joint for joint in info.joints if joint.name in info.actuators):
        assert joint.step is not None and joint.step.overshoot <= MAX_OVERSHOOT, joint
