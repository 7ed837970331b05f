"""The real command line in this process, on the real store, with a tiny real stage as `scan`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import toy_stages

from r2s.cli.app import run
from r2s.engine import catalog


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, outside any workspace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("R2S_WORKSPACE", raising=False)
    return tmp_path


@pytest.fixture
def r2s(here: Path, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command line and returns what it said."""

    def call(*argv: str | Path) -> Said:
        capsys.readouterr()
        code = run([str(word) for word in argv])
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def toy_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `scan` the toy stage that reads numbers from a text file."""
    toy = dataclasses.replace(catalog.SCAN, module="toy_source")
    monkeypatch.setattr(catalog, "SCAN", toy)
    monkeypatch.setitem(catalog.STAGES, "scan", toy)
    toy_stages.CALLS.clear()


@pytest.fixture
def numbers(here: Path, toy_scan: None) -> Path:
    path = here / "numbers.txt"
    path.write_text("1 2 3")
    return path
