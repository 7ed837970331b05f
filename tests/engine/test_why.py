"""`why` names the changed component in words, against the nearest earlier run."""

from __future__ import annotations

import pytest
import toy_stages

from r2s.engine.execute import Executor
from r2s.engine.names import short
from r2s.engine.plan import Planner
from r2s.engine.step import Step
from r2s.engine.why import changes, flat


def because(store, step) -> str:
    return "; ".join(next(iter(Planner(store).plan(step))).because)


def test_a_stage_that_never_ran_says_so(store, chain):
    assert because(store, chain()) == "it never ran"


def test_a_changed_setting_is_named_with_both_values(store, chain):
    Executor(store).run(chain())
    assert because(store, chain(scale=2.5)) == "config scale 1.0 -> 2.5"


def test_a_changed_file_is_named_with_both_digests(store, chain, capture):
    Executor(store).run(chain())
    capture.write_text("4 5")
    assert because(store, chain()).startswith("capture (.txt) changed (")


def test_a_new_companion_is_named(store, chain, capture):
    Executor(store).run(chain())
    (capture.parent / "mesh.side").write_text("x")
    assert because(store, chain()) == "capture file mesh.side is new"


def test_many_changed_files_are_summed_up_with_the_named_one_first(store, chain, capture):
    Executor(store).run(chain())
    capture.write_text("4 5")
    for number in range(9):
        (capture.parent / f"{number}.side").write_text("x")
    reasons = next(iter(Planner(store).plan(chain()))).because
    assert reasons[0].startswith("capture (.txt) changed")
    assert reasons[-1] == "7 more files of the capture changed"
    assert len(reasons) == 4


def test_a_changed_seed_is_named(store, chain):
    Executor(store).run(chain())
    assert because(store, chain(seed=3)) == "seed 0 -> 3"


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [("STAGE_VERSION", 2, "stage version 1 -> 2"), ("TOOLS", (), "tool numpy")],
)
def test_a_changed_stage_or_tool_is_named(store, chain, monkeypatch, attribute, value, words):
    Executor(store).run(chain())
    monkeypatch.setattr(toy_stages.SOURCE.load(), attribute, value)
    assert because(store, chain()).startswith(words)


def test_the_nearest_run_is_compared_not_the_newest(store, chain):
    Executor(store).run(chain(scale=1.0))
    Executor(store).run(chain(scale=9.0, seed=4))
    assert because(store, chain(scale=2.0)) == "config scale 1.0 -> 2.0"


def test_a_changed_input_is_named_with_both_digests(store, chain):
    first, _ = Executor(store).run(chain())
    other = Executor(store).run(chain(scale=3.0))[0]
    step = chain()
    again = Step(step.stage, step.config, inputs={"scan": other.digest})
    decision = next(iter(Planner(store).plan(again)))
    assert decision.hit
    moved = Executor(store).run(chain(scale=5.0))[0]
    store.delete_ref("scan/twice")
    unseen = Planner(store).decide(
        Step(step.stage, step.stage.config({"steps": 2})), {"scan": moved.digest}
    )
    assert unseen.because == ("config steps 4 -> 2",)
    assert f"{short(first.digest)} -> {short(other.digest)}" in "; ".join(
        changes(
            {**unseen.action.components, "inputs": {"scan": first.digest}},
            {**unseen.action.components, "inputs": {"scan": other.digest}},
        )
    )


def test_names_from_files_cannot_draw_on_the_terminal():
    old = {
        "stage_version": 1, "inputs": {}, "sources": {"robot": {"a\x1b[31m.stl": "sha256:1"}},
        "config": {}, "seed": 0, "tools": {}, "facets": {},
    }  # fmt: skip
    (phrase,) = changes(old, {**old, "sources": {"robot": {}}})
    assert "\x1b" not in phrase
    assert "\\x1b" in phrase


def test_flat_names_every_leaf_once():
    tree = {"a": {"b": 1, "c": [1, 2]}, "d": None, "e": {}}
    assert flat(tree) == {"a.b": 1, "a.c": [1, 2], "d": None, "e": {}}
