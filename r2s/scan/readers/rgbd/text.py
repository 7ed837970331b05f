"""Small text files of a folder: bounded, checked, never executed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from r2s.guard.archive import archive_of, content
from r2s.guard.limits import MIB
from r2s.guard.preflight import regular_file
from r2s.scan.readers.rgbd.frames import malformed

# An hour of poses at 100 Hz has 27 MB.
MOST_BYTES = 32 * MIB
MOST_ENTRIES = 400_000


def text(path: Path) -> str:
    """Return a manifest's text.

    Raises:
        R2SError: absent, empty, no text, or larger than any manifest.
    """
    if archive_of(path) is None and regular_file(path) > MOST_BYTES:
        raise malformed(path, f"it is larger than {MOST_BYTES // MIB} MiB, as no manifest is")
    data = content(path, MOST_BYTES)
    if b"\x00" in data:
        raise malformed(path, "it holds binary data")
    return data.decode("utf-8", "replace")


def lines(path: Path) -> list[list[str]]:
    """Return the words of every line that is no comment; commas separate like blanks."""
    found = (line.replace(",", " ").split() for line in text(path).splitlines())
    return [words for words in found if words and not words[0].startswith("#")]


def numbers(path: Path, columns: int | None = None) -> np.ndarray:
    """Return a table of numbers, (n, columns) float64; `inf` and `nan` are numbers here.

    Raises:
        R2SError: a word is no number, or the lines have other lengths.
    """
    rows = lines(path)
    if not rows:
        raise malformed(path, "it holds no numbers")
    width = columns or len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise malformed(path, f"line {i + 1} of its data has {len(row)} entries, not {width}")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as exc:
        raise malformed(path, f"an entry is no number: {str(exc)[:80]}") from exc


def matrix(path: Path, size: int) -> np.ndarray:
    """Return a (size, size) matrix in as many lines."""
    found = numbers(path, size)
    if found.shape != (size, size):
        raise malformed(path, f"it has {len(found)} lines, not {size}")
    return found


def document(path: Path) -> dict[str, Any]:
    """Return a JSON object."""
    try:
        found = json.loads(text(path))
    except (ValueError, RecursionError) as exc:
        raise malformed(path, f"it is no JSON: {str(exc)[:120]}") from exc
    if not isinstance(found, dict):
        raise malformed(path, "it is no JSON object")
    return found


def entries(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none where it is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        return sorted(entry.name for _, entry in zip(range(MOST_ENTRIES), found, strict=False))


def pictures(folder: Path, *suffixes: str) -> list[Path]:
    """Return the pictures in a folder, in the order of their numbers, then names."""
    names = [n for n in entries(folder) if Path(n).suffix.lower() in suffixes]
    return [folder / name for name in sorted(names, key=_order)]


def _order(name: str) -> tuple[int, str]:
    """`10.png` comes after `9.png`."""
    stem = Path(name).stem
    return (int(stem) if stem.isdecimal() and len(stem) < 19 else -1, name)


def inside(folder: Path, name: str) -> Path | None:
    """Return folder/name where that is a file inside the folder, links followed; else None."""
    try:
        file = folder / name
        contained = file.resolve().is_relative_to(folder.resolve())
        return file if contained and file.is_file() else None
    except (OSError, ValueError):
        return None


def beside(folder: Path, stem: str, *suffixes: str) -> Path | None:
    """Return the first of folder/stem + suffix that exists inside the folder."""
    found = (inside(folder, stem + suffix) for suffix in suffixes)
    return next((file for file in found if file is not None), None)
