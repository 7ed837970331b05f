"""What is refused before any parser sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from r2s.core.errors import R2SError, UnsafeInput
from r2s.guard.limits import Limits
from r2s.guard.preflight import not_special, regular_file, shown


def code(path, **kwargs) -> str:
    with pytest.raises(R2SError) as caught:
        regular_file(path, **kwargs)
    assert caught.value.remedy and caught.value.where
    return caught.value.code


def test_a_file_has_its_size(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert regular_file(tmp_path / "a") == 5


def test_a_missing_file_names_its_neighbours(tmp_path):
    (tmp_path / "kitchen.pcd").write_bytes(b"x")
    with pytest.raises(R2SError, match="no such file") as caught:
        regular_file(tmp_path / "kitchn.pcd")
    assert "kitchen.pcd" in caught.value.why


def test_folders_pipes_and_empty_files_are_refused(tmp_path):
    (tmp_path / "empty.ply").touch()
    os.mkfifo(tmp_path / "pipe.ply")
    assert code(tmp_path) == "R2S-FILE-002"
    assert code(tmp_path / "pipe.ply") == "R2S-FILE-003"
    assert code(tmp_path / "empty.ply") == "R2S-FILE-004"
    assert code(tmp_path / "no" / "where.ply") == "R2S-FILE-001"


def test_only_what_can_block_is_special(tmp_path):
    (tmp_path / "a").touch()
    for harmless in (tmp_path, tmp_path / "a", tmp_path / "absent"):
        not_special(harmless)
    with pytest.raises(UnsafeInput, match="not a regular file"):
        not_special(Path("/dev/zero"))


def test_a_file_over_the_limit_is_unsafe(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(UnsafeInput, match="more than the limit"):
        regular_file(tmp_path / "big", limits=Limits(file_bytes=10))


def test_names_cannot_write_on_the_terminal(tmp_path):
    assert shown(tmp_path / "a\x1b[2J\u202eb").endswith("a\\u001b[2J\\u202eb")
