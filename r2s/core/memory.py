"""How much memory this process has used, and what of it need not stay."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


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


def release(table: Any) -> None:
    """Let go of the pages of a memory-mapped array (`numpy.memmap`); they come back when asked for.

    Else a large file that is read block by block is counted as this process's memory, all of it.
    """
    mapped = getattr(table, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
