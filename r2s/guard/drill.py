"""Functions that misbehave on purpose, to prove on this machine that `child` contains them."""

from __future__ import annotations

import os
import time
from typing import Any

from r2s.core.errors import R2SError


def echo(value: Any) -> Any:
    """Return the value."""
    return value


def process_id() -> int:
    """Return the child's process id."""
    return os.getpid()


def crash() -> None:
    """End the process as a failed assertion in a native library does."""
    os.write(2, b"drill: assertion failed in a native library\n")
    os.abort()


def hang(seconds: float) -> None:
    """Do nothing for a while."""
    time.sleep(seconds)


def spin(seconds: float) -> None:
    """Burn processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def hoard(size: int) -> int:
    """Allocate and touch `size` bytes."""
    return len(bytearray(size))


def refuse() -> None:
    """Raise an error of the family."""
    raise R2SError("R2S-DRILL-001", "this is a drill", where="here", why="to see", remedy="none")


def stumble() -> None:
    """Raise an error nobody expected."""
    raise IndexError("index 7 is out of bounds")


def chatter() -> str:
    """Print on standard output, as native libraries do, and return."""
    print("a library talks", flush=True)  # noqa: T201 - that is the point
    os.write(1, b"and so does C\n")
    return "quiet"
