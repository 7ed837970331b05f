"""Wheels take speeds: the runtime drives, and whatever goes wrong, they stand still."""

from __future__ import annotations

import numpy as np
import pytest
from rover_room import read, rover_scene, standing, steering

from r2s.edge.contract import parse_contract
from r2s.edge.errors import EdgeError
from r2s.edge.observe import Reading
from r2s.edge.policy import OnnxPolicy
from r2s.edge.runtime import Command, Runtime, State
from r2s.edge.safety import REVERSAL_S, Envelope, Verdict
from r2s.policy.contract import deployment_contract
from r2s.sim.model import layout
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.sim.transport import MujocoTransport

GOAL = np.array([-1.3, 1.2])


@pytest.fixture(scope="module")
def scene():
    return rover_scene()


@pytest.fixture(scope="module")
def data(scene):
    return deployment_contract(steering(scene).info)


@pytest.fixture(scope="module")
def contract(data):
    return parse_contract(data)


@pytest.fixture
def robot(scene, contract) -> MujocoTransport:
    model, state = standing(scene, -1.0, -1.0, 0.3)
    where = layout(model, scene)
    measured = disturbances(scene.info.signals, (), {})
    sensors = Sensing(
        measured_columns(scene.info, where), measured, model.opt.timestep, np.random.default_rng(0)
    )
    found = MujocoTransport(model, state, scene.info, where, sensors, commands={"goal_pos": GOAL})
    found.wait_until(contract.control_s)
    return found


@pytest.fixture
def runtime(scene, contract, robot) -> Runtime:
    made = Runtime(contract, robot)
    made.configure(OnnxPolicy(steering(scene).onnx, warmup=1))
    made.activate()
    made.start()
    return made


def speed(robot: MujocoTransport) -> float:
    return float(np.linalg.norm(read(robot.model, robot.data, "base_lin_vel")[:2]))


def test_the_runtime_drives_to_the_goal_and_stays(runtime, robot):
    assert runtime.run(150) == 150
    assert runtime.state is State.ACTIVE, runtime.reason
    assert np.linalg.norm(robot.data.qpos[:2] - GOAL) < 0.1
    assert speed(robot) < 0.1


def test_stopping_stops(runtime, robot):
    runtime.run(25)
    assert speed(robot) > 0.2
    runtime.stop()
    now = robot.now_s()
    for tick in range(5):
        runtime.step()
        robot.wait_until(now + 0.1 * (tick + 1))
    assert runtime.state is State.STANDBY and speed(robot) < 0.02


@pytest.mark.parametrize("mode", ["damp", "velocity"])
def test_damping_brakes_and_a_speed_is_followed(robot, contract, mode):
    joints = contract.actions.joints
    robot.write(Command("velocity", joints, np.array([8.0, 8.0]), contract.kp, contract.kd))
    robot.wait_until(robot.now_s() + 1.0)
    assert speed(robot) > 0.2
    robot.write(Command(mode, joints, np.array([8.0, 8.0]), contract.kp, contract.kd))
    robot.wait_until(robot.now_s() + 1.0)
    assert (speed(robot) < 0.02) == (mode == "damp")


def test_a_reading_that_is_late_stops_the_wheels_at_once(runtime, robot):
    runtime.run(25)
    assert np.abs(runtime.controller.target).max() > 3
    fresh = robot.read()
    stale = Reading(fresh.values, fresh.stamp_s - 5.0)
    tick = runtime.controller.tick(stale, robot.now_s())
    assert tick.verdict is Verdict.HOLD and not tick.target.any()
    assert not runtime.controller.target.any()


def test_speeds_stay_inside_their_limits_and_change_no_faster_than_they_may(contract):
    envelope, random = Envelope(contract), np.random.default_rng(1)
    last = envelope.start(np.array([40.0, -40.0]))
    assert not last.any()  # wherever the wheels are, the first command is to stand
    low, high = contract.bounds()
    step = (high - low) * contract.control_s / REVERSAL_S
    for _ in range(300):
        target = envelope.limit(random.uniform(-100, 100, 2), last)
        assert np.all(target >= low) and np.all(target <= high)
        assert np.all(np.abs(target - last) <= step + 1e-9)
        last = target
    assert np.all(high <= contract.velocity)


def test_wheels_turn_without_end_and_a_blocked_one_is_noticed(contract):
    envelope, ticks = Envelope(contract), round(contract.safety.stall_s / contract.control_s)
    target = contract.bounds()[1]
    for tick in range(200):
        q = target * contract.control_s * tick
        assert envelope.check_reading({"joint_pos": q}, q, 0.0) is Verdict.RUN
        assert envelope.check_effort(target, q, target) is Verdict.RUN
    still = np.zeros(2)
    verdicts = [envelope.check_effort(target, still, still) for _ in range(ticks)]
    assert verdicts[-2:] == [Verdict.RUN, Verdict.DAMP]
    envelope.reset()
    jumped = [envelope.check_reading({"q": q}, q, 0.0) for q in (still, still + 50.0)]
    assert jumped == [Verdict.RUN, Verdict.HOLD]


def test_a_mode_that_is_not_known_is_refused(data):
    actions = {**data["actions"], "mode": "torque"}
    with pytest.raises(EdgeError, match="torque"):
        parse_contract({**data, "actions": actions})
