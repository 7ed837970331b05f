"""Checkpoints: the durable state of an unfinished action, keyed by the action.

`checkpoints/<key>/<number>` is one file: a sealed header line (key, number, step, files) and then the
files' bytes. One file means one flush and one rename, so a checkpoint is whole or it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from r2s.core.canonical import digest_bytes
from r2s.store import errors, fs, names
from r2s.store.records import seal, unseal
from r2s.store.runs import key_hex

SCHEMA = "r2s.checkpoint/1"
KEPT = 2
_FILE = re.compile(r"[0-9]{12}", re.ASCII)


class StoredCheckpoint:
    """Implements `r2s.core.context.Checkpoint`. The holder of the key lock is the only writer."""

    def __init__(
        self,
        folder: Path,
        key: str,
        temporary: Callable[[], Path],
        store_lock: Callable[[], AbstractContextManager[None]],
    ):
        self._digits = key_hex(key)
        self._folder = folder / self._digits
        self._temporary = temporary
        self._store_lock = store_lock

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        """Keep `files` as the newest checkpoint; the two newest intact ones are kept."""
        with self._store_lock():
            numbers = self._numbers()
            number = numbers[-1] + 1 if numbers else 1
            pieces = _encode(self._digits, number, step, files)
            fs.make_folder(self._folder)
            temporary = self._temporary()
            fs.write_new(temporary, pieces)
            fs.flush([temporary])
            fs.rename(temporary, self._path(number))
            fs.flush_folder(self._folder)
            for old in numbers[: 1 - KEPT]:
                fs.remove(self._path(old))

    def latest(self) -> tuple[int, dict[str, bytes]] | None:
        """Return (step, files) of the newest intact checkpoint; damaged ones are removed."""
        for number in reversed(self._numbers()):
            try:
                return read(self._path(number))
            except errors.IntegrityError:
                fs.remove(self._path(number))  # it must not push out the intact one before it
        return None

    @property
    def exists(self) -> bool:
        """Whether something was saved; `latest` says whether it is intact."""
        return bool(self._numbers())

    def clear(self) -> None:
        """Forget every checkpoint of this action: its run is recorded."""
        for number in self._numbers():
            fs.remove(self._path(number))
        fs.remove_empty_folder(self._folder)

    def _numbers(self) -> list[int]:
        return sorted(int(name) for name in fs.names_in(self._folder) if _FILE.fullmatch(name))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}"


def read(path: Path) -> tuple[int, dict[str, bytes]]:
    """Return (step, files) of a checkpoint file, verified.

    Raises:
        IntegrityError: R2S-STORE-013 for any file that is not exactly what was saved there.
    """
    where = str(path)
    data = fs.read(path)
    if data is None:
        raise errors.bad_record(where, "it is gone")
    line, newline, content = data.partition(b"\n")
    body = unseal(line + newline, SCHEMA, where)
    step, entries = body.get("step"), body.get("files")
    if [body.get("key"), body.get("number")] != [path.parent.name, path.name]:
        raise errors.bad_record(where, "it belongs to another action")
    if not isinstance(step, int) or not isinstance(entries, list):
        raise errors.bad_record(where, "its header is malformed")
    files: dict[str, bytes] = {}
    start = 0
    for entry in entries:
        fields = entry if isinstance(entry, dict) else {}
        name, size, digest = (fields.get(field) for field in ("name", "size", "digest"))
        if not (isinstance(name, str) and isinstance(size, int) and size >= 0):
            raise errors.bad_record(where, "its header is malformed")
        piece = content[start : start + size]
        if len(piece) != size or digest_bytes(piece) != digest:
            raise errors.bad_record(where, f"the bytes of {name} are not what was saved")
        files[name] = piece
        start += size
    if start != len(content):
        raise errors.bad_record(where, "it has bytes that nobody saved")
    return step, files


def is_file_name(name: str) -> bool:
    """Whether `checkpoints/<key>/<name>` is a place for a checkpoint."""
    return bool(_FILE.fullmatch(name))


def keys(folder: Path) -> list[str]:
    """Return the action keys (64 digits) that have checkpoints."""
    return [name for name in fs.names_in(folder) if names.is_hex(name)]


def size(folder: Path) -> int:
    """Return the bytes of all checkpoints of one action."""
    found = (fs.identity(folder / name) for name in fs.names_in(folder))
    return sum(each.size for each in found if each is not None)


def _encode(digits: str, number: int, step: int, files: Mapping[str, bytes]) -> list[bytes]:
    entries, pieces = [], []
    for name in sorted(files):
        reason = names.why_not_a_file_name(name)
        if reason:
            raise errors.bad_artifact(f"checkpoint file {name!r}: {reason}")
        data = files[name]
        entries.append({"name": name, "size": len(data), "digest": digest_bytes(data)})
        pieces.append(data)
    header = {"key": digits, "number": f"{number:012d}", "step": int(step), "files": entries}
    return [seal(SCHEMA, header), *pieces]
