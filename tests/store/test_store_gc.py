"""Laws of gc: nothing in use goes, the plan tells names, undo brings all back, commits never lose."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest
from store_samples import fill, key_of

from r2s.core.errors import IntegrityError, R2SError
from r2s.store import Store
from r2s.store.gc import Keep

DAY_S = 86_400.0
NOTHING = Keep(reflog_s=0, young_s=0, runs=0, checkpoints_s=0)


def put(store: Store, text: str, **inputs: str) -> str:
    return store.put("policy", {"text": text}, {"w": text.encode() * 9}, inputs=inputs, stage={})


def reopened(store: Store) -> Store:
    """The same workspace in what could be another process: nothing is leased."""
    store.close()
    return Store.open(store.path)


def test_a_fresh_workspace_has_no_garbage(lab):
    assert not reopened(lab).plan_gc(time.time())


def test_what_a_name_needs_stays_whatever_its_age(lab):
    store = reopened(lab)
    store.gc(store.plan_gc(time.time() + 9999 * DAY_S, NOTHING))
    made = store.get(store.ref("reconstruction/lab"))
    assert store.get(made.inputs["scan"]).files["notes/a.txt"] == b"a"
    assert store.fsck() == []


def test_the_plan_changes_nothing_and_tells_former_names(lab):
    lab.delete_ref("reconstruction/lab")
    store = reopened(lab)
    before = {
        p: p.read_bytes() for p in store.path.rglob("*") if p.is_file() and "locks" not in p.parts
    }
    plan = store.plan_gc(time.time() + 60 * DAY_S, NOTHING)
    assert [(item.name, item.kind) for item in plan.items] == [
        ("reconstruction/lab@1", "reconstruction")
    ]
    assert plan.freed_bytes > 0 and plan.kept == 1
    after = {
        p: p.read_bytes() for p in store.path.rglob("*") if p.is_file() and "locks" not in p.parts
    }
    assert before == after


def test_gc_frees_and_undo_brings_all_back(lab):
    made = lab.ref("reconstruction/lab")
    lab.delete_ref("reconstruction/lab")
    store = reopened(lab)
    before = sorted(store.blobs), list(store.runs()), store.reflog("reconstruction/lab")
    plan = store.plan_gc(time.time() + 60 * DAY_S, NOTHING)
    assert store.gc(plan)
    assert not store.has(made) and store.get_run(key_of("reconstruct")) is None
    assert store.fsck() == []
    assert store.undo_gc() == []
    assert (sorted(store.blobs), list(store.runs()), store.reflog("reconstruction/lab")) == before
    assert store.get(made).files["m.obj"] == b"v 0 0 0"
    assert store.fsck() == []
    with pytest.raises(R2SError, match="nothing to bring back"):
        store.undo_gc()


@pytest.mark.parametrize(
    ("keep", "age_days"),
    [
        (Keep(), 0.5),
        (Keep(runs=3), 60),
        (Keep(reflog_s=90 * DAY_S, runs=0), 60),
        (Keep(young_s=90 * DAY_S, runs=0), 60),
    ],
)
def test_young_recent_and_remembered_things_stay(lab, keep, age_days):
    made = lab.ref("reconstruction/lab")
    lab.set_ref("reconstruction/lab", put(lab, "other"), "moved")
    store = reopened(lab)
    store.gc(store.plan_gc(time.time() + age_days * DAY_S, keep))
    assert store.has(made)


def test_former_values_go_when_they_are_old(lab):
    made = lab.ref("reconstruction/lab")
    lab.set_ref("reconstruction/lab", put(lab, "other"), "moved")
    store = reopened(lab)
    store.gc(store.plan_gc(time.time() + 60 * DAY_S, Keep(runs=0)))
    assert not store.has(made)
    assert [entry.number for entry in store.reflog("reconstruction/lab")] == [2]


def test_what_a_living_process_holds_stays(store):
    digest = put(store, "unnamed")
    with Store.open(store.path) as other:
        other.gc(other.plan_gc(time.time() + 60 * DAY_S, NOTHING))
        assert store.has(digest)
    store = reopened(store)
    store.hold([])
    with Store.open(store.path) as other:
        other.gc(other.plan_gc(time.time() + 60 * DAY_S, NOTHING))
        assert not store.has(digest)


def test_what_got_a_name_after_the_plan_stays(store):
    digest = put(store, "late")
    store = reopened(store)
    plan = store.plan_gc(time.time() + 60 * DAY_S, NOTHING)
    assert [item.digest for item in plan.items] == [digest]
    store.set_ref("policy/late", digest, "")
    store.gc(plan)
    assert store.has(digest) and store.fsck() == []


def test_garbage_made_after_the_plan_stays_whole(store):
    """What was shown as garbage is kept once newer garbage was made from it or by a newer run."""
    old = put(store, "old")
    again = put(store, "again")
    store = reopened(store)
    plan = store.plan_gc(time.time() + 60 * DAY_S, NOTHING)
    newer = put(store, "newer", base=old)
    store.put_run(key_of("again"), {"output": again})
    store = reopened(store)
    store.gc(plan)
    assert store.get(newer).inputs == {"base": old} and store.has(old)
    assert not store.has(again) and store.get_run(key_of("again")) is None
    assert store.fsck() == []


def test_checkpoints_of_finished_actions_go_those_of_running_ones_stay(store):
    for name in ("done", "running"):
        store.checkpoint(key_of(name)).save(1, {"a": b"a"})
    digest = put(store, "x")
    store.put_run(key_of("done"), {"output": digest})
    store.set_ref("policy/x", digest, "")
    with store.key_lock(key_of("running")):
        store.gc(store.plan_gc(time.time() + 60 * DAY_S))
    assert store.checkpoint(key_of("done")).latest() is None
    assert store.checkpoint(key_of("running")).latest() is not None


def test_gc_refuses_while_something_in_use_is_damaged(lab):
    store = reopened(lab)
    put(store, "garbage")
    store = reopened(store)
    manifest = store.manifest(store.ref("scan/lab"))
    store.blobs.path(manifest.config.digest).unlink()
    plan = store.plan_gc(time.time() + 60 * DAY_S, NOTHING)
    assert "scan/lab" in plan.damaged[0]
    with pytest.raises(IntegrityError) as caught:
        store.gc(plan)
    assert caught.value.code == "R2S-STORE-052"


def test_the_trash_is_freed_after_a_week(lab):
    lab.delete_ref("reconstruction/lab")
    store = reopened(lab)
    now_s = time.time() + 60 * DAY_S
    store.gc(store.plan_gc(now_s, NOTHING))
    assert store.purge(now_s + 6 * DAY_S) == 0
    assert store.purge(now_s + 8 * DAY_S) == 1
    assert list((store.path / "trash").iterdir()) == []


def test_undo_tells_what_was_lost(lab):
    made = lab.ref("reconstruction/lab")
    lab.delete_ref("reconstruction/lab")
    store = reopened(lab)
    trash = store.gc(store.plan_gc(time.time() + 60 * DAY_S, NOTHING))
    (store.path / "trash" / trash / "blobs" / made[7:]).write_bytes(b"x")
    assert store.undo_gc() == [made]
    assert not store.has(made)


def commit_and_name(path: str, worker: int, seconds: float) -> None:
    with Store.open(path) as store:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            digest = put(store, f"{worker}-{number % 3}")
            store.put_run(key_of(f"{worker}-{number}"), {"stage": str(worker), "output": digest})
            store.set_ref(f"policy/w{worker}", digest, str(number))
            assert store.get(store.ref(f"policy/w{worker}")).files["w"]
    os._exit(0 if number > 3 else 7)


def collect_always(path: str, seconds: float) -> None:
    with Store.open(path) as store:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            store.gc(store.plan_gc(time.time() + 60 * DAY_S, NOTHING))
            store.purge(time.time(), everything=True)
    os._exit(0)


def test_commits_beside_a_collector_never_lose_a_byte(memory):
    """3 writers and 2 collectors that keep nothing for its age: every name is whole at the end."""
    path = memory / ".r2s"
    with Store.create(path) as store:
        fill(store)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=commit_and_name, args=(path, n, 2.5)) for n in range(3)]
    workers += [context.Process(target=collect_always, args=(path, 2.5)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 5
    with Store.open(path) as store:
        assert store.fsck() == []
        assert set(store.refs()) == {
            "policy/w0",
            "policy/w1",
            "policy/w2",
            "reconstruction/lab",
            "scan/lab",
        }
