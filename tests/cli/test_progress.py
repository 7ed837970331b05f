"""Progress: a live panel on a terminal, one line every ten seconds elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from r2s.cli import progress
from r2s.engine.catalog import TRAIN

ROOT = Path(__file__).parent.parent.parent
STEP = SimpleNamespace(stage=TRAIN)


def test_without_a_terminal_a_line_comes_every_ten_seconds(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.reporter(quiet=False, verbose=False) as reports:
        show = reports.progress(STEP)
        for second in range(60):
            now = float(second)
            show("train", second, 60, steps_per_s=123456.0, success_rate=0.5)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[0] == "train: train 17 %, 50 s left  steps/s 123,456 · success 0.5"
    assert progress.time_left(60, 10, 50) == ", 5 min left"
    assert progress.time_left(60, 0, 50) == ""


def test_quiet_says_nothing(capsys):
    with progress.reporter(quiet=True, verbose=False) as reports:
        reports.progress(STEP)("train", 1, 2)
        reports.waiting("for a lock")
    assert capsys.readouterr() == ("", "")


PROGRAM = """
import time
from types import SimpleNamespace
from r2s.cli.progress import reporter
from r2s.engine.catalog import TRAIN
with reporter(quiet=False, verbose=False) as reports:
    show = reports.progress(SimpleNamespace(stage=TRAIN))
    for i in range(6):
        show("train", i, 5, steps_per_s=123456.0, return_mean=1.25)
        time.sleep(0.15)
    reports.waiting("somebody else is first")
print("the result")
"""


def on_a_terminal(**environment: str) -> tuple[str, str]:
    """Return (stdout, what the terminal on stderr got)."""
    controller, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "COLUMNS": "100",
            **environment,
        },
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            break
        if not part:
            break
        seen += part
    os.close(controller)
    return child.communicate(timeout=60)[0], seen.decode()


def test_on_a_terminal_there_is_a_live_panel_and_stdout_stays_clean():
    out, seen = on_a_terminal()
    assert out == "the result\n"
    assert "steps/s 123,456 · return 1.25" in seen
    assert "somebody else is first" in seen
    assert "\x1b[?25h" in seen  # the cursor is shown again


@pytest.mark.parametrize("variable", ["NO_COLOR", "R2S_NO_PROGRESS"])
def test_colour_and_animation_can_be_switched_off(variable: str):
    _, seen = on_a_terminal(**{variable: "1"})
    assert "\x1b[35m" not in seen
    if variable == "R2S_NO_PROGRESS":
        assert "\x1b[" not in seen
