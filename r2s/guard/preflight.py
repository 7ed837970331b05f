"""Checks every foreign file passes before a parser sees it."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from r2s.core.errors import R2SError, UnsafeInput
from r2s.guard.limits import LIMITS, Limits


def regular_file(path: Path, *, limits: Limits = LIMITS) -> int:
    """Return the size in bytes of a readable, non-empty regular file.

    Raises:
        R2SError: it does not exist, is a folder, a device or a pipe, is empty or may not be read.
        UnsafeInput: it is larger than `limits.file_bytes`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise R2SError(
            "R2S-FILE-001", "there is no such file", where=shown(path),
            why=_nearest(path), remedy=f"ls {shown(_existing_parent(path))}",
        ) from None  # fmt: skip
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if stat.S_ISDIR(status.st_mode):
        raise R2SError(
            "R2S-FILE-002", "this is a folder, not a file", where=shown(path),
            why="one file is asked for here; only `r2s scan` takes folders, and only those of captures",
            remedy=f"ls {shlex.quote(shown(path))}   # and name the file in it that is meant",
        )  # fmt: skip
    not_special(path)
    if status.st_size == 0:
        raise R2SError(
            "R2S-FILE-004", "the file is empty (0 bytes)", where=shown(path),
            why="an export or a download stopped before it wrote anything",
            remedy="export or download the file again",
        )  # fmt: skip
    if status.st_size > limits.file_bytes:
        raise UnsafeInput(
            "R2S-FILE-005",
            f"the file has {status.st_size / 1e9:.1f} GB, more than the limit of "
            f"{limits.file_bytes / 1e9:.1f} GB",
            where=shown(path),
            why="larger files are more often mistakes than captures",
            remedy="split the capture, or thin it out in the program that exported it",
        )
    if not os.access(path, os.R_OK):
        raise _unreadable(path, PermissionError("permission denied"))
    return status.st_size


def not_special(path: Path) -> None:
    """Refuse a device, a pipe or a socket before anything reads it.

    Raises:
        UnsafeInput: it is one. What does not exist is none.
    """
    if not path.exists() or path.is_file() or path.is_dir():
        return
    raise UnsafeInput(
        "R2S-FILE-003", "this is not a regular file", where=shown(path),
        why="devices, pipes and sockets can block or never end",
        remedy=f"ls -l {shlex.quote(shown(path))}   # copy what it gives into a file, and name that",
    )  # fmt: skip


def shown(path: Path) -> str:
    """Return a path that is safe to print: control and direction characters escaped."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(path))


def _unreadable(path: Path, exc: OSError) -> R2SError:
    return R2SError(
        "R2S-FILE-006", f"the file cannot be read: {exc.strerror or exc}", where=shown(path),
        why="the operating system refused", remedy=f"ls -l {shown(path)}",
    )  # fmt: skip


def _existing_parent(path: Path) -> Path:
    for parent in path.absolute().parents:
        if parent.is_dir():
            return parent
    return Path("/")


def _nearest(path: Path) -> str:
    import difflib

    parent = _existing_parent(path)
    if parent != path.absolute().parent:
        return f"its folder does not exist either; the last part that exists is {shown(parent)}"
    try:
        names = [entry.name for _, entry in zip(range(2000), os.scandir(parent), strict=False)]
    except OSError:
        return "its folder cannot be listed"
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"close names here: {', '.join(close)}" if close else f"{shown(parent)} has no such name"
