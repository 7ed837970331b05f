"""Laws of the envelope, against everything hypothesis can think of.

Needs numpy, pytest and hypothesis only: it also runs on the Python of the robot's computer.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2s.edge.contract import parse_contract
from r2s.edge.safety import Envelope, Verdict

JOINTS = [f"joint_{i}" for i in range(6)]
CONTRACT = parse_contract(
    {
        "robot": "arm",
        "task": {"name": "reach"},
        "control_s": 0.02,
        "observations": [
            {
                "name": "joint_pos",
                "elements": JOINTS,
                "unit": "rad",
                "kind": "measured",
                "frame": "joint",
            }
        ],
        "actions": {
            "joints": JOINTS,
            "mode": "relative",
            "scale": [0.05] * 6,
            "offset": [0.0] * 6,
            "low": [-2.4] * 6,
            "high": [2.4] * 6,
        },
        "chain": None,
        "gains": dict.fromkeys(JOINTS, (60.0, 3.0)),
        "limits": dict.fromkeys(JOINTS, (-2.5, 2.5, 4.0, 12.0)),
        "home": dict.fromkeys(JOINTS, 0.0),
        "safety": {"max_obs_age_s": 0.04, "deadline_s": 0.02},
    }
)
ANY = st.floats(allow_nan=False, allow_infinity=False, width=64)
WILD = st.lists(st.one_of(ANY, st.floats(-4, 4)), min_size=6, max_size=6).map(np.array)
INSIDE = st.lists(st.floats(-2.4, 2.4), min_size=6, max_size=6).map(np.array)


def values(q: np.ndarray) -> dict[str, np.ndarray]:
    return {"joint_pos": q, "joint_vel": np.zeros(6)}


@settings(max_examples=200, deadline=None)
@given(st.lists(WILD, min_size=1, max_size=20), INSIDE, st.floats(0, 0.3))
def test_commands_stay_inside_limits_and_within_one_step(targets, q, margin):
    contract = replace(CONTRACT, safety=replace(CONTRACT.safety, position_margin=margin))
    envelope = Envelope(contract)
    last = envelope.start(q)
    for target in targets:
        command = envelope.limit(target, last)
        assert np.isfinite(command).all()
        assert (command >= contract.actions.low + margin - 1e-12).all()
        assert (command <= contract.actions.high - margin + 1e-12).all()
        assert (np.abs(command - last) <= contract.velocity * contract.control_s + 1e-9).all()
        last = command


@settings(max_examples=100, deadline=None)
@given(INSIDE)
def test_a_target_that_is_already_allowed_is_left_alone(q):
    envelope = Envelope(CONTRACT)
    last = envelope.start(q)
    near = last + 0.5 * envelope.step
    allowed = np.clip(near, envelope.low, envelope.high)
    np.testing.assert_array_equal(envelope.limit(allowed, last), allowed)
    assert envelope.counts["rate"] == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["good", "nan", "inf", "old", "future", "jump", "outside"]), INSIDE
        ),
        max_size=30,
    )
)
def test_once_latched_nothing_lets_the_policy_through_until_reset(story):
    envelope = Envelope(CONTRACT)
    latched = False
    for kind, q in story:
        q = q.copy()
        age = {"old": 9.0, "future": -9.0}.get(kind, 0.0)
        if kind in ("nan", "inf"):
            q[3] = float(kind)
        if kind == "outside":
            q[0] = 2.5 + 1.0
        verdict = envelope.check_reading(values(q), q, age)
        if kind in ("nan", "inf", "old", "future", "outside"):
            assert verdict is not Verdict.RUN
        if latched:
            assert verdict.value >= Verdict.DAMP.value
        latched = envelope.latched is not Verdict.RUN
        assert bool(envelope.reason) == latched
    envelope.reset()
    q = np.zeros(6)
    assert envelope.check_reading(values(q), q, 0.0) is Verdict.RUN


def test_bad_readings_are_bridged_then_damped():
    envelope = Envelope(CONTRACT)
    q = np.full(6, np.nan)
    said = [envelope.check_reading(values(q), q, 0.0) for _ in range(CONTRACT.safety.hold_ticks)]
    assert set(said[:-1]) == {Verdict.HOLD}
    assert said[-1] is Verdict.DAMP
    assert envelope.reason == "reading_finite"


def test_an_age_that_is_not_a_number_is_stale():
    envelope = Envelope(CONTRACT)
    assert envelope.check_reading(values(np.zeros(6)), np.zeros(6), float("nan")) is Verdict.HOLD


def test_a_joint_that_teleports_is_held():
    envelope = Envelope(CONTRACT)
    q = np.zeros(6)
    assert envelope.check_reading(values(q), q, 0.0) is Verdict.RUN
    assert envelope.check_reading(values(q + 1.0), q + 1.0, 0.0) is Verdict.HOLD


def test_an_action_that_is_not_finite_ends_in_a_fault():
    envelope = Envelope(CONTRACT)
    bad = np.array([np.nan] * 6)
    assert envelope.check_action(bad, bad) is Verdict.HOLD
    assert envelope.check_action(bad, bad) is Verdict.FAULT
    assert envelope.latched is Verdict.FAULT


def test_a_stalled_joint_is_damped_a_moving_one_is_not():
    ticks = round(CONTRACT.safety.stall_s / CONTRACT.control_s)
    q, far = np.zeros(6), np.full(6, 1.0)
    moving = Envelope(CONTRACT)
    said = [moving.check_effort(far, q, np.full(6, 1.0)) for _ in range(2 * ticks)]
    assert set(said) == {Verdict.RUN}
    stalled = Envelope(CONTRACT)
    said = [stalled.check_effort(far, q, q) for _ in range(ticks)]
    assert said[-1] is Verdict.DAMP
    assert stalled.reason == "stall"


def test_a_base_that_tips_over_is_damped_at_once():
    contract = replace(CONTRACT, safety=replace(CONTRACT.safety, tilt_max_rad=0.5))
    q = np.zeros(6)
    upright, tilted = np.array([0, 0, -1.0]), np.array([0.6, 0, -0.8])
    assert Envelope(contract).check_reading(values(q), q, 0.0, upright) is Verdict.RUN
    assert Envelope(contract).check_reading(values(q), q, 0.0, tilted) is Verdict.DAMP


@pytest.mark.parametrize("count", [1, 2])
def test_single_late_ticks_are_forgiven(count):
    envelope = Envelope(CONTRACT)
    for _ in range(count):
        assert envelope.note("deadline", True) is Verdict.RUN
        for _ in range(CONTRACT.safety.deadline_window):
            envelope.note("deadline", False)
    for _ in range(CONTRACT.safety.missed_deadlines):
        envelope.note("deadline", True)
    assert envelope.latched is Verdict.DAMP
