"""Run a function in a child process with limits, so that a native crash is an error with a file's name.

    mesh = run_limited("r2s.scan.readers.mesh:load", (path,), limits=LIMITS.parse,
                       what=f"trimesh reading {path}")

The child is kept and used again, so imports (Open3D: 2 s) are paid once; it is replaced after a crash,
after `JOBS_PER_CHILD` calls or once it has grown. Functions are named, never sent; arguments and results
are the values `wire` knows: plain data and numpy arrays.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import r2s
from r2s.core import errors
from r2s.core.errors import R2SError, ResourceError, UnsafeInput
from r2s.guard.limits import GIB, ChildLimits
from r2s.guard.wire import WireError, receive, send

JOBS_PER_CHILD = 64
GROWN_BYTES = 3 * GIB
WATCH_S = 0.5


def run_limited(
    target: str, args: Sequence[Any] = (), *, limits: ChildLimits, what: str,
    kwargs: Mapping[str, Any] | None = None, watch: Callable[[], None] | None = None,
) -> Any:  # fmt: skip
    """Return `target(*args, **kwargs)`, computed in a child process.

    Args:
        target: `package.module:function` inside r2s.
        limits: memory, processor and wall limits of this call.
        what: words for the error, naming tool and file: `trimesh reading scans/poly.glb`.
        watch: called about twice a second while the child works; what it raises ends the child.

    Raises:
        R2SError: what the function itself raised, or R2S-CHILD-004 for any other exception.
        UnsafeInput: the child crashed (R2S-CHILD-001).
        ResourceError: time (R2S-CHILD-002) or memory (R2S-CHILD-003) ran out.
    """
    child = _take()
    try:
        reply = child.call(
            {
                "target": target, "args": tuple(args), "kwargs": dict(kwargs or {}),
                "memory_bytes": limits.memory_bytes, "cpu_s": limits.cpu_s,
            },
            limits.wall_s, watch,
        )  # fmt: skip
    except _Gone as gone:
        raise _death(gone, limits, what) from None
    except BaseException:
        child.kill()
        raise
    _give_back(child, reply.get("memory_bytes", 0))
    if "result" in reply:
        return reply["result"]
    if "r2s_error" in reply:
        raise _rebuilt(reply["r2s_error"])
    if "out_of_memory" in reply:
        raise _no_memory(limits, what)
    problem = reply["error"]
    raise R2SError(
        "R2S-CHILD-004", f"{what}: {problem['type']}", where=what, why=problem["text"],
        remedy="check the file in another program; if it is fine there, report this as a defect",
    )  # fmt: skip


class _Gone(Exception):
    """The child ended, or was ended, before it answered."""

    def __init__(self, *, timed_out: bool, code: int, said: str):
        super().__init__(said)
        self.timed_out, self.code, self.said = timed_out, code, said


class _Child:
    """One worker process."""

    def __init__(self):
        root = str(Path(r2s.__file__).parents[1])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", "r2s.guard.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        )  # fmt: skip
        self.owner = os.getpid()
        self.jobs = 0

    @property
    def alive(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def call(
        self, request: dict[str, Any], wall_s: float, watch: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Send a request and return the answer; raise `_Gone` if there is none in time."""
        assert self._process.stdin and self._process.stdout
        self.jobs += 1
        self._said.seek(0)
        self._said.truncate()
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(wall_s, end)
        timer.daemon = True
        timer.start()
        try:
            send(self._process.stdin, request)  # type: ignore[arg-type]
            while watch and not select.select([self._process.stdout], [], [], WATCH_S)[0]:
                watch()
            return receive(self._process.stdout)  # type: ignore[arg-type]
        except (WireError, BrokenPipeError, ValueError) as exc:
            self._process.kill()
            code = self._process.wait()
            self._said.seek(0)
            said = self._said.read()[-2000:].decode("utf-8", "replace")
            self.kill()
            raise _Gone(timed_out=late.is_set(), code=code, said=said) from exc
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the process and close its pipes."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        for stream in filter(None, (self._process.stdin, self._process.stdout, self._said)):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


_idle: list[_Child] = []
_lock = threading.Lock()


def _take() -> _Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.alive:
                return child
    return _Child()


def _give_back(child: _Child, memory_bytes: int) -> None:
    with _lock:
        if child.jobs < JOBS_PER_CHILD and memory_bytes < GROWN_BYTES and not _idle:
            _idle.append(child)
            return
    child.kill()


@atexit.register
def _end_children() -> None:
    while _idle:
        _idle.pop().kill()


def _death(gone: _Gone, limits: ChildLimits, what: str) -> R2SError:
    lines = [line.strip() for line in gone.said.splitlines() if line.strip()]
    last = f"; its last words: {lines[-1][:300]}" if lines else ""
    if gone.timed_out or gone.code == -getattr(signal, "SIGXCPU", -1):
        limit = f"{limits.wall_s:g} s" if gone.timed_out else f"{limits.cpu_s} s of processor time"
        return ResourceError(
            "R2S-CHILD-002", f"{what} took longer than {limit}", where=what,
            why=f"it was stopped so that r2s does not hang{last}",
            remedy="try a smaller or simpler file",
        )  # fmt: skip
    if "std::bad_alloc" in gone.said or "MemoryError" in gone.said:
        return _no_memory(limits, what)
    try:
        name = signal.Signals(-gone.code).name if gone.code < 0 else f"exit code {gone.code}"
    except ValueError:
        name = f"signal {-gone.code}"
    return UnsafeInput(
        "R2S-CHILD-001", f"{what} crashed ({name})", where=what,
        why=f"the native library ended its process; r2s and its other results are unharmed{last}",
        remedy="export the file again in another program, or report the file to the library's authors",
    )  # fmt: skip


def _no_memory(limits: ChildLimits, what: str) -> ResourceError:
    return ResourceError(
        "R2S-CHILD-003", f"{what} needs more than {limits.memory_bytes / GIB:.1f} GiB of memory",
        where=what, why="the limit protects the machine from files that unpack to far more than they are",
        remedy="try a smaller file",
    )  # fmt: skip


def _rebuilt(told: Mapping[str, Any]) -> R2SError:
    kinds = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, R2SError)]
    kind = next((c for c in kinds if c.exit_code == told["exit_code"]), R2SError)
    return kind(
        told["code"], told["what"], where=told["where"], why=told["why"], remedy=told["remedy"]
    )
