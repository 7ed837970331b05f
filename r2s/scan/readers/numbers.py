"""Tables of numbers as text, parsed in pieces, so that progress is told and an interruption is heard."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from r2s.guard.limits import MIB
from r2s.scan.readers.asked import Told, unheard

_PIECE = 4 * MIB


def parse_table(text: bytes, told: Told = unheard, most_rows: int | None = None) -> np.ndarray:
    """Return lines of numbers as (n, columns) float64, the first `most_rows` of them; (0, 0) of none.

    told: hears how many bytes of how many were parsed.

    Raises:
        ValueError: a word is no number, or lines have unequal lengths.
    """
    tables: list[np.ndarray] = []
    rows = 0
    for start, stop in _pieces(text):
        told(start, len(text))
        left = None if most_rows is None else most_rows - rows
        if left == 0:
            break
        piece = text[start:stop]
        if piece.isspace():
            continue
        try:
            table = np.loadtxt(io.BytesIO(piece), np.float64, ndmin=2, comments=None, max_rows=left)
        except ValueError as exc:
            after = f" after its first {rows:,} rows" if rows else ""
            raise ValueError(f"{exc}{after}") from exc
        if tables and table.shape[1] != tables[0].shape[1]:
            raise ValueError(
                f"rows of {tables[0].shape[1]} numbers, and of {table.shape[1]} from row {rows:,} on"
            )
        tables.append(table)
        rows += len(table)
    return np.concatenate(tables) if tables else np.empty((0, 0))


def _pieces(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of pieces of whole lines."""
    start = 0
    while start < len(text):
        stop = text.rfind(b"\n", start, start + _PIECE) + 1
        if stop <= start:  # one line longer than a piece
            stop = text.find(b"\n", start) + 1 or len(text)
        if len(text) - start <= _PIECE:
            stop = len(text)
        yield start, stop
        start = stop
