"""Run records: what each action key produced, attempt by attempt.

One sealed file per attempt, `runs/ab/<key>-<recorded ns>.json`, never changed: a second attempt with
another output stands beside the first, which stays the answer. The time in the name orders the log
without opening 10,000 files. Beside the records of a shard its ledger lists them; see `ledger`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from r2s.store import errors, fs, ledger, names
from r2s.store.records import seal, unseal

SCHEMA = "r2s.run-record/1"
_FILE = re.compile(r"([0-9a-f]{64})-([0-9]{20})\.json", re.ASCII)

Kept = Literal["first", "same", "attempt"]


class Runs:
    """The folder `runs/`. Callers of `put` hold the store lock and the names lock."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, key: str, record: dict[str, Any], temporary: Callable[[], Path]) -> Kept:
        """Keep an attempt. One that repeats the output of a kept attempt adds nothing."""
        hexadecimal = key_hex(key)
        output = record.get("output")
        if output is not None and not names.is_digest(output):
            raise errors.bad_artifact("a run's output is no digest", where=key)
        earlier = self.attempts(key)
        finished = [each for each in earlier if each.get("output")]
        if output is not None and any(each["output"] == output for each in finished):
            ledger.add(self.folder / hexadecimal[:2], [], temporary)
            return "same"
        newest = max((int(path.stem[65:]) for path in self._paths(hexadecimal)), default=0)
        stamp = max(time.time_ns(), newest + 1)
        path = self.folder / hexadecimal[:2] / f"{hexadecimal}-{stamp:020d}.json"
        fs.make_folder(path.parent)
        fs.replace(path, seal(SCHEMA, {"file": path.name, "record": record}), temporary())
        ledger.add(path.parent, [path.name], temporary)
        return "attempt" if finished else "first"

    def attempts(self, key: str) -> list[dict[str, Any]]:
        """Return every readable attempt of a key, oldest first."""
        return list(_readable(self._paths(key_hex(key))))

    def files(self) -> list[Path]:
        """Return every record file, oldest first, without opening any."""
        named = [(name[65:], name) for shard in self.shards() for name in self._names(shard)]
        return [self.folder / name[:2] / name for _, name in sorted(named)]

    def newest_last(self, last: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield readable records, the newest last; only the newest `last` when given."""
        files = self.files()
        return _readable(files if last is None else files[max(len(files) - last, 0) :])

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """Yield readable records, the newest first, opening each only when it is asked for."""
        return _readable(reversed(self.files()))

    def shards(self) -> list[str]:
        """Return the folders that hold records, named by the first two digits of the keys."""
        return [name for name in fs.names_in(self.folder) if is_shard(name)]

    def write_ledgers(self, temporary: Callable[[], Path]) -> None:
        """Add to every ledger what is there and not in it (a process died in between)."""
        for shard in self.shards():
            ledger.add(self.folder / shard, self._names(shard), temporary)

    def rebuild_ledgers(self, temporary: Callable[[], Path]) -> None:
        """Make every ledger list exactly the records that are there."""
        for shard in self.shards():
            ledger.write(self.folder / shard, set(self._names(shard)), temporary)

    def strike(self, gone: Iterable[str], temporary: Callable[[], Path]) -> None:
        """Take records off the ledgers, before they are moved away."""
        for shard in {name[:2] for name in gone}:
            ledger.drop(self.folder / shard, set(gone), temporary)

    def _names(self, shard: str) -> list[str]:
        return [name for name in fs.names_in(self.folder / shard) if is_record_file(shard, name)]

    def _paths(self, hexadecimal: str) -> list[Path]:
        folder = self.folder / hexadecimal[:2]
        return [
            folder / name
            for name in fs.names_in(folder)
            if name.startswith(hexadecimal) and _FILE.fullmatch(name)
        ]


def is_shard(name: str) -> bool:
    """Whether `runs/<name>` is a folder of records."""
    return len(name) == 2 and all(digit in "0123456789abcdef" for digit in name)


def is_record_file(shard: str, name: str) -> bool:
    """Whether `runs/<shard>/<name>` is a place for a run record."""
    return bool(_FILE.fullmatch(name)) and name[:2] == shard


def belongs(shard: str, name: str) -> bool:
    """Whether r2s may have put a file at `runs/<shard>/<name>`."""
    return is_record_file(shard, name) or (is_shard(shard) and name == ledger.NAME)


def key_hex(key: str) -> str:
    """Return the 64 digits of an action key, given with or without `sha256:`."""
    digits = key.removeprefix("sha256:")
    if not names.is_hex(digits):
        raise errors.bad_artifact(f"{key[:80]!r} is no action key (a sha256 digest)")
    return digits


def load(path: Path) -> dict[str, Any] | None:
    """Return a record with `key` and `recorded_at_s`, or None when the file is gone.

    Raises:
        IntegrityError: R2S-STORE-013, damaged or moved here from another name.
    """
    data = fs.read(path)
    if data is None:
        return None
    body = unseal(data, SCHEMA, str(path))
    record = body.get("record")
    output = record.get("output") if isinstance(record, dict) else None
    if body.get("file") != path.name or not isinstance(record, dict):
        raise errors.bad_record(str(path), "it belongs to another run")
    if output is not None and not names.is_digest(output):
        raise errors.bad_record(str(path), "its output is no digest")
    digits, stamp = path.stem[:64], path.stem[65:]
    return {**record, "key": "sha256:" + digits, "recorded_at_s": int(stamp) / 1e9}


def _readable(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        try:
            record = load(path)
        except errors.IntegrityError:
            continue  # not believed: the action runs again; fsck reports it
        if record is not None:
            yield record
