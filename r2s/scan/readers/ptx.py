"""Leica PTX: scans as text, each with its columns, rows and pose; decoded once in bounded memory.

A scan begins with ten lines: columns, rows, the scanner's registered position and its three axes, and a
transformation by rows (`[x y z 1] M`), which takes its points into the file's frame. Then come columns x rows
lines `x y z intensity [r g b]` in metres; `0 0 0` is a direction without an echo. Position and axes
leave out the user's coordinate system, so the transformation alone is used: it takes the origin of the
points, where the scanner is, to its place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.broken import malformed, no_points, truncated
from r2s.scan.readers.spool import Records, spool_file
from r2s.scan.readers.stations import capture_of_scans
from r2s.scan.readers.text import chunks, is_gzip
from r2s.scan.readers.text_layout import number

_MOST_SCANS = 100_000
_MOST_DIGITS = 12
_LEAST_LINE = len("0 0 0\n")
# Words of a line: x y z, with intensity, with colours, with both.
_COLUMNS, _COLORED = (3, 4, 6, 7), 6
_RECORD = np.dtype([("xyz", "<f8", (3,)), ("rgb", "u1", (3,))])
_STRETCH = 1e-3  # of a rotation's rows, as written with a few digits
_BLANK = re.compile(rb"^[ \t]*\n", re.M)
_malformed = partial(malformed, "the PTX file is malformed", "export it again, as PTX or E57")
_truncated = partial(truncated, "the PTX file is truncated, or the header of a scan lies")


@dataclass(frozen=True)
class _Scan:
    """A `Station`; the points of PTX are always a scanner's rows and columns, with a pose."""

    count: int
    T_file_scan: np.ndarray
    has_colors: bool = False
    has_pose: bool = True
    is_gridded: bool = True


def read_ptx(path: Path, size: int, told: Told = unheard) -> Capture:
    """Open a PTX file of `size` bytes, or one inside gzip.

    Raises:
        R2SError: cut, a header that lies, a transformation that is no pose, no points.
    """
    where = shown(path)
    most = LIMITS.points if is_gzip(path) else size // _LEAST_LINE + 1
    lines = _Lines(chunks(path, where, told))
    with spool_file(where) as (spool, stream), spool.open("wb") as out:
        scans = _decode(lines, where, most, out)
    full = [scan for scan in scans if scan.count]
    if not full:
        raise no_points(where, f"it lists {len(scans)} scans, and none has points")
    colored = all(scan.has_colors for scan in full)
    records = Records(stream, _RECORD, 0, sum(scan.count for scan in full))
    return capture_of_scans("ptx", "PTX", full, records, colored=colored)


class _Lines:
    """The lines of a text that comes in pieces, without blank ones; at most two pieces are held."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = (_BLANK.sub(b"", piece) for piece in pieces)
        self._text, self._starts, self._line = b"", np.zeros(1, np.int64), 0
        self._next = next(self._pieces, None)

    def take(self, most: int) -> bytes:
        """Return up to `most` lines of the piece at hand; nothing at the end."""
        while self._line == len(self._starts) - 1 and self._next is not None:
            self._text, self._line = self._next, 0
            ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n")) + 1
            self._starts = np.concatenate([[0], ends])
            self._next = next(self._pieces, None)
        first, self._line = self._line, min(self._line + most, len(self._starts) - 1)
        return self._text[self._starts[first] : self._starts[self._line]]

    @property
    def ended(self) -> bool:
        """Whether `take` has nothing more."""
        return self._next is None and self._line == len(self._starts) - 1


def _decode(lines: _Lines, where: str, most: int, out: IO[bytes]) -> list[_Scan]:
    """Return the scans, their points written to `out`. most: points that the file can hold."""
    scans: list[_Scan] = []
    promised = 0
    while not lines.ended:
        name = f"scan {len(scans) + 1}"
        scan = _header(lines, where, name)
        promised += scan.count
        if promised > min(most, LIMITS.points):
            raise _truncated(where, f"{name} promises {scan.count:,} points, more than it can hold")
        if len(scans) == _MOST_SCANS:
            raise _malformed(where, f"it has more than {_MOST_SCANS:,} scans")
        columns = _points(lines, where, name, scan.count, out)
        scans.append(replace(scan, has_colors=columns >= _COLORED))
    return scans


def _header(lines: _Lines, where: str, name: str) -> _Scan:
    """Return the scan that ten lines promise, not yet known to have colours."""
    columns, rows = (_count(lines, where, name) for _ in range(2))
    for _ in range(4):
        _numbers(lines, where, name, 3)
    M = np.array([_numbers(lines, where, name, 4) for _ in range(4)])
    R = M[:3, :3]
    if not np.allclose(M[:, 3], [0, 0, 0, 1], atol=_STRETCH):
        raise _malformed(
            where, f"the transformation of {name} has the last column {M[:, 3].tolist()}"
        )
    if not np.allclose(R @ R.T, np.eye(3), atol=_STRETCH) or np.linalg.det(R) < 0:
        raise _malformed(where, f"the transformation of {name} is no pose: it stretches or mirrors")
    return _Scan(columns * rows, M.T)


def _count(lines: _Lines, where: str, name: str) -> int:
    line = lines.take(1)
    word = line.strip()
    if not word.isdigit() or len(word) > _MOST_DIGITS:
        raise _bad_header(lines, where, name, line, "a number of columns or rows")
    return int(word)


def _numbers(lines: _Lines, where: str, name: str, count: int) -> list[float]:
    line = lines.take(1)
    found = [number(word) for word in line.decode("ascii", "replace").split()]
    if len(found) != count or not np.isfinite(found).all():
        raise _bad_header(lines, where, name, line, f"{count} numbers")
    return found


def _bad_header(lines: _Lines, where: str, name: str, line: bytes, wanted: str) -> R2SError:
    if lines.ended:
        return _truncated(where, f"it ends in the header of {name}")
    said = repr(line.strip()[:60].decode("utf-8", "replace"))
    return _malformed(where, f"the header of {name} says {said}, not {wanted}")


def _points(lines: _Lines, where: str, name: str, count: int, out: IO[bytes]) -> int:
    """Write the points of a scan, NaN where there was no echo; return how many words their lines have."""
    done, columns = 0, 0
    while done < count:
        text = lines.take(count - done)
        got = text.count(b"\n")
        if done + got < count and lines.ended:  # a line cut in two, too
            raise _truncated(
                where, f"{name} promises {count:,} points, and {done + got:,} lines are left"
            )
        columns = columns or len(text[: text.index(b"\n")].split())
        if lines.ended and len(text[text.rfind(b"\n", 0, -1) + 1 :].split()) < columns:
            raise _truncated(where, f"it ends within a line of {name}")
        try:
            table = np.loadtxt(io.BytesIO(text), np.float64, comments=None, ndmin=2)
        except ValueError as exc:
            raise _malformed(where, f"after point {done:,} of {name}: {str(exc)[:120]}") from exc
        if table.shape != (got, columns) or columns not in _COLUMNS:
            words = table.shape[1]
            raise _malformed(where, f"after point {done:,} of {name} come lines of {words} words")
        records = np.zeros(got, _RECORD)
        records["xyz"] = table[:, :3]
        records["xyz"][~table[:, :3].any(axis=1)] = np.nan
        if columns >= _COLORED:
            records["rgb"] = np.rint(np.clip(np.nan_to_num(table[:, -3:]), 0, 255))
        out.write(records.tobytes())
        done += got
    return columns
