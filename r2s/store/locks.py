"""Locks and leases under `flock`: whoever dies, by whatever signal, has let go.

Three kinds, always taken in this order, so that no two processes wait for each other:
    key lock       `locks/key-<hex>`   exclusive, held while a stage computes: one builder per action
    store lock     `locks/store`       shared by commits, exclusive for gc and repair
    names lock     `locks/names`       exclusive, for the moment in which refs, runs, index change
A lease `leases/<id>` is locked for the life of a process and lists the artifacts it made or uses, so
that gc keeps them; a lease that can be locked belongs to the dead (the temp roots of Nix).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from r2s.store import errors, fs, names

DEFAULT_TIMEOUT_S = 600.0
SPEAK_AFTER_S = 1.0
POLL_S = 0.02

OnWait = Callable[[str], None]


def timeout_s() -> float:
    """Return how long to wait for a lock [s]: `R2S_LOCK_TIMEOUT` or ten minutes."""
    text = os.environ.get("R2S_LOCK_TIMEOUT", "")
    if not text:
        return DEFAULT_TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError as exc:
        raise errors.bad_timeout(text) from exc
    if not 0 <= seconds < float("inf"):
        raise errors.bad_timeout(text)
    return seconds


@contextmanager
def locked(
    path: Path, what: str, *, shared: bool = False, on_wait: OnWait | None = None
) -> Iterator[None]:
    """Hold the lock file `path` inside the `with`.

    Args:
        what: the thing that is locked, for messages.
        on_wait: called once, with a sentence, when waiting takes longer than a second.

    Raises:
        LockTimeout: R2S-STORE-030.
    """
    descriptor = _acquire(path, what, shared=shared, on_wait=on_wait)
    try:
        yield
    finally:
        fs.close_lock(descriptor)


def _acquire(path: Path, what: str, *, shared: bool, on_wait: OnWait | None) -> int:
    limit_s, began, spoken = timeout_s(), time.monotonic(), False
    while True:
        descriptor = fs.open_lock(path)
        try:
            if fs.try_lock(descriptor, path, shared=shared):
                if not shared:
                    fs.write_lock_text(descriptor, _about_me(), path)
                return descriptor
        except BaseException:
            fs.close_lock(descriptor)
            raise
        fs.close_lock(descriptor)
        waited_s = time.monotonic() - began
        if waited_s > limit_s:
            raise errors.lock_timeout(what, holder(path), limit_s)
        if waited_s > SPEAK_AFTER_S and on_wait is not None and not spoken:
            spoken = True
            on_wait(f"waiting for {holder(path)}, which holds {what}")
        time.sleep(POLL_S)


def holder(path: Path) -> str:
    """Return who holds a lock, in words, as far as its file tells."""
    try:
        about = json.loads(fs.read(path, 4096) or b"{}")
        minutes = (time.time() - float(about["since_s"])) / 60
        command = "".join(c if c.isprintable() else "?" for c in str(about["command"])[:120])
        return f"`{command}` (pid {int(about['pid'])}, started {minutes:.0f} min ago)"
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "another r2s process"


def _about_me() -> bytes:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python"
    return json.dumps({"pid": os.getpid(), "since_s": time.time(), "command": command}).encode()


class Gate:
    """A lock file that its holder may pass again: a thread never waits for itself."""

    def __init__(self, path: Path, what: str):
        self._path = path
        self._what = what
        self._inside = threading.local()

    @contextmanager
    def passed(self, *, shared: bool = False, on_wait: OnWait | None = None) -> Iterator[None]:
        """Hold the lock inside the `with`. A shared holder must not ask for the exclusive lock."""
        if getattr(self._inside, "held", False):
            yield
            return
        with locked(self._path, self._what, shared=shared, on_wait=on_wait):
            self._inside.held = True
            try:
                yield
            finally:
                self._inside.held = False


class Lease:
    """This process's claim on artifacts and on its scratch folder."""

    def __init__(self, leases: Path, scratch: Path):
        self.pid = os.getpid()
        while True:
            identifier = os.urandom(8).hex()
            self._path = leases / identifier
            self._descriptor = fs.open_lock(self._path)
            if fs.try_lock(self._descriptor, self._path, shared=False):
                break
            fs.close_lock(self._descriptor)  # swept in the moment between making and locking it
        self.scratch = scratch / identifier
        fs.make_folder(self.scratch)
        self._held: set[str] = set()

    def temporary(self) -> Path:
        """Return a new path for a temporary file or folder, on the disk of the workspace."""
        return self.scratch / os.urandom(8).hex()

    def hold(self, digest: str) -> None:
        """Keep an artifact from gc for the life of this process. Call under the store lock."""
        if digest not in self._held:
            fs.append_lock_text(self._descriptor, digest.encode() + b"\n", self._path)
            self._held.add(digest)

    def release(self) -> None:
        """End the lease, once. A forked child leaves its parent's alone."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self.pid == os.getpid():
            fs.remove_tree(self.scratch)
            fs.remove(self._path)
        fs.close_lock(descriptor)


def leased(leases: Path) -> set[str]:
    """Return the artifacts that living processes hold. Call under the exclusive store lock."""
    held: set[str] = set()
    for name in fs.names_in(leases):
        if is_locked(leases / name):
            text = (fs.read(leases / name) or b"").decode("ascii", "replace")
            held |= {line for line in text.split("\n") if names.is_digest(line)}
    return held


def sweep(leases: Path, scratch: Path) -> int:
    """Remove what dead processes left; return how many had left something."""
    swept = 0
    for name in sorted({*fs.names_in(leases), *fs.names_in(scratch)}):
        if not fs.exists(leases / name):
            fs.remove_tree(scratch / name)  # a lease is made before its scratch folder
            continue
        descriptor = fs.open_lock(leases / name)
        try:
            if fs.try_lock(descriptor, leases / name, shared=False):
                fs.remove_tree(scratch / name)
                fs.remove(leases / name)
                swept += 1
        finally:
            fs.close_lock(descriptor)
    return swept


def is_locked(path: Path) -> bool:
    """Whether a living process holds this lock file."""
    if not fs.exists(path):
        return False
    descriptor = fs.open_lock(path)
    try:
        return not fs.try_lock(descriptor, path, shared=False)
    finally:
        fs.close_lock(descriptor)
