"""The key changes with everything that may change a result, and with nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import toy_stages

from r2s.core.errors import R2SError
from r2s.engine import key


def key_of(capture: Path, *, seed: int = 0, **config) -> str:
    return key.action(
        toy_stages.SOURCE,
        config=toy_stages.SOURCE.config(config),
        inputs={},
        sources={"capture": capture},
        seed=seed,
    ).key


def test_equal_actions_have_equal_keys(capture: Path):
    assert key_of(capture) == key_of(capture)


def test_moving_and_renaming_the_capture_changes_nothing(capture: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere" / "renamed.txt"
    moved.parent.mkdir()
    shutil.copy(capture, moved)
    assert key_of(moved) == key_of(capture)


def test_a_pipe_is_refused_before_it_is_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(R2SError, match="not a regular file"):
        key_of(tmp_path / "pipe.txt")


def test_touching_the_capture_changes_nothing(capture: Path):
    before = key_of(capture)
    capture.touch()
    capture.chmod(0o600)
    assert key_of(capture) == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"scale": 2.0}, {"drop": 1}])
def test_seed_and_config_change_the_key(capture: Path, change: dict):
    assert key_of(capture, **change) != key_of(capture)


def test_one_changed_byte_changes_the_key(capture: Path):
    before = key_of(capture)
    capture.write_text("1 2 4")
    assert key_of(capture) != before


def test_the_suffix_counts_because_readers_go_by_it(capture: Path):
    other = capture.with_suffix(".csv")
    shutil.copy(capture, other)
    assert key_of(other) != key_of(capture)


def test_a_companion_file_counts_with_its_place(capture: Path):
    before = key_of(capture)
    (capture.parent / "mesh.side").write_text("x")
    after = key_of(capture)
    (capture.parent / "mesh.side").rename(capture.parent / "other.side")
    assert len({before, after, key_of(capture)}) == 3


def test_stage_version_and_tools_change_the_key(capture: Path, monkeypatch: pytest.MonkeyPatch):
    module = toy_stages.SOURCE.load()
    keys = {key_of(capture)}
    monkeypatch.setattr(module, "STAGE_VERSION", 2)
    keys.add(key_of(capture))
    monkeypatch.setattr(module, "TOOLS", ("numpy", "scipy"))
    keys.add(key_of(capture))
    monkeypatch.setattr(module, "facets", lambda config: {"gpu": "none"}, raising=False)
    keys.add(key_of(capture))
    assert len(keys) == 4


def test_xla_flags_count_only_for_stages_that_use_jax(
    capture: Path, monkeypatch: pytest.MonkeyPatch
):
    before = key_of(capture)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert key_of(capture) == before
    monkeypatch.setattr(toy_stages.SOURCE.load(), "TOOLS", ("numpy", "jax"))
    with_flag = key_of(capture)
    monkeypatch.delenv("XLA_FLAGS")
    assert key_of(capture) != with_flag


def test_a_missing_capture_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(R2SError) as caught:
        key_of(tmp_path / "absent.pcd")
    assert caught.value.code == "R2S-ENGINE-001"
    assert "absent.pcd" in str(caught.value)
