"""The only module of the store that touches the disk, so that every crash point can be tested.

Each system call passes `_step(operation, path)` first. A test hangs a `HOOK` there: it counts calls,
ends the process (`os._exit`) at the k-th, or raises an `OSError` as a full or failing disk would.
Every `OSError` leaves this module as an `R2SError` with a remedy; a missing file is `None` or False.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from r2s.store import errors

HOOK: Callable[[str, str], None] | None = None
CHUNK_BYTES = 1 << 20
# Below this many files one fsync each is cheaper than flushing the whole file system (measured:
# fsync 4 ms a file, syncfs 0.3 ms a file for batches).
SYNCFS_FROM_FILES = 8
# A file changed again within one tick of the file system's clock keeps its time stamps (ext4: 10 ms,
# FAT: 2 s), so younger time stamps prove nothing.
SETTLED_NS = 2_000_000_000


class Identity(NamedTuple):
    """What must be unchanged for a file to be the one that was verified before."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def _step(operation: str, path: Path | str) -> None:
    if HOOK is not None:
        HOOK(operation, str(path))


@contextmanager
def _said(path: Path | str, needed_bytes: int = 0) -> Iterator[None]:
    """Turn an `OSError` at `path` into the error the user reads."""
    try:
        yield
    except OSError as exc:
        raise errors.disk(exc, path, needed_bytes) from exc


# Reading -------------------------------------------------------------------------------------------


def read(path: Path, limit_bytes: int | None = None) -> bytes | None:
    """Return a file's bytes (at most `limit_bytes` + 1 of them), or None when it is not there."""
    with _said(path):
        try:
            _step("read", path)
            with open(path, "rb", opener=_no_follow) as stream:
                return stream.read() if limit_bytes is None else stream.read(limit_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.EISDIR):
                return None
            raise


