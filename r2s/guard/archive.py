"""Files inside a zip archive, by paths that lead through it (`lab.r3d/rgbd/3.depth`), read one at a time.

Nothing is unpacked to disk, and no file is read before its own size in the archive was checked.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from r2s.core.errors import R2SError, UnsafeInput
from r2s.guard.limits import MIB
from r2s.guard.preflight import regular_file, shown

# The list of files at the end of a zip archive: half a million names have 30 MiB.
MOST_DIRECTORY = 32 * MIB
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def archive_of(path: Path) -> Path | None:
    """Return the file that a path leads through, or None where it leads through folders only."""
    return next((parent for parent in path.parents if parent.is_file()), None)


def names(archive: Path) -> frozenset[str]:
    """Return the names of the files in a zip archive.

    Raises:
        R2SError: it is damaged, cut, or no zip archive.
    """
    return frozenset(_opened(archive).NameToInfo)


def content(path: Path, most: int) -> bytes:
    """Return the bytes of a file, which may lie inside an archive.

    Raises:
        R2SError: there is no such file, or its archive is damaged.
        UnsafeInput: it is larger than `most` bytes.
    """
    archive = archive_of(path)
    if archive is None:
        if (size := regular_file(path)) > most:
            raise _too_large(path, size, most)
        return path.read_bytes()
    package = _opened(archive)
    name = path.relative_to(archive).as_posix()
    entry = package.NameToInfo.get(name)
    if entry is None:
        raise _damaged(archive, f"it has no file {name}")
    if entry.file_size > most:
        raise _too_large(path, entry.file_size, most)
    try:
        with package.open(entry) as stream:
            return stream.read(entry.file_size + 1)  # beyond its size a check sum would not fit
    except _DAMAGE as exc:
        raise _damaged(archive, f"{name}: {str(exc)[:120]}") from exc


class _Bounded(io.FileIO):
    """A file of which no more is read at once than a directory may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_DIRECTORY:
            raise zipfile.BadZipFile(f"a list of files of {size:,} bytes")
        return super().read(-1 if size is None else size) or b""


def _opened(archive: Path) -> zipfile.ZipFile:
    size = regular_file(archive)
    return _directory(archive, size, archive.stat().st_mtime_ns)


@lru_cache(
    maxsize=1
)  # reading the list of a thousand pictures again for each would cost more than they do
def _directory(archive: Path, size: int, changed_ns: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_Bounded(archive))
    except _DAMAGE as exc:
        raise _damaged(archive, f"its list of files cannot be read: {str(exc)[:120]}") from exc


def _damaged(archive: Path, why: str) -> R2SError:
    return R2SError(
        "R2S-FILE-007", "the zip archive is damaged or cut", where=shown(archive), why=why,
        remedy=f"export or download it again; to see what is left: unzip -t '{shown(archive)}'",
    )  # fmt: skip


def _too_large(path: Path, size: int, most: int) -> R2SError:
    return UnsafeInput(
        "R2S-FILE-005", f"the file has {size / MIB:,.0f} MiB, more than the {most / MIB:,.0f} of its kind",
        where=shown(path), why="no recording has such a file; it would fill the memory",
        remedy="record or export the capture again",
    )  # fmt: skip
