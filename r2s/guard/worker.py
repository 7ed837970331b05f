"""The child's side of `child`: runs one call after another, each under its own limits.

Started as `python -m r2s.guard.worker`. Requests come on standard input, answers leave on what was
standard output; the libraries' own prints go to standard error, where the parent collects them.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys
from typing import Any, BinaryIO

from r2s.core.errors import R2SError
from r2s.core.memory import peak_bytes
from r2s.guard.wire import WireError, receive, send

try:
    import resource
except ImportError:  # Windows has no such limits; the clock still holds there
    resource = None

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main() -> None:
    """Answer requests until the parent goes away."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    _die_with_parent()
    while True:
        try:
            request = receive(requests)
        except WireError:
            return
        _answer(request, answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    try:
        target, args, kwargs = request["target"], request["args"], request["kwargs"]
        function = _function(target)
        _limit(request["memory_bytes"], request["cpu_s"])
        reply = {"result": function(*args, **kwargs)}
        _limit(None, None)
    except R2SError as exc:
        reply = {"r2s_error": {**exc.to_json(), "exit_code": exc.exit_code}}
    except MemoryError:
        reply = {"out_of_memory": True}
    except Exception as exc:  # this is the boundary: what a native parser throws is anybody's guess
        reply = {"error": {"type": type(exc).__name__, "text": str(exc)[:2000]}}
    _limit(None, None)
    send(answers, {**reply, "memory_bytes": peak_bytes()})


def _function(target: str) -> Any:
    module, _, name = target.partition(":")
    if not module.startswith("r2s.") or not name.isidentifier():
        raise ValueError(f"{target} is not a function of r2s")
    return getattr(importlib.import_module(module), name)


def _limit(memory_bytes: int | None, cpu_s: int | None) -> None:
    """Set the soft limits above what the process already uses; None lifts them."""
    if resource is None:
        return
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime)
        resource.setrlimit(
            resource.RLIMIT_CPU, (hard if cpu_s is None else spent + cpu_s + 1, hard)
        )
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = hard if memory_bytes is None else _address_space_bytes() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _address_space_bytes() -> int:
    with contextlib.suppress(OSError), open("/proc/self/statm") as stream:
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


if __name__ == "__main__":
    main()
