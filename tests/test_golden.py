"""A stage that makes something else has another STAGE_VERSION, else old results would be taken for new."""

from __future__ import annotations

import json

import golden_outputs
import pytest
from golden_outputs import GOLDEN, difference

from r2s.engine.catalog import STAGES

REGENERATE = "python tests/golden_outputs.py"


@pytest.fixture(scope="module")
def outputs() -> dict[str, tuple[int, golden_outputs.Facts]]:
    return {name: (version, facts) for name, version, facts in golden_outputs.outputs()}


@pytest.mark.parametrize("stage", list(STAGES))
def test_what_a_stage_makes_changes_only_with_its_version(outputs, stage):
    version, facts = outputs[stage]
    golden = json.loads(GOLDEN.read_text())[stage]
    assert version == golden["version"], f"its golden outputs are of another version: {REGENERATE}"
    changed = "\n".join(difference(stage, facts, golden["facts"]))
    assert not changed, f"raise STAGE_VERSION of {stage}, then {REGENERATE}\n{changed}"


def test_a_moved_point_and_a_renamed_body_are_noticed():
    golden = {"points": [30, 1.0], "name": [2, "0badcafe"], "mass": [1, 0.4]}
    assert difference("scan", golden, golden) == []
    assert difference("scan", {**golden, "points": [30, 1.01]}, golden) == [
        "points: [30, 1.0] -> [30, 1.01]"
    ]
    assert difference("scan", {**golden, "name": [2, "12345678"]}, golden)
    assert difference("scan", {"points": [30, 1.0]}, golden) == ["mass is gone", "name is gone"]


def test_facts_hold_no_measured_time(outputs):
    for _version, facts in outputs.values():
        assert facts
        assert not any("seconds" in path or "latency" in path for path in facts)
