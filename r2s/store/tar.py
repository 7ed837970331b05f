"""A tar of an OCI layout: written with the same bytes each time, read as if a stranger made it.

Own code instead of `tarfile`: forty lines that know only plain files can be read whole, cannot follow a
link, cannot leave their folder and cannot be talked into a sparse file or a giant header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from r2s.store import errors

BLOCK = 512
_OCTAL_SIZE_LIMIT = 8**11  # larger sizes do not fit the field's 11 octal digits
_REGULAR, _FOLDER = (b"0", b"\0"), b"5"


Reader = Callable[[int], bytes]


def header(name: str, size: int) -> bytes:
    """Return the 512-byte ustar header of a plain file, without times, users or modes that differ."""
    encoded = name.encode("ascii")
    if len(encoded) > 100:
        raise ValueError(f"{name} is too long for a ustar header")
    octal = b"%011o\0" % size if size < _OCTAL_SIZE_LIMIT else b"\x80" + size.to_bytes(11, "big")
    block = bytearray(BLOCK)
    block[0 : len(encoded)] = encoded
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148] = octal, b"%011o\0" % 0
    block[156:157], block[257:265] = b"0", b"ustar\x0000"
    block[148:156] = b"%06o\0 " % _checksum(bytes(block))
    return bytes(block)


def padding(size: int) -> bytes:
    """Return the zeros after `size` bytes of content."""
    return bytes(-size % BLOCK)


def end() -> bytes:
    return bytes(2 * BLOCK)


def members(read: Reader, where: str, max_members: int) -> Iterator[tuple[str, int]]:
    """Yield (name, size) of each plain file; the caller reads exactly `size` bytes and the padding.

    Raises:
        UnsafeInput: R2S-STORE-050, for anything but plain files and folders.
    """
    for _ in range(max_members + 1):
        block = read(BLOCK)
        if len(block) != BLOCK:
            raise errors.hostile("it ends in the middle of a header", where)
        if block == bytes(BLOCK):
            return
        name, size, kind = _parse(block, where)
        if kind in _REGULAR:
            yield name, size
        elif kind != _FOLDER or size:
            raise errors.hostile(f"{name[:80]!r} is neither a plain file nor a folder", where)
    raise errors.hostile(f"it has more than {max_members} members", where)


def pieces(read: Reader, size: int, where: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield exactly `size` bytes and consume the padding."""
    left = size
    while left:
        piece = read(min(left, chunk_bytes))
        if not piece:
            raise errors.hostile("it ends in the middle of a file", where)
        left -= len(piece)
        yield piece
    read(-size % BLOCK)


def _parse(block: bytes, where: str) -> tuple[str, int, bytes]:
    try:
        stated = int(block[148:156].strip(b" \0") or b"0", 8)
        name = block[:100].rstrip(b"\0").decode("ascii")
        prefix = block[345:500].rstrip(b"\0").decode("ascii")
        raw = block[124:136]
        size = (
            int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else int(raw.strip(b" \0") or b"0", 8)
        )
    except ValueError as exc:
        raise errors.hostile("a header is malformed", where) from exc
    if stated != _checksum(block) or size < 0:
        raise errors.hostile("a header does not match its checksum", where)
    return (f"{prefix}/{name}" if prefix else name), size, block[156:157]


def _checksum(block: bytes) -> int:
    """Return the sum of all bytes, the checksum field counted as spaces."""
    return sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def joined(parts: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield the bytes of a tar of (name, size, content) members."""
    for name, size, content in parts:
        yield header(name, size)
        yield from content
        yield padding(size)
    yield end()
