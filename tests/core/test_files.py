"""A file that is replaced is the old one until it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2s.core.files import replacing


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "report.html"
    for text in ("one", "two"):
        with replacing(path) as part:
            part.write_text(text)
            assert path.exists() == (text == "two")
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_half_way_leaves_the_old_one_alone(tmp_path: Path):
    path = tmp_path / "report.html"
    path.write_text("good")
    with pytest.raises(OSError, match="full"), replacing(path) as part:
        part.write_text("ha")
        raise OSError("full")
    assert path.read_text() == "good" and list(tmp_path.iterdir()) == [path]
