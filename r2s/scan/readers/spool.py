"""Rows of a capture on disk, as fixed records: written once while a file is decoded, read in any order after.

Text, LAZ and E57 can only be decoded from front to back, and a scan is looked at three times. The records
lie in a file that has no name any more once it is open, so that a killed process leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from r2s.core.errors import R2SError, ResourceError
from r2s.core.files import NO_SPACE
from r2s.scan.readers.asked import Told

READ_ROWS = 500_000


class Records:
    """Fixed records in a file: `table[start:stop:step]` reads what it needs, in bounded pieces."""

    def __init__(self, stream: IO[bytes], dtype: np.dtype, offset: int, count: int):
        self._stream, self._dtype, self._offset, self._count = stream, dtype, offset, count

    def __len__(self) -> int:
        return self._count

    @property
    def names(self) -> tuple[str, ...]:
        """Fields of a record."""
        return self._dtype.names or ()

    def read(self, part: slice) -> np.ndarray:
        """Return the records of a slice with a positive step."""
        start, stop, step = part.indices(self._count)
        pieces = list(self._pieces(start, stop, step))
        if not pieces:
            return np.empty(0, self._dtype)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def part(self, first: int, count: int) -> Records:
        """Return `count` records from the `first` on, as a table of their own."""
        offset = self._offset + first * self._dtype.itemsize
        return Records(self._stream, self._dtype, offset, count)

    def _pieces(self, start: int, stop: int, step: int) -> Iterator[np.ndarray]:
        size = self._dtype.itemsize
        at = start
        while at < stop:
            last = min(at + READ_ROWS, stop)
            self._stream.seek(self._offset + at * size)
            data = self._stream.read((last - at) * size)
            # A file that is cut while it is read gives fewer records, never wrong ones.
            table = np.frombuffer(data[: len(data) // size * size], self._dtype)
            yield table[::step].copy() if step > 1 else table
            if len(table) < last - at:
                raise OSError(errno.EIO, "the file became shorter while it was read")
            at += -(-(last - at) // step) * step


@contextlib.contextmanager
def spool_file(where: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give a temporary file by path, for a writer, and opened for reading; the path goes, the file stays.

    Raises:
        ResourceError: the disk is full.
    """
    handle, name = tempfile.mkstemp(prefix="r2s-scan-")
    path = Path(name)
    stream = os.fdopen(handle, "rb")
    try:
        yield path, stream
    except OSError as exc:
        stream.close()
        if full := no_space(exc, where):
            raise full from exc
        raise
    except BaseException:
        stream.close()
        raise
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def growth(spool: Path, total: int, told: Told) -> Callable[[], None]:
    """Return a watch of a file that a child fills: tells how much of `total` bytes is there."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            told(float(spool.stat().st_size), float(total))

    return watch


def no_space(exc: OSError, where: str) -> R2SError | None:
    """Return the error of a full disk, if that is what `exc` is."""
    if exc.errno not in NO_SPACE:
        return None
    return ResourceError(
        "R2S-SCAN-050", "there is no room for the decoded points", where=where,
        why=f"they are kept under {tempfile.gettempdir()} while the scan runs, 15 to 64 bytes a point",
        remedy="make room there, or name another folder: TMPDIR=/big/disk r2s scan ...",
    )  # fmt: skip
