"""Laws of the scenario list."""

from __future__ import annotations

import small_arm

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.signal import Signal
from r2s.validate.scenarios import scenarios


def test_nominal_both_ends_of_each_and_all_together():
    names = [s.name for s in scenarios(small_arm.RANDOMIZATION)]
    ends = [f"{e.name}_{end}" for e in small_arm.RANDOMIZATION for end in ("low", "high")]
    assert names == ["nominal", *ends, "all"]


def test_thresholds_are_those_of_the_gate():
    first, *others = scenarios(small_arm.RANDOMIZATION)
    assert first.threshold == 0.90
    assert {s.threshold for s in others} == {0.80}


def test_an_end_that_changes_nothing_is_not_run_twice():
    entry = Randomize(
        name="push", target="base", field="position", operation="add", low=0.0, high=0.02
    )
    assert [s.name for s in scenarios((entry,))] == ["nominal", "push_high", "all"]


def test_a_pinned_scenario_holds_one_quantity_and_leaves_the_others():
    for scenario in scenarios(small_arm.RANDOMIZATION)[1:-1]:
        assert len(scenario.entries) == 1
        assert scenario.pinned == {
            scenario.entries[0].name: getattr(scenario.entries[0], scenario.name.split("_")[-1])
        }


def test_a_signal_with_a_latency_of_its_own_gets_scenarios_unless_an_entry_sets_it():
    late = Signal(
        name="joint_pos", elements=("a",), unit="rad", kind="measured", sensors=("a",),
        latency_s=(0.0, 0.01),
    )  # fmt: skip
    names = [s.name for s in scenarios((), (late,))]
    assert names == ["nominal", "latency_joint_pos_low", "latency_joint_pos_high", "all"]
    entry = Randomize(
        name="lag", target="signal", select="joint_*", field="latency", operation="abs",
        low=0.0, high=0.02,
    )  # fmt: skip
    assert [s.name for s in scenarios((entry,), (late,))] == [
        "nominal",
        "lag_low",
        "lag_high",
        "all",
    ]


def test_without_randomization_only_nominal_is_left():
    assert [s.name for s in scenarios(())] == ["nominal"]
