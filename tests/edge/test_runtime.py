"""The runtime drives a simulated arm: it reaches, it stops when it must, and names decide, not positions."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest
import small_arm

from r2s.edge.contract import parse_contract
from r2s.edge.controller import Controller
from r2s.edge.errors import EdgeError
from r2s.edge.observe import Observer, Reading
from r2s.edge.policy import OnnxPolicy
from r2s.edge.runtime import Runtime, State
from r2s.policy.contract import deployment_contract
from r2s.sim.model import layout, load_model
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.sim.transport import MujocoTransport

SCENE = small_arm.scene()
POLICY = small_arm.policy(of=SCENE)
DATA = deployment_contract(POLICY.info)
CLOCK = {
    "name": "stride", "elements": ["sine", "cosine"], "unit": "1", "kind": "measured", "period_s": 0.3,
}  # fmt: skip
CONTRACT = parse_contract(DATA)
MODEL = load_model(SCENE, "scene.xml")
WHERE = layout(MODEL, SCENE)


def robot(goal: np.ndarray, seed: int = 0) -> MujocoTransport:
    data = mujoco.MjData(MODEL)
    data.qpos[:], data.ctrl[:] = WHERE.home_qpos, WHERE.home_ctrl
    sensors = Sensing(
        measured_columns(SCENE.info, WHERE),
        disturbances(SCENE.info.signals, (), {}),
        MODEL.opt.timestep,
        np.random.default_rng(seed),
    )
    arm = MujocoTransport(MODEL, data, SCENE.info, WHERE, sensors, commands={"goal_pos": goal})
    arm.wait_until(CONTRACT.control_s)
    return arm


def running(arm: MujocoTransport, contract=CONTRACT) -> Runtime:
    runtime = Runtime(contract, arm)
    runtime.configure(OnnxPolicy(POLICY.onnx, warmup=1))
    runtime.activate()
    runtime.start()
    return runtime


def distance(arm: MujocoTransport, goal: np.ndarray) -> float:
    mujoco.mj_forward(MODEL, arm.data)
    tip = arm.data.site("robot/ee").xpos - arm.data.body("robot/base").xpos
    return float(np.linalg.norm(tip - goal))


def test_the_runtime_reaches_every_goal_closed_loop():
    for seed, goal in enumerate(SCENE.goals[:10]):
        arm = robot(goal, seed)
        runtime = running(arm)
        assert runtime.run(120) == 120
        assert runtime.state is State.ACTIVE
        assert distance(arm, goal) < 0.005


def test_blending_begins_at_the_held_pose_and_ends_with_the_policy():
    arm = robot(SCENE.goals[0])
    runtime = running(arm)
    held = runtime.controller.target.copy()
    first = runtime.step()
    assert runtime.state is State.BLEND
    assert first is not None
    assert np.abs(first.target - held).max() < 0.02 * small_arm.SCALE_RAD + 1e-9
    runtime.run(round(CONTRACT.safety.blend_s / CONTRACT.control_s))
    assert runtime.state is State.ACTIVE


def test_a_robot_that_lists_its_joints_in_another_order_moves_the_same():
    values = {
        "joint_pos": np.arange(6) / 10,
        "joint_vel": np.zeros(6),
        "goal_pos": np.array([0.4, 0, 0.1]),
    }
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = {**values, **{n: values[n][order] for n in ("joint_pos", "joint_vel")}}
    policy = OnnxPolicy(POLICY.onnx, warmup=1)
    plain = Controller(CONTRACT, policy, small_arm.JOINTS)
    other = Controller(CONTRACT, policy, [small_arm.JOINTS[i] for i in order])
    plain.reset(Reading(values, 0.0))
    other.reset(Reading(shuffled, 0.0))
    for _ in range(3):
        a, b = plain.tick(Reading(values, 0.0), 0.0), other.tick(Reading(shuffled, 0.0), 0.0)
        np.testing.assert_array_equal(a.target, b.target)


def test_a_clock_counts_control_periods_since_the_reset_and_is_no_sensor():
    """Whatever a robot may say of it: the runtime's own count is what the simulator counted."""
    data = json.loads(json.dumps(DATA))
    data["observations"].append(CLOCK)
    contract = parse_contract(data)
    assert CONTRACT.required == contract.required
    plain = OnnxPolicy(POLICY.onnx, warmup=1)

    def policy(feed):
        policy.seen.append(feed.pop("stride")[0])
        return plain(feed)

    policy.inputs, policy.seen = {**plain.inputs, "stride": (1, 2)}, []
    controller = Controller(contract, policy, small_arm.JOINTS)
    values = {"joint_pos": np.zeros(6), "joint_vel": np.zeros(6), "goal_pos": np.zeros(3)}
    reading = Reading({**values, "stride": np.full(2, 7.0)}, 0.0)
    for _ in range(2):
        controller.reset(reading)
        for _ in range(30):
            controller.tick(reading, 0.0)
    angle = 2 * np.pi * np.arange(30) * contract.control_s / CLOCK["period_s"]
    expected = np.column_stack([np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(policy.seen, np.tile(expected, (2, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("yaw", "shoulder", "elbow"), "no joint 'wrist_pitch'"),
        (("yaw", "yaw", *small_arm.JOINTS[1:]), "twice"),
    ],
)
def test_a_robot_with_other_joints_is_refused(names, words):
    with pytest.raises(EdgeError, match=words) as error:
        Observer(CONTRACT, names)
    assert error.value.code == "R2S-EDGE-004"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["actions"].update(joints=["yaw"] * 6), "twice"),
        (lambda d: d["limits"].pop("elbow"), "limits lacks joint 'elbow'"),
        (lambda d: d["observations"][0].update(kind="privileged"), "simulation only"),
        (lambda d: d["observations"][1].update(derivation="magic"), "unknown 'magic'"),
        (lambda d: d.update(chain=None), "needs a kinematic chain"),
        (lambda d: d["actions"].update(scale=[1.0]), "1 values for 6 joints"),
        (lambda d: d["safety"].update(speed_of_light=1), "unknown safety number"),
        (lambda d: d.update(control_s=0.0), "not positive"),
        (lambda d: d["observations"][0].update(period_s=1.0), "is no clock"),
        (lambda d: d["observations"].append({**CLOCK, "period_s": float("nan")}), "is no clock"),
        (lambda d: d.pop("home"), "malformed: 'home'"),
    ],
)
def test_a_contract_that_is_not_understood_is_refused(change, words):
    data = json.loads(json.dumps(DATA))
    change(data)
    with pytest.raises(EdgeError, match=words):
        parse_contract(data)


