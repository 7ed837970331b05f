"""Laws of simulated sensors: as late, as biased and as noisy as stated, and never simulator truth."""

from __future__ import annotations

import numpy as np
import pytest

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.signal import Signal
from r2s.sim.sensing import Disturbance, Sensing, disturbances

JOINTS = ("a", "b")
SIGNAL = Signal(
    name="joint_pos", elements=JOINTS, unit="rad", kind="measured", sensors=JOINTS,
    noise_sigma=0.1, latency_s=(0.0, 0.01),
)  # fmt: skip
TRUTH = Signal(name="ee_pos", elements=("x",), unit="m", kind="privileged", sensors=("x",))
STEP_S = 0.001


def entry(field: str, operation: str, low: float, high: float, per: str = "copy") -> Randomize:
    return Randomize(
        name=field, target="signal", select="joint_*", field=field, operation=operation,
        low=low, high=high, per=per,
    )  # fmt: skip


def sensing(how: Disturbance, seed: int = 0) -> Sensing:
    columns = {"joint_pos": np.array([0, 1])}
    return Sensing(columns, {"joint_pos": how}, STEP_S, np.random.default_rng(seed))


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_late_reading_is_the_sample_of_that_long_ago(steps):
    quiet = Disturbance(np.zeros(2), np.zeros(2), steps * STEP_S)
    sensor = sensing(quiet)
    samples = np.arange(40.0).reshape(20, 2)
    sensor.push(samples[:12])
    sensor.push(samples[12:])
    reading = sensor.read({}, 0.02)
    np.testing.assert_array_equal(reading.values["joint_pos"], samples[19 - steps])
    assert reading.stamp_s == pytest.approx(0.02 - steps * STEP_S)


def test_before_there_is_a_past_the_first_sample_stands_for_it():
    sensor = sensing(Disturbance(np.zeros(2), np.zeros(2), 0.01))
    sensor.push(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(sensor.read({}, 0.0).values["joint_pos"], [1.0, 2.0])


def test_noise_and_bias_have_the_size_that_is_stated():
    sensor = sensing(Disturbance(np.array([0.1, 0.0]), np.array([0.0, 0.5]), 0.0))
    sensor.push(np.zeros((1, 2)))
    read = np.array([sensor.read({}, 0.0).values["joint_pos"] for _ in range(4000)])
    assert read[:, 0].std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(read[:, 1], 0.5)


def test_without_an_entry_a_signal_has_its_own_noise_and_the_middle_of_its_latency():
    (how,) = disturbances([SIGNAL, TRUTH], (), {}).values()
    np.testing.assert_array_equal(how.sigma, [0.1, 0.1])
    np.testing.assert_array_equal(how.bias, [0.0, 0.0])
    assert how.latency_s == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("randomize", "draw", "field", "expected"),
    [
        (entry("noise", "scale", 0.5, 2.0), [2.0], "sigma", [0.2, 0.2]),
        (entry("noise", "add", 0.0, 1.0), [0.3], "sigma", [0.4, 0.4]),
        (entry("noise", "abs", 0.0, 1.0), [0.3], "sigma", [0.3, 0.3]),
        (entry("bias", "add", -1.0, 1.0, "target"), [0.1, -0.2], "bias", [0.1, -0.2]),
        (entry("latency", "abs", 0.0, 0.02), [0.02], "latency_s", 0.02),
        (entry("latency", "scale", 0.5, 2.0), [2.0], "latency_s", 0.01),
    ],
)
def test_entries_change_what_they_say(randomize, draw, field, expected):
    how = disturbances([SIGNAL], [randomize], {randomize.name: np.array(draw)})["joint_pos"]
    np.testing.assert_allclose(getattr(how, field), expected)


def test_simulator_truth_is_never_measured():
    assert "ee_pos" not in disturbances([SIGNAL, TRUTH], (), {})


def test_what_is_commanded_is_passed_on_exactly():
    sensor = sensing(Disturbance(np.ones(2), np.ones(2), 0.0))
    sensor.push(np.zeros((1, 2)))
    goal = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(sensor.read({"goal_pos": goal}, 0.0).values["goal_pos"], goal)
