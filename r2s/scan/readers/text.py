"""Text clouds: XYZ, PTS, TXT, ASC, CSV, plain or gzip-compressed, decoded once in bounded memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from r2s.core.errors import UnsafeInput
from r2s.guard.limits import KIB, LIMITS, MIB
from r2s.guard.preflight import shown
from r2s.scan import units
from r2s.scan.capture import BLACK, Capture, Doubt, Rows
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.broken import malformed, no_points, truncated
from r2s.scan.readers.spool import Records, spool_file
from r2s.scan.readers.text_layout import (
    Layout,
    LayoutError,
    find_layout,
    is_comment,
    number,
    split,
)  # fmt: skip

_CHUNK = 4 * MIB
_HEAD_BYTES, _HEAD_LINES = 256 * KIB, 2000
_LONGEST_LINE = 64 * KIB
# Tables of numbers shrink by 3 to 10; a bomb by 1000. Small files may say what they like.
_MOST_RATIO, _RATIO_FROM = 100, 64 * MIB
# More unreadable lines than this part of all, and the file is not what it seems.
_MOST_BAD = 0.01
_PROBE_ROWS = 100_000
_malformed = partial(
    malformed,
    "this table of numbers is not a point cloud that can be read",
    "give it one line per point, with a first line that names the columns: x,y,z,...",
)
_truncated = partial(truncated, "the text cloud is truncated or its first line lies")


@dataclass
class _Tally:
    """What was met while reading."""

    rows: int = 0
    bad: int = 0
    first_bad: str = ""
    promised: int = 0
    color_max: float = 0.0


def read_text(path: Path, kind: str, size: int, told: Told = unheard) -> Capture:
    """Open a text cloud (`csv` or `xyz`) of `size` bytes, or one inside gzip."""
    where = shown(path)
    head = list(_lines(next(chunks(path, where), b"")[:_HEAD_BYTES]))[:_HEAD_LINES]
    try:
        layout = find_layout(head)
    except LayoutError as exc:
        raise _malformed(where, str(exc)) from exc
    tally = _Tally(promised=layout.promised or 0)
    if layout.promised and layout.promised * 6 > size + 1 and not is_gzip(path):
        raise _truncated(
            where, f"its first line promises {layout.promised:,} points in {size:,} bytes"
        )
    fields: list[tuple] = [("xyz", "<f8", (3,))]
    fields += [("colors", "<f4", (3,))] if layout.colors else []
    fields += [("normals", "<f4", (3,))] if layout.normals else []
    dtype = np.dtype(fields)
    with spool_file(where) as (spool, stream), spool.open("wb") as out:
        _decode(path, where, layout, dtype, out, tally, told)
    _check(where, layout, tally)
    return _capture(kind, layout, Records(stream, dtype, 0, tally.rows), tally)


def _decode(
    path: Path,
    where: str,
    layout: Layout,
    dtype: np.dtype,
    out: IO[bytes],
    tally: _Tally,
    told: Told,
) -> None:
    wanted = [*layout.xyz, *(layout.colors or ()), *(layout.normals or ())]
    line_number, skip = 1, layout.skip
    for chunk in chunks(path, where, told):
        lines_here = chunk.count(b"\n")
        start = 0
        for _ in range(skip):
            start = chunk.index(b"\n", start) + 1
        table = _parse(chunk[start:], layout, wanted, line_number + skip, tally)
        skip, line_number = 0, line_number + lines_here
        tally.rows += len(table)
        if tally.rows > LIMITS.points:
            raise UnsafeInput(
                "R2S-FILE-005", f"the file has more than {LIMITS.points:,} points", where=where,
                why="that is more than any capture r2s is for", remedy="thin it out, or split it",
            )  # fmt: skip
        records = np.zeros(len(table), dtype)
        at = 0
        for name in dtype.names or ():
            with np.errstate(over="ignore", invalid="ignore"):
                records[name] = table[:, at : at + 3]
            at += 3
        if layout.colors and len(table):
            tally.color_max = max(tally.color_max, float(np.nanmax(table[:, 3:6], initial=0.0)))
        out.write(records.tobytes())


def _parse(
    chunk: bytes, layout: Layout, wanted: list[int], line_number: int, tally: _Tally
) -> np.ndarray:
    """Return the wanted columns (k, w) float64 of whole lines; lines that cannot be read are NaN."""
    if layout.decimal_comma:
        chunk = chunk.replace(b",", b".")
    if chunk.isspace() or not chunk:
        return np.empty((0, len(wanted)))
    try:
        return np.loadtxt(
            io.BytesIO(chunk), np.float64, comments=None, delimiter=layout.delimiter, usecols=wanted,
            ndmin=2, quotechar='"', encoding="latin-1",
        )  # fmt: skip
    except ValueError:
        return _slowly(chunk, layout, wanted, line_number, tally)


def _slowly(
    chunk: bytes, layout: Layout, wanted: list[int], line_number: int, tally: _Tally
) -> np.ndarray:
    """Read line by line, past remarks, further PTS blocks and damage, and count the damage."""
    rows: list[list[float]] = []
    needed = max(layout.xyz) + 1
    for i, line in enumerate(_lines(chunk)):
        if not line.strip() or is_comment(line):
            continue
        words = split(line, layout.delimiter, False)
        if len(words) == 1 and words[0].isdigit() and layout.promised is not None:
            tally.promised += int(words[0])
            continue
        row = [number(words[c]) if c < len(words) else np.nan for c in wanted]
        if len(words) < needed or (np.isnan(row[:3]).any() and not _says_nan(words, layout)):
            tally.bad += 1
            tally.first_bad = (
                tally.first_bad or f"line {line_number + i} reads {line.strip()[:60]!r}"
            )
            row = [np.nan] * len(wanted)
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, len(wanted))


def _says_nan(words: list[str], layout: Layout) -> bool:
    """Return whether a row's missing coordinates are written as such: empty, NaN, null."""
    return all(
        not np.isnan(number(words[c]))
        or words[c].lower() in ("", "nan", "-nan", "null", "none", "na")
        for c in layout.xyz
    )


