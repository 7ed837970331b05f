"""kill -9 at random moments of the real commands: the same command again gives the same artifact."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from r2s.core.errors import GateFailed

ROOT = Path(__file__).parent.parent.parent
CAPTURE = ROOT / "samples" / "workbench.pcd"


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
    out, err = child.communicate(timeout=600)
    assert child.returncode in (0, GateFailed.exit_code), err.decode()
    return json.loads(out)


# Each command starts from what those before it made.
CHAIN = (
    ("scan", str(CAPTURE), "--name", "lab"),
    ("build-scene", "--robot", str(ROOT / "samples" / "arm6" / "arm6.urdf"), "--task", "reach"),
    ("train", "--iterations", "8", "--checkpoint-every", "2", "--evaluate-every", "4"),
    ("validate",),
)
KILLS = {"scan": 20, "build-scene": 8, "train": 8, "validate": 3}


@pytest.mark.campaign
def test_killed_commands_finish_with_the_same_digests(tmp_path: Path):
    before = tmp_path / "before"
    before.mkdir()
    moments = random.Random(7)
    for argv in CHAIN:
        undisturbed = tmp_path / f"{argv[0]}-undisturbed"
        shutil.copytree(before, undisturbed)
        began = time.monotonic()
        expected = finished(undisturbed, *argv)["artifact"]
        baseline_s = time.monotonic() - began
        for number in range(KILLS[argv[0]]):
            folder = tmp_path / f"{argv[0]}-{number}"
            shutil.copytree(before, folder)
            child = command(folder, *argv)
            time.sleep(moments.uniform(0, baseline_s))
            child.kill()
            child.communicate()
            assert finished(folder, *argv)["artifact"] == expected
            assert finished(folder, "fsck")["findings"] == []
            shutil.rmtree(folder)
        before = undisturbed