def test_a_silent_sensor_degrades_then_damps_and_stays_damped():
    arm = robot(SCENE.goals[0])
    runtime = running(arm)
    runtime.run(60)
    stuck = arm.read()
    arm.read = lambda: stuck  # the driver delivers the same reading for ever
    states = []
    for tick in range(40):
        runtime.step()
        states.append(runtime.state)
        arm.wait_until(arm.now_s() + CONTRACT.control_s)
        del tick
    assert states[0] is State.ACTIVE
    assert State.DEGRADED in states
    assert states[-1] is State.DAMP
    assert states.index(State.DAMP) - states.index(State.DEGRADED) < CONTRACT.safety.hold_ticks
    assert "reading_age" in runtime.reason
    with pytest.raises(EdgeError, match="the runtime is damp"):
        runtime.start()
    runtime.reset()
    assert runtime.state is State.INACTIVE


def test_a_burst_shorter_than_the_hold_is_ridden_out():
    arm = robot(SCENE.goals[0])
    runtime = running(arm)
    runtime.run(60)
    true_read, held = arm.read, runtime.controller.target.copy()
    arm.read = lambda: Reading({**true_read().values, "joint_pos": np.full(6, np.nan)}, arm.now_s())
    tick = runtime.step()
    assert tick is not None
    assert runtime.state is State.DEGRADED
    np.testing.assert_array_equal(tick.target, held)
    arm.read = true_read
    runtime.step()
    assert runtime.state is State.ACTIVE


def test_late_ticks_damp():
    arm = robot(SCENE.goals[0])
    runtime = running(arm)
    clock = SimpleNamespace(s=arm.now_s())

    def slow() -> float:
        clock.s += 0.5 * CONTRACT.control_s + 0.02
        return clock.s

    arm.now_s = slow
    true_read = arm.read
    arm.read = lambda: Reading(true_read().values, clock.s)
    for _ in range(CONTRACT.safety.missed_deadlines + 1):
        runtime.step()
    assert runtime.state is State.DAMP
    assert "deadline" in runtime.reason


def test_steps_out_of_order_are_refused():
    runtime = Runtime(CONTRACT, robot(SCENE.goals[0]))
    with pytest.raises(EdgeError, match="is unconfigured"):
        runtime.activate()


def test_a_model_with_other_inputs_than_the_contract_is_refused():
    data = json.loads(json.dumps(DATA))
    data["observations"] = data["observations"][:1]
    with pytest.raises(EdgeError, match="model's inputs"):
        Controller(parse_contract(data), OnnxPolicy(POLICY.onnx, warmup=1), small_arm.JOINTS)


def test_a_transport_that_withholds_a_signal_is_refused():
    controller = Controller(CONTRACT, OnnxPolicy(POLICY.onnx, warmup=1), small_arm.JOINTS)
    with pytest.raises(EdgeError, match="does not deliver 'goal_pos'"):
        controller.reset(Reading({"joint_pos": np.zeros(6)}, 0.0))


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(EdgeError) as error:
        OnnxPolicy(b"not a model")
    assert error.value.code == "R2S-EDGE-006"


def test_the_log_keeps_the_newest_ticks_and_survives_a_dump(tmp_path):
    arm = robot(SCENE.goals[0])
    runtime = running(arm, replace(CONTRACT, safety=replace(CONTRACT.safety, blend_s=0.0)))
    runtime.run(5)
    path = tmp_path / "log.jsonl"
    assert runtime.log.dump(path) == 5
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["state"] for row in rows] == ["active"] * 5
    assert len(rows[0]["target"]) == 6