def read_with_identity(path: Path) -> tuple[bytes, Identity | None] | None:
    """Return (bytes, identity), the identity being None when the file may still be changing."""
    with _said(path):
        try:
            _step("read", path)
            with open(path, "rb", opener=_no_follow) as stream:
                before = _identity_of(os.fstat(stream.fileno()))
                data = stream.read()
                after = _identity_of(os.fstat(stream.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.EISDIR):
                return None
            raise
    return data, after if before == after and _settled(after) else None


def digest_with_identity(path: Path) -> tuple[str, Identity | None] | None:
    """Return (sha256 digest, identity) without keeping the bytes, or None when it is not there."""
    with _said(path):
        try:
            _step("read", path)
            with open(path, "rb", opener=_no_follow) as stream:
                before = _identity_of(os.fstat(stream.fileno()))
                sha = hashlib.sha256()
                while chunk := stream.read(CHUNK_BYTES):
                    sha.update(chunk)
                after = _identity_of(os.fstat(stream.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.EISDIR):
                return None
            raise
    return "sha256:" + sha.hexdigest(), after if before == after and _settled(after) else None


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of 1 MiB."""
    with _said(path):
        _step("read", path)
        with open(path, "rb", opener=_no_follow) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk


@contextmanager
def reader(path: Path) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that reads the next so many bytes of a file, fewer only at its end."""
    with _said(path):
        _step("read", path)
        with open(path, "rb", opener=_no_follow) as stream:
            yield stream.read


def identity(path: Path) -> Identity | None:
    """Return the identity of a regular file, or None."""
    with _said(path):
        try:
            _step("stat", path)
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return _identity_of(found) if os.path.isfile(path) and not os.path.islink(path) else None


def is_folder(path: Path) -> bool:
    _step("stat", path)
    return os.path.isdir(path)


def exists(path: Path) -> bool:
    _step("stat", path)
    return os.path.lexists(path)


def names_in(path: Path) -> list[str]:
    """Return the sorted names in a folder; none when it is not there."""
    with _said(path):
        try:
            _step("list", path)
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []


def walk(root: Path) -> Iterator[Path]:
    """Yield everything under `root` that is not a real folder, sorted; links are not followed."""
    for name in names_in(root):
        path = root / name
        if os.path.isdir(path) and not os.path.islink(path):
            yield from walk(path)
        else:
            yield path


def _no_follow(path: str, flags: int) -> int:
    # A link planted in the workspace must not make r2s read a file elsewhere; a FIFO must not block.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)


def _identity_of(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _settled(found: Identity) -> bool:
    return time.time_ns() - max(found.mtime_ns, found.ctime_ns) > SETTLED_NS


# Writing -------------------------------------------------------------------------------------------


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file, not yet flushed. On failure nothing stays behind."""
    written = 0
    with _said(path):
        _step("create", path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
    needed = 0
    try:
        for piece in pieces:
            view = memoryview(piece)
            needed = len(view)
            with _said(path, needed):
                while view:
                    # Halves, so that a crash between the two leaves a torn file, as a real one does.
                    part = view if len(view) < 2 else view[: (len(view) + 1) // 2]
                    _step("write", path)
                    count = os.write(descriptor, part)
                    view, written = view[count:], written + count
    except BaseException:
        os.close(descriptor)
        _forget(path)
        raise
    with _said(path):
        os.close(descriptor)


def flush(paths: list[Path]) -> None:
    """Make the bytes of all files durable; returns only when they are."""
    if len(paths) >= SYNCFS_FROM_FILES and _syncfs(paths[0].parent):
        return
    for path in paths:
        with _said(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _step("fsync", path)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with _said(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _step("fsync_folder", path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file its final name, replacing what is there. Not durable before `flush_folder`."""
    with _said(target):
        _step("rename", target)
        os.rename(source, target)


def rename_if_there(source: Path, target: Path) -> bool:
    """Like `rename`; False when the source is gone."""
    with _said(target):
        try:
            _step("rename", target)
            os.rename(source, target)
        except FileNotFoundError:
            return False
    return True


def replace(path: Path, data: bytes, temporary: Path) -> None:
    """Replace a whole file atomically and durably, through a temporary file on the same disk."""
    write_new(temporary, [data])
    try:
        flush([temporary])
        rename(temporary, path)
    except BaseException:
        _forget(temporary)
        raise
    flush_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, durably; one that exists is left as it is."""
    if os.path.isdir(path):
        return
    with _said(path):
        if not os.path.isdir(path.parent):
            make_folder(path.parent)
        try:
            _step("mkdir", path)
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
    flush_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file; one that is gone already is fine."""
    with _said(path):
        try:
            _step("unlink", path)
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return


def remove_empty_folder(path: Path) -> None:
    """Remove a folder if nothing is in it."""
    try:
        _step("rmdir", path)
        os.rmdir(path)
    except OSError:
        return


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it; links are removed, not followed."""
    for name in names_in(path):
        inner = path / name
        if os.path.isdir(inner) and not os.path.islink(inner):
            remove_tree(inner)
        else:
            remove(inner)
    remove_empty_folder(path)


def _forget(path: Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # swept when the workspace is opened next


def _syncfs(folder: Path) -> bool:
    """Flush the whole file system of `folder` (Linux). False where there is no such call."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return False
    with _said(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _step("syncfs", folder)
            if library.syncfs(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        finally:
            os.close(descriptor)
    return True


# Locks ---------------------------------------------------------------------------------------------


def open_lock(path: Path) -> int:
    """Open (and make) a lock file; return its descriptor."""
    with _said(path):
        _step("open_lock", path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def try_lock(descriptor: int, path: Path, *, shared: bool) -> bool:
    """Take the `flock` without waiting. True only if `path` still names the locked file."""
    with _said(path):
        _step("flock", path)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        held = os.fstat(descriptor)
        try:
            named = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def close_lock(descriptor: int) -> None:
    """Close a lock file, which releases its lock."""
    os.close(descriptor)


def write_lock_text(descriptor: int, text: bytes, path: Path) -> None:
    """Replace the text in a lock file: for people who wait, never believed by r2s."""
    with _said(path):
        _step("write_lock", path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)


def append_lock_text(descriptor: int, text: bytes, path: Path) -> None:
    """Append to a lock file that this process holds."""
    with _said(path):
        _step("write_lock", path)
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, text)
