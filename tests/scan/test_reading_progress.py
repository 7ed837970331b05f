"""Captures written as text are parsed in pieces: progress is told, and who hears it may end the work."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from cloud_files import ptx_text
from scan_files import columns_of, pcd_bytes, ply_bytes

from r2s.scan.readers import numbers, read, text
from r2s.scan.readers.numbers import parse_table

POINTS = np.round(np.random.default_rng(0).random((3000, 3)) * 4, 4)
TEXT = "".join(f"{x} {y} {z}\n" for x, y, z in POINTS).encode()
FILES = {
    "a.xyz": TEXT,
    "a.xyz.gz": gzip.compress(TEXT),
    "a.ptx": ptx_text(POINTS, rows=30).encode(),
    "a.ply": ply_bytes(POINTS, encoding="ascii"),
    "a.pcd": pcd_bytes(columns_of(POINTS, "<f8"), "ascii"),
    "b.pcd": pcd_bytes(columns_of(POINTS, "<f8"), "binary_compressed"),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(numbers, "_PIECE", 10_000)
    monkeypatch.setattr(text, "_CHUNK", 10_000)
    monkeypatch.setattr("r2s.scan.readers.lzf.MIB", 10_000)


@pytest.mark.parametrize("name", FILES)
def test_progress_rises_to_the_end_and_pieces_make_the_whole(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    heard: list[tuple[float, float]] = []
    capture = read(tmp_path / name, told=lambda *said: heard.append(said))
    np.testing.assert_allclose(capture.points, POINTS, atol=1e-12)
    shares = [done / total for done, total in heard]
    assert len(shares) > 3 and shares == sorted(shares) and 0.8 < shares[-1] <= 1


@pytest.mark.parametrize("name", FILES)
def test_who_hears_may_end_it(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])

    class Enough(Exception):
        pass

    def stop(done: float, total: float) -> None:
        if done > 0.3 * total:
            raise Enough

    with pytest.raises(Enough):
        read(tmp_path / name, told=stop)


def test_a_table_in_pieces_is_the_table():
    np.testing.assert_array_equal(parse_table(TEXT), POINTS)
    np.testing.assert_array_equal(parse_table(TEXT, most_rows=1234), POINTS[:1234])
    np.testing.assert_array_equal(parse_table(TEXT + b"\n" * 30_000), POINTS)
    assert parse_table(b"").shape == (0, 0) and parse_table(b"1 2").tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="rows of 3 numbers, and of 2"):
        parse_table(b"1 2 3\n" * 1666 + b"100 2\n" * 99)  # a piece ends between them
    with pytest.raises(ValueError, match="after its first"):
        parse_table(TEXT + b"1 2 nothing\n")
