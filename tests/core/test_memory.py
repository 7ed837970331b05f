"""A file that is mapped and read block by block is not this process's memory."""

import sys
from pathlib import Path

import numpy as np
import pytest

from r2s.core.memory import release

BYTES = 64 << 20


def resident_of_files() -> int:
    """Return resident file pages of this process [B]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssFile")).split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts pages as Linux does")
def test_released_pages_are_gone_and_read_the_same_again(tmp_path):
    values = np.arange(BYTES // 8, dtype="<f8")
    values.tofile(tmp_path / "data")
    before = resident_of_files()
    table = np.memmap(tmp_path / "data", "<f8", "r")
    total = float(np.sum(table))
    held = resident_of_files() - before
    assert held > 0.9 * BYTES
    release(table)
    assert resident_of_files() - before < 0.1 * BYTES
    assert float(np.sum(table)) == total == float(values.sum())


def test_other_arrays_stay():
    array = np.arange(4)
    release(array)
    release({"x": array})
    assert array.tolist() == [0, 1, 2, 3]
