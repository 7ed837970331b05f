"""A target may differ as its action may, times what an action of 1 means."""

from __future__ import annotations

import pytest

from r2s.artifacts.signal import ActionSpec
from r2s.edge.golden import MAX_TOLERANCE
from r2s.export.golden import EPISODE_FACTOR, tolerances
from r2s.policy.parity import MOST_BOUND, NOISE_ROOM, PARITY_BOUND


def actions(scale: float) -> ActionSpec:
    return ActionSpec(
        joints=("a", "b"), mode="velocity", scale=(0.5 * scale, scale), offset=(0.0, 0.0),
        low=(-scale, -scale), high=(scale, scale),
    )  # fmt: skip


def test_angles_keep_the_bound_of_the_action():
    assert tolerances(actions(0.3)) == {
        "action": PARITY_BOUND,
        "joint_pos_target": PARITY_BOUND,
        "episode": pytest.approx(EPISODE_FACTOR * PARITY_BOUND),
    }


def test_wheels_have_it_in_their_own_unit():
    found = tolerances(actions(17.0))
    assert found["action"] == PARITY_BOUND
    assert found["joint_pos_target"] == pytest.approx(17 * PARITY_BOUND)
    assert found["episode"] == MAX_TOLERANCE  # a bundle that asks for more is refused


def test_a_network_that_float32_rounds_more_may_differ_by_more_up_to_what_a_bundle_may_ask():
    assert tolerances(actions(0.3), noise=2e-5)["action"] == pytest.approx(NOISE_ROOM * 2e-5)
    assert tolerances(actions(0.3), noise=1.0)["action"] == MOST_BOUND <= MAX_TOLERANCE
