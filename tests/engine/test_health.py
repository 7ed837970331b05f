"""What `doctor` looks at, each check on something that is wrong and on something that is right."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from r2s.engine import health


@pytest.mark.parametrize(
    ("found", "bound", "holds"),
    [
        ("3.17.0", "==3.17.0", True),
        ("3.17.1", "==3.17.0", False),
        ("3.17.4", "==3.17.*", True),
        ("3.18.0", "==3.17.*", False),
        ("2.10", ">=2.9", True),
        ("2.9", ">=2.10", False),
        ("3.0", "<3", False),
        ("2.99", "<3", True),
        ("1.0+cpu", "==1.0", True),
    ],
)
def test_version_bounds(found: str, bound: str, holds: bool):
    assert health._holds(found, bound) is holds


def test_every_requirement_of_this_installation_is_met():
    assert [each.level for each in health._packages()] == ["OK"]


def test_a_wrong_or_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    wanted = ["numpy==0.1", "no-such-thing-here>=1", "nox>=99; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    (check,) = health._packages()
    assert check.level == "FAIL"
    assert "numpy is" in check.seen
    assert "no-such-thing-here is missing" in check.seen
    assert "nox" not in check.seen
    assert check.fix.startswith("pip install")


def test_a_child_that_crashes_is_a_finding_not_a_crash():
    worked, text = health._child("import os; os.kill(os.getpid(), 11)")
    assert (worked, text) == (False, "killed by signal 11")
    worked, text = health._child("raise ImportError('libusb-1.0.so.0: no such file')")
    assert not worked
    assert "libusb" in text


def test_the_file_system_probe_works_here_and_cleans_up(tmp_path: Path):
    (check,) = health._filesystem(tmp_path / "not" / "yet" / ".r2s")
    assert check.level == "OK"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_nearly_full_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Usage:
        free = 1 << 20

    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: Usage)
    (check,) = health._disk(tmp_path)
    assert (check.level, check.fix) == ("FAIL", "r2s gc")
