"""Blobs: bytes under the name of their digest, verified at every read, healed when put again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from r2s.core.canonical import digest_bytes
from r2s.store import errors, fs, names

Lock = Callable[[], AbstractContextManager[None]]


class Blobs:
    """The folder `blobs/sha256`.

    Args:
        folder: the flat folder OCI prescribes.
        quarantine: where corrupt blobs go.
        names_lock: guards the moment in which a blob's file is replaced or taken away.
    """

    def __init__(self, folder: Path, quarantine: Path, names_lock: Lock):
        self.folder = folder
        self._quarantine = quarantine
        self._names_lock = names_lock
        self._verified: dict[str, fs.Identity] = {}

    def path(self, digest: str) -> Path:
        return self.folder / names.hex_of(digest)

    def size(self, digest: str) -> int | None:
        """Return a blob's size in bytes without reading it, or None when it is not there."""
        found = fs.identity(self.path(digest))
        return None if found is None else found.size

    def read(self, digest: str, *, where: str = "") -> bytes:
        """Return verified bytes; a corrupt blob is moved to quarantine.

        Raises:
            IntegrityError: R2S-STORE-010 corrupt, R2S-STORE-011 missing.
        """
        path = self.path(digest)
        found = fs.read_with_identity(path)
        if found is None:
            raise errors.missing(digest, where or str(path))
        data, identity = found
        if identity is not None and self._verified.get(digest) == identity:
            return data
        if digest_bytes(data) != digest:
            self.quarantine(digest)
            raise errors.corrupt(digest, where or str(path))
        if identity is not None:
            self._verified[digest] = identity
        return data

    def peek(self, digest: str) -> bytes | None:
        """Return verified bytes, or None for missing or corrupt; moves nothing."""
        found = fs.read_with_identity(self.path(digest))
        if found is None:
            return None
        return found[0] if digest_bytes(found[0]) == digest else None

    def state(self, digest: str) -> str:
        """Return `ok`, `missing` or `corrupt`, from the bytes themselves."""
        path = self.path(digest)
        if self._verified.get(digest) is not None and fs.identity(path) == self._verified[digest]:
            return "ok"
        found = fs.digest_with_identity(path)
        if found is None:
            return "missing"
        actual, identity = found
        if actual != digest:
            return "corrupt"
        if identity is not None:
            self._verified[digest] = identity
        return "ok"

    def forget(self) -> None:
        """Forget what was verified before, so that everything is read again."""
        self._verified.clear()

    def quarantine(self, digest: str) -> bool:
        """Move a blob away if its bytes are wrong; False if they are right after all or gone."""
        with self._names_lock():  # nobody replaces it between the second look and the move
            self._verified.pop(digest, None)
            if self.state(digest) != "corrupt":
                return False
            fs.make_folder(self._quarantine)
            target = self._quarantine / f"{names.hex_of(digest)}-{_free(self._quarantine)}"
            return fs.rename_if_there(self.path(digest), target)

    def __iter__(self) -> Iterator[str]:
        """Every digest that has a file."""
        for name in fs.names_in(self.folder):
            if names.is_hex(name):
                yield "sha256:" + name

    def batch(self, temporary: Callable[[], Path]) -> Batch:
        return Batch(self, temporary, self._names_lock)


class Batch:
    """Blobs that become durable together: written aside, flushed once, then named."""

    def __init__(self, blobs: Blobs, temporary: Callable[[], Path], names_lock: Lock):
        self._blobs = blobs
        self._temporary = temporary
        self._names_lock = names_lock
        self._waiting: dict[str, Path] = {}

    def add(self, data: bytes) -> str:
        """Write bytes aside unless the store has them intact; return their digest."""
        digest = digest_bytes(data)
        self.add_stream(digest, [data])
        return digest

    def add_stream(self, digest: str, pieces: Iterable[bytes]) -> None:
        """Write pieces, whose digest the caller has verified or will verify, aside."""
        if digest not in self._waiting and self._blobs.state(digest) != "ok":
            self._waiting[digest] = path = self._temporary()
            fs.write_new(path, pieces)

    def adopt(self, digest: str, path: Path) -> None:
        """Take over a file on the same disk whose bytes the caller has verified."""
        if digest not in self._waiting and self._blobs.state(digest) != "ok":
            self._waiting[digest] = path

    def commit(self) -> None:
        """Make all that was added durable and readable. On failure none of it is promised."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            fs.flush(list(waiting.values()))
            for digest in waiting:
                if self._blobs.state(digest) == "corrupt":
                    self._blobs.quarantine(digest)
            with self._names_lock():
                for digest, path in waiting.items():
                    fs.rename(path, self._blobs.path(digest))
                fs.flush_folder(self._blobs.folder)
        finally:
            for path in waiting.values():
                fs.remove(path)


def _free(folder: Path) -> int:
    taken = {name.rpartition("-")[2] for name in fs.names_in(folder)}
    return next(number for number in range(1, len(taken) + 2) if str(number) not in taken)
