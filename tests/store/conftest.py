"""Workspaces for the store's tests, in memory where the system has such a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from r2s.core.canonical import digest_json
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


def key_of(text: str) -> str:
    return digest_json({"key": text})


def fill(store: Store) -> tuple[str, str]:
    files = {"points.bin": bytes(range(256)) * 8, "notes/a.txt": b"a"}
    scan = store.put("scan", {"points": 2048}, files, inputs={}, stage={"name": "scan"})
    store.put_run(key_of("scan"), {"stage": "scan", "output": scan})
    store.set_ref("scan/lab", scan, "scan")
    made = store.put(
        "reconstruction", {"objects": 1}, {"m.obj": b"v 0 0 0"}, inputs={"scan": scan}, stage={}
    )
    store.put_run(key_of("reconstruct"), {"stage": "reconstruct", "output": made})
    store.set_ref("reconstruction/lab", made, "reconstruct")
    store.set_current("lab")
    store.checkpoint(key_of("train")).save(1, {"params": b"p" * 300})
    return scan, made
