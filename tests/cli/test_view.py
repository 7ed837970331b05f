"""Laws of `r2s view`: it says where the page is, serves until Ctrl-C, and names what is in its way."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

SPACING_M, HALF_M = 0.02, 0.5


@pytest.fixture
def table(r2s, here: Path) -> Path:
    """A workspace with a scan of a flat square and a box on it."""
    line = np.arange(-HALF_M, HALF_M, SPACING_M)
    x, y = (each.ravel() for each in np.meshgrid(line, line))
    z = np.where((abs(x) < 0.1) & (abs(y) < 0.1), 0.2, 0.0)
    np.savetxt(here / "table.xyz", np.column_stack([x, y, z]), fmt="%.4f")
    said = r2s("scan", "table.xyz", "--unit", "m", "--up", "+z", "--name", "table")
    assert said.code == 0, said.err
    return here


def test_it_serves_until_ctrl_c_and_says_where(table: Path):
    pytest.importorskip("viser")
    words = [sys.executable, "-m", "r2s", "view", "scan/table", "--browser", "--json"]
    with subprocess.Popen(words, cwd=table, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, "it ended"
            text += line
        said = json.loads(text)
        with urlopen(said["url"], timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert said["ok"] and said["kind"] == "scan"


def test_a_busy_port_is_told(r2s, table: Path):
    pytest.importorskip("viser")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = r2s("view", "scan/table", "--port", str(taken.getsockname()[1]))
    assert said.code == 1 and "R2S-REPORT-011" in said.err and "without --port" in said.err


def test_without_viser_there_is_a_picture_and_the_way_to_more(r2s, table: Path, monkeypatch):
    from r2s.report import browser

    monkeypatch.setattr(browser, "has_viser", lambda: False)
    monkeypatch.setitem(sys.modules, "viser", None)
    monkeypatch.delenv("DISPLAY", raising=False)
    said = r2s("view", "scan/table", "-o", "seen.png")
    assert said.code == 0 and "r2s-pipeline[viz]" in said.out
    assert (table / "seen.png").read_bytes().startswith(b"\x89PNG")
    refused = r2s("view", "scan/table", "--browser")
    assert refused.code == 1 and "R2S-REPORT-010" in refused.err


def test_only_scenes_have_a_training_model(r2s, table: Path):
    said = r2s("view", "scan/table", "--train")
    assert said.code == 1 and "R2S-CLI-027" in said.err and "scene/NAME" in said.err
