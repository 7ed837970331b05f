"""Refs: names that move, each with its history.

`refs/scan/lab` is one sealed record: the name, and every value it had, newest first, numbered from 1
for ever (`scan/lab@3` means the same tomorrow). A removed name keeps its history with a last value of
None, so that a ref file that vanished is damage and never a removal. `refs/` is the truth;
`index.json` is rewritten from it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r2s.store import errors, fs, names
from r2s.store.records import seal, unseal

SCHEMA = "r2s.ref/1"
MAX_ENTRIES = 1000


@dataclass(frozen=True)
class RefEntry:
    """One value of a ref: version number, digest (None: removed), time [s since 1970], reason."""

    number: int
    digest: str | None
    at_s: float
    reason: str


class Refs:
    """The folder `refs/`. Callers of the writing methods hold the store lock and the names lock."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / names.check_name(name)

    def log(self, name: str) -> list[RefEntry]:
        """Return the values of a ref, newest first; none when it never existed.

        Raises:
            IntegrityError: R2S-STORE-013, the file is damaged or belongs to another name.
        """
        path = self.path(name)
        data = fs.read(path)
        return [] if data is None else decode(data, name, str(path))

    def get(self, name: str) -> str | None:
        """Return the digest a ref points to, or None."""
        entries = self.log(name)
        return entries[0].digest if entries else None

    def names(self) -> list[str]:
        """Return every valid name that has a file, sorted, removed ones included."""
        found = [path.relative_to(self.folder).as_posix() for path in fs.walk(self.folder)]
        return sorted(name for name in found if names.is_name(name))

    def all(self) -> dict[str, str]:
        """Return name to digest of every ref; a damaged one is an error."""
        current = {name: self.get(name) for name in self.names()}
        return {name: digest for name, digest in current.items() if digest is not None}

    def readable(self) -> dict[str, str]:
        """Like `all`, leaving out the damaged ones (fsck reports those)."""
        current = {}
        for name in self.names():
            try:
                digest = self.get(name)
            except errors.IntegrityError:
                continue
            if digest is not None:
                current[name] = digest
        return current

    def is_removed(self, name: str) -> bool:
        """Whether a name was removed on purpose: its file is intact and says so."""
        try:
            entries = self.log(name)
        except errors.IntegrityError:
            return False
        return bool(entries) and entries[0].digest is None

    def set(self, name: str, digest: str | None, reason: str, temporary: Path) -> None:
        """Point a ref to `digest` (None: remove it). The same value again changes nothing."""
        self._refuse_conflict(name)
        entries = self.log(name)
        if (entries[0].digest if entries else None) == digest:
            return
        number = entries[0].number + 1 if entries else 1
        entry = RefEntry(number, digest, round(time.time(), 3), _printable(reason))
        self.write(name, [entry, *entries][:MAX_ENTRIES], temporary)

    def write(self, name: str, entries: list[RefEntry], temporary: Path) -> None:
        """Replace the whole history of a ref."""
        path = self.path(name)
        fs.make_folder(path.parent)
        fs.replace(path, encode(name, entries), temporary)

    def _refuse_conflict(self, name: str) -> None:
        if fs.is_folder(self.folder / name):
            below = next((n for n in self.names() if n.startswith(name + "/")), name + "/…")
            raise errors.name_conflict(name, below)
        parts = name.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if fs.identity(self.folder / above) is not None:
                raise errors.name_conflict(name, above)


def encode(name: str, entries: list[RefEntry]) -> bytes:
    """Return the bytes of a ref file."""
    log = [
        {"number": e.number, "digest": e.digest, "at_s": e.at_s, "reason": e.reason}
        for e in entries
    ]
    return seal(SCHEMA, {"name": name, "log": log})


def decode(data: bytes, name: str, where: str) -> list[RefEntry]:
    """Parse an untrusted ref file; R2S-STORE-013 when it is not the ref `name`."""
    body = unseal(data, SCHEMA, where)
    log = body.get("log")
    if body.get("name") != name:
        raise errors.bad_record(where, "it belongs to another name")
    if not isinstance(log, list) or not log:
        raise errors.bad_record(where, "it has no history")
    return [parse_entry(item, where) for item in log]


def parse_entry(item: Any, where: str) -> RefEntry:
    """Return an untrusted JSON value as one value of a ref; R2S-STORE-013 when it is none."""
    fields = item if isinstance(item, dict) else {}
    number, digest = fields.get("number"), fields.get("digest")
    at_s, reason = fields.get("at_s"), fields.get("reason")
    if not (isinstance(number, int) and number > 0 and isinstance(at_s, int | float)):
        raise errors.bad_record(where, "its history is malformed")
    if not (isinstance(reason, str) and (digest is None or names.is_digest(digest))):
        raise errors.bad_record(where, "its history is malformed")
    return RefEntry(number, digest, float(at_s), reason)


def _printable(reason: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in reason)[:500]
