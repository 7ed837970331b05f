"""Running steps: once per action, the same bytes again, and nothing lost when it stops half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import toy_stages

from r2s.core.errors import Interrupted, R2SError
from r2s.engine.execute import Executor
from r2s.engine.plan import Planner
from r2s.engine.stage import StageSpec
from r2s.store import Store

HERE = Path(__file__).parent.parent


def run(store: Store, step, **options):
    return Executor(store, **options).run(step)


def test_the_second_run_does_nothing(store: Store, chain, calls):
    first = run(store, chain())
    again = run(store, chain())
    assert [each.cached for each in first] == [False, False]
    assert [each.cached for each in again] == [True, True]
    assert [each.digest for each in again] == [each.digest for each in first]
    assert (calls["source"], calls["double"]) == (1, 1)
    assert again[-1].metrics == first[-1].metrics


def test_the_plan_says_what_the_run_does(store: Store, chain):
    assert [each.hit for each in Planner(store).plan(chain())] == [False, False]
    run(store, chain())
    assert [each.hit for each in Planner(store).plan(chain())] == [True, True]
    changed = list(Planner(store).plan(chain(steps=5)))
    assert [each.hit for each in changed] == [True, False]
    assert changed[1].because == ("config steps 4 -> 5",)


def test_planning_writes_nothing(store: Store, chain):
    run(store, chain())
    before = {path: path.stat().st_mtime_ns for path in store.path.rglob("*")}
    list(Planner(store).plan(chain(scale=2.0)))
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*")} == before


def test_the_record_says_how_and_the_artifact_does_not_say_when(store: Store, chain):
    result = run(store, chain())[0]
    record = store.get_run(next(store.runs())["key"])
    assert record["facts"] == {"numbers_per_s": 12.5}
    assert record["seconds"] >= 0
    assert record["peak_memory_bytes"] > 1e6
    assert record["metrics"]["points"] == 3
    stored = store.get(result.digest)
    assert stored.stage["stage"] == "source"
    assert "numbers_per_s" not in str(stored)
    assert record["started"] not in str(stored)


def test_refs_point_to_the_results(store: Store, chain):
    results = run(store, chain())
    assert store.ref("scan/lab") == results[0].digest
    assert store.ref("scan/twice") == results[1].digest


def test_a_hit_leaves_the_history_of_its_ref_alone(store: Store, chain):
    run(store, chain())
    run(store, chain())
    assert len(store.reflog("scan/lab")) == 1


def test_notes_and_warnings_reach_the_result_of_a_cached_run_too(
    store: Store, chain, capture: Path
):
    capture.write_text("1")
    for _ in range(2):
        result = run(store, chain())[0]
        assert result.warnings == ("short",) and result.notes == ("1 numbers",)


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_a_damaged_result_is_made_again_with_the_same_bytes(store: Store, chain, calls, harm: str):
    result = run(store, chain())[0]
    blob = max((store.path / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    if harm == "flip":
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)
    else:
        blob.unlink()
    again = run(Store.open(store.path), chain())
    assert any("damaged or gone" in reason for each in again for reason in each.because)
    assert again[0].digest == result.digest
    assert bytes(store.get(result.digest).files["points.safetensors"])


def test_a_refused_artifact_gets_no_ref_and_stays_refused(store: Store, chain):
    for _ in range(2):
        with pytest.raises(R2SError, match="too large"):
            run(store, chain(scale=1000.0))
    assert store.ref("scan/twice") is None
    assert store.ref("scan/lab") is not None


def test_a_failing_stage_leaves_its_error_and_no_record(store: Store, chain, capture: Path):
    capture.write_text("no numbers")
    with pytest.raises(R2SError) as caught:
        run(store, chain())
    assert caught.value.code == "R2S-TOY-001"
    assert list(store.runs()) == []
    assert not any((store.path / "scratch").rglob("work"))


def test_force_runs_again_and_notices_a_broken_promise(
    store: Store, chain, calls, monkeypatch: pytest.MonkeyPatch
):
    run(store, chain())
    again = run(store, chain(), force=frozenset({"double"}))
    assert calls["double"] == 2
    assert again[-1].warnings == ()
    monkeypatch.setattr(
        toy_stages.DOUBLE.load(),
        "run",
        lambda inputs, config, context: toy_stages.scan_of([7.0, 8.0]),
    )
    broken = run(store, chain(), force=frozenset({"double"}))
    assert any("declared bitwise" in text for text in broken[-1].warnings)


def test_the_stage_gets_its_seed_sources_and_an_empty_scratch(store: Store, chain, monkeypatch):
    seen = {}

    def look(inputs, config, context):
        seen.update(
            seed=context.seed, files=list(context.scratch.iterdir()), sources=dict(context.sources)
        )
        return toy_stages.scan_of([1.0, 2.0])

    monkeypatch.setattr(toy_stages.SOURCE.load(), "run", look)
    run(store, chain(seed=7))
    assert seen["seed"] == 7
    assert seen["files"] == []
    assert seen["sources"]["capture"].is_absolute()


def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(store: Store, chain, monkeypatch):
    step_of = toy_stages.DOUBLE.load().run

    def interrupted_in_the_middle(inputs, config, context):
        def progress(label, done, total=None, **values):
            if done == 2:
                os.kill(os.getpid(), signal.SIGINT)

        object.__setattr__(context, "progress", progress)
        return step_of(inputs, config, context)

    monkeypatch.setattr(toy_stages.DOUBLE.load(), "run", interrupted_in_the_middle)
    with pytest.raises(Interrupted) as caught:
        run(store, chain())
    assert caught.value.exit_code == 130
    monkeypatch.setattr(toy_stages.DOUBLE.load(), "run", step_of)
    toy_stages.CALLS.clear()
    resumed = run(store, chain())[-1]
    assert 0 < resumed.facts["resumed_from"] < 4
    assert toy_stages.CALLS["double step"] == 4 - resumed.facts["resumed_from"]
    assert resumed.digest == run(Store.create(store.path.parent / "other"), chain())[-1].digest


def test_sigterm_ends_with_143(store: Store, chain, monkeypatch):
    def wait_for_the_end(inputs, config, context):
        os.kill(os.getpid(), signal.SIGTERM)
        context.stop_if_cancelled()

    monkeypatch.setattr(toy_stages.DOUBLE.load(), "run", wait_for_the_end)
    with pytest.raises(Interrupted) as caught:
        run(store, chain())
    assert caught.value.exit_code == 143


def test_a_stage_that_does_not_look_is_stopped_by_a_second_ctrl_c(store: Store, chain, monkeypatch):
    def deaf(inputs, config, context):
        for _ in range(2):  # two signals at once may arrive as one, and at any thread
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        raise AssertionError("it was not stopped")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(toy_stages.SOURCE.load(), "run", deaf)
    with pytest.raises(Interrupted):
        run(store, chain())
    assert signal.getsignal(signal.SIGINT) is before


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import toy_stages
from r2s.engine.execute import Executor
from r2s.engine.step import Step
from r2s.store import Store
inner = toy_stages.SOURCE.load().run
def slow(inputs, config, context):
    Path({marks!r}, str(time.monotonic_ns())).touch()
    time.sleep({seconds})
    return inner(inputs, config, context)
toy_stages.SOURCE.load().run = slow
config, capture = toy_stages.SOURCE.config({{}}), Path({capture!r})
step = Step(toy_stages.SOURCE, config, sources={{"capture": capture}}, ref="scan/lab")
print(Executor(Store.open(Path({store!r}))).run(step)[-1].digest)
"""


