"""Trials of a base on wheels are what its own runtime does, bit for bit; a collision is no success."""

from __future__ import annotations

import numpy as np
import pytest
from rover_room import rover_scene, steering

from r2s.core.context import StageContext
from r2s.validate import stage
from r2s.validate.equality import check_equality
from r2s.validate.rollout import run_trials
from r2s.validate.scenarios import scenarios
from r2s.validate.trial import begin


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    scene = rover_scene(episode_s=4.0, hold_s=0.1)
    context = StageContext(scratch=tmp_path_factory.mktemp("scratch"))
    return stage._bench(steering(scene), scene, stage.Config(), context)


def trials(bench, name, numbers):
    scene = bench.scene
    found = {s.name: s for s in scenarios(scene.info.randomization, scene.info.signals)}
    return begin(bench.model, scene, bench.where, bench.task, found[name], numbers, 0)


@pytest.mark.parametrize("name", ["nominal", "all"])
def test_the_robots_runtime_does_the_same_bit_for_bit(bench, name):
    begun = trials(bench, name, (0, 1, 2))
    assert not begun.hold.any()  # until the first tick the wheels are told to stand
    outcomes = run_trials(bench, begun, 0)
    assert check_equality(bench, begun, outcomes[:2], 0) == 2
    assert all(np.abs(outcome.commands).max() > 3 for outcome in outcomes)


def test_who_touches_something_has_failed(bench):
    outcomes = run_trials(bench, trials(bench, "nominal", tuple(range(12))), 0)
    hit = [outcome for outcome in outcomes if outcome.cause]
    assert {outcome.cause for outcome in hit} == {"the task ended it"}  # blind, it meets the pillar
    assert not any(outcome.success for outcome in hit)
    there = [outcome for outcome in outcomes if outcome.success]
    assert there and all(outcome.error < 0.2 for outcome in there)
