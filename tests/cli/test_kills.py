"""kill -9 at random moments of the real command: the same command again gives the same artifact."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CAPTURE = ROOT / "samples" / "workbench.pcd"
KILLS = 20


def command(folder: Path, *argv: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "r2s", *argv, "--json", "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(folder: Path, *argv: str) -> dict:
    child = command(folder, *argv)
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err.decode()
    return json.loads(out)


@pytest.mark.campaign
def test_a_killed_scan_finishes_with_the_same_digest(tmp_path: Path):
    argv = ("scan", str(CAPTURE), "--name", "lab")
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    began = time.monotonic()
    expected = finished(undisturbed, *argv)["artifact"]
    baseline_s = time.monotonic() - began
    moments = random.Random(7)
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        child = command(folder, *argv)
        time.sleep(moments.uniform(0, baseline_s))
        child.kill()
        child.communicate()
        assert finished(folder, *argv)["artifact"] == expected
        assert finished(folder, "fsck")["findings"] == []