def start(store: Store, capture: Path, marks: Path, seconds: float) -> subprocess.Popen:
    marks.mkdir(exist_ok=True)
    code = CHILD.format(
        here=str(HERE),
        marks=str(marks),
        seconds=seconds,
        capture=str(capture),
        store=str(store.path),
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    )


def test_two_processes_never_build_one_key_twice(store: Store, capture: Path, tmp_path: Path):
    marks = tmp_path / "marks"
    children = [start(store, capture, marks, 0.5) for _ in range(2)]
    digests = {child.communicate(timeout=60)[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0]
    assert len(digests) == 1
    assert len(list(marks.iterdir())) == 1


def test_kill_9_in_a_stage_leaves_nothing_to_clean(store: Store, capture: Path, tmp_path: Path):
    marks = tmp_path / "marks"
    child = start(store, capture, marks, 30)
    deadline = time.monotonic() + 30
    while not any(marks.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.wait()
    again = start(store, capture, marks, 0)
    digest = again.communicate(timeout=60)[0].strip()
    assert digest == store.ref("scan/lab")
    fresh = Store.create(tmp_path / "undisturbed")
    undisturbed = start(fresh, capture, marks, 0).communicate(timeout=60)[0].strip()
    assert digest == undisturbed


def test_other_threads_run_without_signal_handlers(store: Store, chain):
    results = []
    thread = threading.Thread(target=lambda: results.extend(run(store, chain())))
    thread.start()
    thread.join()
    assert len(results) == 2


def test_the_spec_loads_its_module_by_name():
    spec = StageSpec("source", "toy_source", "scan", {}, sources=("capture",))
    assert spec.load().STAGE_VERSION == 1
