"""A target may differ as its action may, times what an action of 1 means."""

from __future__ import annotations

import pytest

from r2s.artifacts.signal import ActionSpec
from r2s.edge.golden import MAX_TOLERANCE
from r2s.export.golden import ACTION_TOLERANCE, EPISODE_TOLERANCE, tolerances


def actions(scale: float) -> ActionSpec:
    return ActionSpec(
        joints=("a", "b"), mode="velocity", scale=(0.5 * scale, scale), offset=(0.0, 0.0),
        low=(-scale, -scale), high=(scale, scale),
    )  # fmt: skip


def test_angles_keep_the_bound_of_the_action():
    assert tolerances(actions(0.3)) == {
        "action": ACTION_TOLERANCE,
        "joint_pos_target": ACTION_TOLERANCE,
        "episode": EPISODE_TOLERANCE,
    }


def test_wheels_have_it_in_their_own_unit():
    found = tolerances(actions(17.0))
    assert found["action"] == ACTION_TOLERANCE
    assert found["joint_pos_target"] == pytest.approx(17 * ACTION_TOLERANCE)
    assert found["episode"] == MAX_TOLERANCE  # a bundle that asks for more is refused
