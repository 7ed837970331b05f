"""Locks: one builder per action, waiting that speaks, nothing left by the dead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from store_samples import key_of

from r2s.core.errors import LockTimeout, UsageError
from r2s.store import Store

fork = multiprocessing.get_context("fork")


def build_once(path: Path, built: Path, number: int) -> None:
    """What the engine does: look, lock, look again, build."""
    with Store.open(path) as store:
        key = key_of("shared")
        if store.get_run(key) is None:
            with store.key_lock(key):
                if store.get_run(key) is None:
                    (built / str(number)).touch()
                    time.sleep(0.2)
                    digest = store.put("scan", {}, {"a": b"a"}, inputs={}, stage={})
                    store.put_run(key, {"stage": "scan", "output": digest})
        assert store.get_run(key)["attempts"] == 1
    os._exit(0)


def test_many_processes_build_one_key_once(memory):
    path, built = memory / ".r2s", memory / "built"
    Store.create(path).close()
    built.mkdir()
    workers = [fork.Process(target=build_once, args=(path, built, n)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert len(list(built.iterdir())) == 1


def hold_lock(path: Path, ready, seconds: float) -> None:
    store = Store.open(path)
    with store.key_lock(key_of("k")), store.scratch() as scratch:
        (scratch / "left").write_text("behind")
        store.put("scan", {}, {}, inputs={}, stage={})
        ready.set()
        time.sleep(seconds)
    os._exit(0)


def holder(path: Path, seconds: float):
    ready = fork.Event()
    process = fork.Process(target=hold_lock, args=(path, ready, seconds))
    process.start()
    assert ready.wait(30)
    return process


def test_who_waits_is_told_for_whom_then_gets_the_lock(store):
    process = holder(store.path, 1.6)
    heard: list[str] = []
    with store.key_lock(key_of("k"), heard.append):
        assert not process.is_alive() or process.join(5) is None
    assert len(heard) == 1 and f"pid {process.pid}" in heard[0]


def test_another_key_is_free(store):
    process = holder(store.path, 5)
    with store.key_lock(key_of("other")):
        pass
    process.kill()
    process.join()


def test_waiting_ends_with_an_error_that_names_the_holder(store, monkeypatch):
    monkeypatch.setenv("R2S_LOCK_TIMEOUT", "0.1")
    process = holder(store.path, 30)
    with pytest.raises(LockTimeout) as caught, store.key_lock(key_of("k")):
        pass
    assert caught.value.exit_code == 6
    assert f"pid {process.pid}" in caught.value.where and "R2S_LOCK_TIMEOUT" in caught.value.remedy
    process.kill()
    process.join()


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_timeout_that_is_no_number_is_refused(store, monkeypatch, value):
    monkeypatch.setenv("R2S_LOCK_TIMEOUT", value)
    with pytest.raises(UsageError), store.key_lock(key_of("k")):
        pass


def test_a_killed_holder_leaves_nothing(store):
    process = holder(store.path, 30)
    assert len(list((store.path / "scratch").iterdir())) == 1
    with Store.open(store.path):  # the holder lives: its scratch is left alone
        assert len(list((store.path / "scratch").iterdir())) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Store.open(store.path) as other:
        assert list((store.path / "scratch").iterdir()) == []
        assert list((store.path / "leases").iterdir()) == []
        with other.key_lock(key_of("k")):
            pass


def test_the_same_thread_passes_its_own_lock_again(store):
    with store.commit_lock(), store.commit_lock(), store.names_lock(), store.names_lock():
        store.set_current("lab")
    with store.exclusive_lock():
        store.set_current("other")  # would wait for itself otherwise


def test_garbage_in_a_lock_file_is_not_believed(store, monkeypatch):
    monkeypatch.setenv("R2S_LOCK_TIMEOUT", "0.05")
    process = holder(store.path, 30)
    for garbage in (
        b"",
        b"[]",
        b'{"pid":"x","since_s":1e999,"command":5}',
        b"\xff" * 9,
        b"[" * 4000,
    ):
        (store.path / "locks" / f"key-{key_of('k')[7:]}").write_bytes(garbage)
        with pytest.raises(LockTimeout, match="still locked"), store.key_lock(key_of("k")):
            pass
    process.kill()
    process.join()


def test_scratch_is_empty_and_gone_afterwards(store):
    with store.scratch() as one, store.scratch() as two:
        assert one != two and list(one.iterdir()) == []
        (one / "deep").mkdir()
        (one / "deep" / "file").write_text("x")
    assert not one.exists() and not two.exists()
