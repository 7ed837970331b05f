"""How much memory this process has used."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def peak_bytes() -> int:
    """Return the most resident memory [B] this process ever had.

    Linux's `ru_maxrss` outlives `exec`: a child begins with what its parent held. `VmHWM` does not.
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
