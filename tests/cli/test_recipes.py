"""`run`, `plan` and `why` on a recipe: one planner, nothing touched by looking, everything reused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import toy_stages

from r2s.engine import graph
from r2s.engine import recipe as recipes
from r2s.engine.step import Step


@pytest.fixture
def recipe(numbers: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose chain is the toy scan and its double."""

    def chain(recipe, *, replace: bool = False) -> Step:
        scan = graph.scan(Path(recipe.capture), recipe.name, recipe.settings())
        stage = dataclasses.replace(toy_stages.DOUBLE, name="reconstruct")
        return Step(stage, stage.config({}), {"scan": scan}, ref=f"reconstruction/{recipe.name}")

    monkeypatch.setattr(recipes, "steps", chain)
    path = numbers.parent / "lab.yaml"
    path.write_text("name: lab\ncapture: numbers.txt\nrobot: arm.urdf\n")
    return path


def test_looking_at_a_recipe_makes_no_workspace(r2s, recipe: Path):
    for argv in (("run", recipe, "--dry-run"), ("plan", recipe)):
        said = r2s(*argv)
        assert said.code == 0
        assert said.out.splitlines()[0].startswith("RUN  scan")
    assert not (recipe.parent / ".r2s").exists()


def test_run_answers_with_the_last_stage_and_lists_all(r2s, recipe: Path):
    said = r2s("run", recipe, "--json").json
    assert said["artifact"]["ref"] == "reconstruction/lab"
    assert [stage["stage"] for stage in said["stages"]] == ["scan", "reconstruct"]
    assert [stage["cached"] for stage in said["stages"]] == [False, False]
    again = r2s("run", recipe, "--json").json
    assert (again["cached"], [stage["cached"] for stage in again["stages"]]) == (True, [True, True])
    assert again["artifact"] == said["artifact"]
    assert (toy_stages.CALLS["source"], toy_stages.CALLS["double"]) == (1, 1)


def test_a_run_that_fails_half_way_leaves_its_name_current(r2s, recipe: Path):
    (recipe.parent / "numbers.txt").write_text("2000")
    assert r2s("run", recipe).code == 1
    status = r2s("status", "--json").json
    assert (status["current"], list(status["refs"])) == ("lab", ["scan/lab"])


def test_plan_agrees_with_run_and_why_names_the_change(r2s, recipe: Path):
    r2s("run", recipe)
    assert [line.split()[0] for line in r2s("plan", recipe).out.splitlines()] == ["HIT", "HIT"]
    changed = ("--set", "scan.scale=3")
    plan = r2s("plan", recipe, *changed, "--json").json["stages"]
    assert [stage["cached"] for stage in plan] == [False, False]
    assert plan[0]["because"] == ["config scale 1.0 -> 3.0"]
    assert "config scale 1.0 -> 3.0" in r2s("why", "scan", recipe, *changed).out


def test_name_and_seed_of_the_command_line_win(r2s, recipe: Path):
    said = r2s("run", recipe, "--name", "other", "--seed", "5", "--json").json
    assert said["artifact"]["ref"] == "reconstruction/other"
    assert r2s("show", "scan/other", "--json").json["stage"]["seed"] == 5


def test_a_damaged_result_is_made_again_by_the_same_command(r2s, recipe: Path):
    before = r2s("run", recipe, "--json").json
    for blob in (recipe.parent / ".r2s/blobs/sha256").iterdir():
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes()[:-1])
    assert r2s("fsck").code == 5
    after = r2s("run", recipe, "--json")
    assert after.code == 0, after.err
    assert after.json["artifact"] == before["artifact"]
    assert r2s("fsck").code == 0, r2s("fsck").out
