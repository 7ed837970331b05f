"""Killed at every file-system call: any prefix of an operation is invisible, and the rerun completes.

A child runs the operation and ends by `os._exit` just before its k-th changing call, for every k; writes
are two calls, so torn files are among the states. Calls that only read are not counted: dying before
one leaves the same disk as dying before the next change.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from store_samples import fill, key_of

from r2s.store import Store, fs, workspace
from r2s.store.gc import Keep

CHANGES = {
    "create", "write", "fsync", "fsync_folder", "syncfs", "rename", "mkdir", "unlink", "rmdir", "open_lock",
    "write_lock",
}  # fmt: skip
KILLED = 42
FAR_S = 400 * 86_400.0


def put(store: Store) -> object:
    files = {f"{n}.bin": b"%d" % n * 50 for n in range(3)}
    return store.put("scan", {"new": True}, files, inputs={}, stage={})


def put_many(store: Store) -> object:
    files = {f"{n}.bin": b"%d" % n * 9 for n in range(fs.SYNCFS_FROM_FILES + 1)}
    return store.put("scan", {"new": True}, files, inputs={"scan": store.ref("scan/lab")}, stage={})


def heal(store: Store) -> object:
    """Put again what is corrupt on the disk."""
    for path in (store.path / "blobs/sha256").iterdir():
        if path.stat().st_size == 2048:
            path.write_bytes(b"x" * 2048)
    return fill(store)[0]


def put_run(store: Store) -> object:
    store.put_run(key_of("again"), {"stage": "scan", "output": store.ref("scan/lab")})
    return store.get_run(key_of("again"))["output"]


def set_ref(store: Store) -> object:
    store.set_ref("scan/lab", store.ref("reconstruction/lab"), "moved")
    store.set_ref("scan/new/deep", store.ref("reconstruction/lab"), "new")
    return store.refs()


def delete_ref(store: Store) -> object:
    if store.ref("scan/lab"):
        store.delete_ref("scan/lab")
    return store.refs()


def set_current(store: Store) -> object:
    store.set_current("other")
    return store.current


def save_checkpoint(store: Store) -> object:
    before = store.checkpoint(key_of("train")).latest()
    assert before is not None and before[0] in (1, 2, 3, 4)
    for step in (2, 3, 4):
        store.checkpoint(key_of("train")).save(step, {"params": b"%d" % step * 40})
    return store.checkpoint(key_of("train")).latest()


def collect(store: Store) -> object:
    if store.ref("reconstruction/lab"):
        store.delete_ref("reconstruction/lab")
    store.gc(store.plan_gc(time.time() + FAR_S, Keep(runs=0)))
    assert store.get_run(key_of("reconstruct")) is None
    assert store.get(store.ref("scan/lab")).files["notes/a.txt"] == b"a"
    return store.refs(), sorted(store.blobs)


def collect_and_undo(store: Store) -> object:
    made = store.get_run(key_of("reconstruct"))
    if made is None:
        store.undo_gc()
    else:
        collect(store)
        store.undo_gc()
    return store.get(store.get_run(key_of("reconstruct"))["output"]).files["m.obj"]


def purge(store: Store) -> object:
    collect(store)
    store.purge(time.time() + FAR_S, everything=True)
    return sorted(store.blobs), sorted((store.path / "trash").iterdir())


def unpack(store: Store) -> object:
    package = store.path.parent / "package.tar"
    return [(each.name, each.digest) for each in store.unpack(package)]


def pull(store: Store) -> object:
    other = store.path.parent / "other"
    return [(each.name, each.digest) for each in store.pull(other)]


def repair(store: Store) -> object:
    """A flipped blob and a broken ref: mended, and made again by the stage."""

    def rerun(broken) -> None:
        files = {"points.bin": bytes(range(256)) * 8, "notes/a.txt": b"a"}
        stage = {"name": "scan"}
        assert broken.stage == "scan"
        assert store.put("scan", {"points": 2048}, files, inputs={}, stage=stage) == broken.digest

    store.repair(rerun)
    return store.refs()


OPERATIONS = [
    put, put_many, heal, put_run, set_ref, delete_ref, set_current, save_checkpoint, collect,
    collect_and_undo, purge, unpack, pull, repair,
]  # fmt: skip


# The long ones take every seventh call in CI; `nox -s campaign` takes all.
LONG = {put_many, collect, collect_and_undo, purge, unpack, pull, repair}
STRIDE = 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_killed_at_any_call_then_run_again(operation, memory):
    kill_and_run_again(operation, memory, STRIDE if operation in LONG else 1)


@pytest.mark.campaign
@pytest.mark.parametrize("operation", sorted(LONG, key=lambda operation: operation.__name__))
def test_killed_at_every_call_then_run_again(operation, memory):
    kill_and_run_again(operation, memory, 1)


def kill_and_run_again(operation: Callable, memory: Path, stride: int) -> None:
    base = memory / "base"
    prepare(base, operation)
    whole = memory / "whole"
    shutil.copytree(base, whole)
    calls, wanted = count_and_run(whole, operation)
    assert calls > 5
    for k in range(1, calls + 1, stride):
        copy = memory / "copy"
        shutil.copytree(base, copy)
        assert killed_at(copy, operation, k), f"no call number {k}"
        with Store.open(copy / ".r2s") as store:
            assert operation in (repair, heal) or store.fsck() == [], f"after call {k}"
            assert operation(store) == wanted, f"rerun after call {k}"
            assert store.fsck() == []
        assert leftovers(store) == [], f"after call {k}"
        shutil.rmtree(copy)


def prepare(base: Path, operation: Callable) -> None:
    base.mkdir()
    with Store.create(base / ".r2s") as store:
        fill(store)
        if operation in (unpack, pull):
            new = store.put(
                "scene",
                {},
                {"s": b"s" * 30},
                inputs={"r": store.ref("reconstruction/lab")},
                stage={},
            )
            store.set_ref("scene/lab", new, "scene")
            store.pack([new], base / "package.tar")
            store.push([new], base / "other")
    if operation in (unpack, pull):
        shutil.rmtree(base / ".r2s")
        Store.create(base / ".r2s").close()
    if operation is repair:
        for path in (base / ".r2s/blobs/sha256").iterdir():
            if path.stat().st_size == 2048:
                path.write_bytes(b"x" * 2048)
        (base / ".r2s/refs/scan/lab").write_bytes(b"garbage")


def count_and_run(root: Path, operation: Callable) -> tuple[int, object]:
    calls = 0

    def count(name: str, path: str) -> None:
        nonlocal calls
        calls += name in CHANGES

    with Store.open(root / ".r2s") as store:
        fs.HOOK = count
        try:
            result = operation(store)
        finally:
            fs.HOOK = None
    return calls, result


def killed_at(root: Path, operation: Callable, k: int) -> bool:
    """Run the operation in a child that dies at its k-th call; whether it did."""
    child = os.fork()
    if child == 0:
        left = k

        def die(name: str, path: str) -> None:
            nonlocal left
            left -= name in CHANGES
            if left == 0:
                os._exit(KILLED)

        code = 0
        try:
            store = Store.open(root / ".r2s")
            fs.HOOK = die
            operation(store)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            code = 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def leftovers(store: Store) -> list[Path]:
    return [*(store.path / "scratch").iterdir(), *(store.path / "leases").iterdir()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_creating_a_workspace_can_be_killed_anywhere(memory):
    k = 0
    while True:
        k += 1
        root = memory / f"w{k}"
        root.mkdir()
        child = os.fork()
        if child == 0:
            left = k

            def die(name: str, path: str) -> None:
                nonlocal left
                left -= name in CHANGES
                if left == 0:
                    os._exit(KILLED)

            fs.HOOK = die
            Store.create(root / ".r2s")
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        if workspace.is_workspace(root / ".r2s"):  # then a command opens it instead of making it
            Store.open(root / ".r2s").close()
        with Store.create(root / ".r2s") as store:
            assert store.fsck() == []
            fill(store)
            assert store.fsck() == []
        if not killed:
            break
    assert k > 20


def test_bytes_are_durable_before_any_name_says_so(store, monkeypatch):
    """The log of calls: no rename before its file is flushed, no manifest before its blobs' folder."""
    log: list[tuple[str, str]] = []
    monkeypatch.setattr(fs, "HOOK", lambda name, path: log.append((name, path)))
    digest = put(store)
    store.put_run(key_of("x"), {"output": digest})
    store.set_ref("scan/x", digest, "test")
    durable_names: set[str] = set()
    named: list[str] = []
    unflushed = 0
    for name, path in log:
        if name == "write":
            unflushed += 1
        elif name in ("fsync", "syncfs"):
            unflushed = 0
        elif name == "rename":
            assert unflushed == 0, f"{path} was named before its bytes were flushed"
            named.append(path)
            if path.endswith(digest[7:]):
                blobs = [p for p in named[:-1] if "/blobs/" in p]
                assert len(blobs) == 4 and set(blobs) <= durable_names
            if "/runs/" in path or "/refs/" in path:
                assert any(p.endswith(digest[7:]) for p in durable_names)
        elif name == "fsync_folder":
            durable_names |= {p for p in named if str(Path(p).parent) == path}
    kinds = [Path(path).relative_to(store.path).parts[0] for path in named]
    assert kinds == ["blobs"] * 5 + ["runs", "runs", "refs", "index.json"]
    assert set(named) == durable_names
