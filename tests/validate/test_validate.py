"""The gate on a real scene: a good policy passes, bad ones fail, and it all is what the robot would do."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_arm

from r2s.artifacts.validation import Validation
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.sim.randomization import compile_plan
from r2s.validate import stage
from r2s.validate.equality import check_equality
from r2s.validate.rollout import run_trials
from r2s.validate.scenarios import scenarios
from r2s.validate.trial import begin

SCENE = small_arm.scene()
ONE = small_arm.scene(small_arm.RANDOMIZATION[-1:])  # one entry: three scenarios
BARE = small_arm.scene(())  # nominal only
CONFIG = stage.Config(trials=30, max_trials=60, other_trials=15, equality_trials=4)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return StageContext(scratch=tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def passed(context) -> Validation:
    return stage.run({"policy": small_arm.policy(of=ONE), "scene": ONE}, CONFIG, context)


@pytest.fixture(scope="module")
def bench(context):
    return stage._bench(small_arm.policy(of=SCENE), SCENE, CONFIG, context)


def test_a_policy_that_reaches_passes(passed):
    assert passed.info.verdict == "pass", passed.info.reason
    assert [s.name for s in passed.info.scenarios] == [
        "nominal",
        "action_latency_low",
        "action_latency_high",
        "all",
    ]
    assert passed.info.timestep_s <= 0.0005
    assert all(s.mean_error < 0.02 for s in passed.info.scenarios)


def test_the_trials_are_those_the_bounds_rest_on(passed):
    rows = [json.loads(line) for line in passed.trials.splitlines()]
    for scenario in passed.info.scenarios:
        mine = [row for row in rows if row["scenario"] == scenario.name]
        assert [row["trial"] for row in mine] == list(range(scenario.trials))
        assert sum(row["success"] for row in mine) == scenario.successes


def test_some_trials_were_repeated_by_the_robots_runtime_bit_for_bit(passed):
    assert passed.info.edge_trials_equal == CONFIG.equality_trials


def test_the_artifact_survives_its_codec(passed):
    assert Validation.decode(*passed.encode()) == passed


@pytest.mark.parametrize("kind", ["swapped", "random"])
def test_a_bad_policy_fails(kind, context):
    scene = ONE if kind == "random" else BARE
    few = CONFIG.model_copy(update={"trials": stage.FEW_TRIALS, "equality_trials": 2})
    bad = small_arm.policy(kind, of=scene)
    result = stage.run({"policy": bad, "scene": scene}, few, context)
    assert result.info.verdict == "fail"
    nominal = result.info.scenarios[0]
    assert nominal.upper < nominal.threshold
    assert "surely below" in result.info.reason


def test_a_reason_names_the_worst_scenarios_only(context):
    result = stage.run(
        {"policy": small_arm.policy("swapped", of=SCENE), "scene": SCENE}, CONFIG, context
    )
    failed = [each for each in result.info.scenarios if each.verdict == "fail"]
    assert len(failed) > stage.REASONS
    assert f"and {len(failed) - stage.REASONS} more of" in result.info.reason
    assert len(result.info.reason) < 500


def _run(bench, numbers, scenario=-1, seed=3):
    chosen = scenarios(small_arm.RANDOMIZATION)[scenario]
    trials = begin(bench.model, SCENE, bench.where, bench.task, chosen, numbers, seed)
    return trials, run_trials(bench, trials, seed)


def test_a_trial_is_the_same_however_many_others_run(bench):
    _, many = _run(bench, (0, 1, 2, 3))
    _, two = _run(bench, (3, 1))
    for a, b in ((many[3], two[0]), (many[1], two[1])):
        np.testing.assert_array_equal(a.commands, b.commands)
        np.testing.assert_array_equal(a.qpos, b.qpos)
        assert (a.success, a.error, a.guards) == (b.success, b.error, b.guards)


def test_with_everything_randomized_the_robots_runtime_still_agrees(bench):
    trials, outcomes = _run(bench, (0, 1, 2))
    assert len({d.tobytes() for d in trials.draws["link_mass"]}) == 3
    assert check_equality(bench, trials, outcomes, 3) == 3


def test_a_rollout_that_is_not_the_robots_is_found_out(bench):
    trials, outcomes = _run(bench, (0,))
    forged = outcomes[0].commands.copy()
    forged[7, 2] += 1e-12
    outcome = outcomes[0].__class__(**{**outcomes[0].__dict__, "commands": forged})
    with pytest.raises(R2SError, match="differ from tick 7") as error:
        check_equality(bench, trials, [outcome], 3)
    assert error.value.code == "R2S-VALIDATE-003"


@pytest.mark.parametrize("index", range(1, 9))
def test_every_pinned_scenario_changes_the_course(index, bench):
    nominal = small_arm.RANDOMIZATION[(index - 1) // 2]
    chosen = scenarios(small_arm.RANDOMIZATION)[index]
    trials = begin(bench.model, SCENE, bench.where, bench.task, chosen, (0,), 3)
    assert set(trials.draws) == {nominal.name}
    plan = compile_plan(
        bench.model, SCENE.info.model_copy(update={"randomization": chosen.entries}), bench.where
    )
    fields = plan.fields(trials.draws, np)
    delayed = trials.action_delay_steps[0] > 0
    sensed = nominal.target == "signal"
    changed = any(
        not np.array_equal(values[0], getattr(bench.model, name)) for name, values in fields.items()
    )
    zero = chosen.pinned[nominal.name] == 0.0
    assert changed or delayed or sensed or zero


def test_a_policy_of_another_robot_is_refused(context):
    other = small_arm.policy(of=SCENE)
    info = other.info.model_copy(update={"robot": "panda", "control_s": 0.04})
    alien = other.__class__(info, other.weights, other.onnx, other.log)
    with pytest.raises(R2SError, match="control_s, robot") as error:
        stage.run({"policy": alien, "scene": SCENE}, CONFIG, context)
    assert error.value.code == "R2S-VALIDATE-001"
