"""Workspaces for the store's tests, in memory where the system has such a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import fill

from r2s.store import Store


@pytest.fixture
def memory() -> Iterator[Path]:
    """An empty folder whose flushes cost nothing: crash tests do thousands."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(memory: Path) -> Iterator[Store]:
    """An empty workspace."""
    with Store.create(memory / ".r2s") as opened:
        yield opened


@pytest.fixture
def lab(store: Store) -> Store:
    """A workspace with scan/lab and the reconstruction/lab made from it, their runs, a checkpoint."""
    fill(store)
    return store