def _check(where: str, layout: Layout, tally: _Tally) -> None:
    if tally.bad > max(1, _MOST_BAD * tally.rows):
        raise _malformed(
            where, f"{tally.bad:,} of {tally.rows:,} lines are no row of {layout.columns} columns; "
            f"{tally.first_bad}",
        )  # fmt: skip
    if tally.promised > tally.rows:
        raise _truncated(
            where, f"it promises {tally.promised:,} points and has {tally.rows:,} lines"
        )
    if tally.rows == 0:
        raise no_points(where, "no line of it is a point")


def _capture(kind: str, layout: Layout, records: Records, tally: _Tally) -> Capture:
    facts = list(layout.facts)
    if tally.bad:
        facts.append(
            Doubt(
                f"{tally.bad:,} of {tally.rows:,} lines could not be read and were left out; "
                f"{tally.first_bad}"
            )
        )
    colored = layout.colors is not None and tally.color_max > 0
    if layout.colors is not None and not colored:
        facts.append(BLACK)
    top = tally.color_max
    scale = 255.0 if top <= 1 else 1.0 if top <= 255 else 255.0 / 65535.0

    def rows(part: slice) -> Rows:
        table = records.read(part)
        colors = None
        if colored:
            colors = np.rint(np.clip(np.nan_to_num(table["colors"]) * scale, 0, 255)).astype(
                np.uint8
            )
        return Rows(
            table["xyz"].astype(np.float64),
            colors,
            table["normals"].astype(np.float64) if layout.normals else None,
        )

    probe = records.read(slice(0, len(records), max(1, len(records) // _PROBE_ROWS)))["xyz"]
    probe = probe[np.isfinite(probe).all(axis=1)]
    mapped = len(probe) > 0 and units.on_a_map(*np.quantile(probe, [0.01, 0.99], axis=0))
    return Capture(
        kind, len(records), rows, has_colors=colored, has_normals=layout.normals is not None,
        declared_unit=layout.declared_unit, declared_up="+z" if mapped else layout.declared_up,
        plumb=mapped, declared_by=layout.declared_by or "coordinates of a map" * mapped,
        surveyed=mapped, may_be_y_up=not mapped, facts=tuple(facts),
    )  # fmt: skip


def _lines(chunk: bytes) -> list[str]:
    return chunk.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")


def is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def chunks(path: Path, where: str, told: Told = unheard) -> Iterator[bytes]:
    """Yield the text in pieces of whole lines, unpacked where it is packed."""
    packed, size = is_gzip(path), path.stat().st_size
    total, limit = 0, LIMITS.file_bytes
    if packed:
        limit = min(limit, max(_RATIO_FROM, _MOST_RATIO * size))
    rest, first = b"", True
    with path.open("rb") as plain, gzip.open(plain) if packed else plain as stream:
        while True:
            try:
                data = stream.read(_CHUNK)
            except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
                raise _truncated(where, f"its gzip stream is damaged: {exc}") from exc
            told(plain.tell(), size)
            total += len(data)
            if total > limit:
                raise UnsafeInput(
                    "R2S-FILE-005", f"the file unpacks to more than {limit / MIB:,.0f} MiB", where=where,
                    why=f"tables of numbers do not shrink by more than {_MOST_RATIO}, so this is no capture",
                    remedy=f"gunzip -k '{where}'   # and look at what it holds",
                )  # fmt: skip
            if first:
                data, first = data.removeprefix(b"\xef\xbb\xbf"), False
            if b"\r" in data:  # CR LF, or CR alone; an empty line more does no harm
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            whole = rest + data
            if not data:
                break
            end = whole.rfind(b"\n") + 1
            if len(whole) - end > _LONGEST_LINE:
                raise _malformed(where, f"it has a line of more than {_LONGEST_LINE:,} characters")
            rest = whole[end:]
            if end:
                yield whole[:end]
    if rest.strip():
        yield rest + b"\n"
