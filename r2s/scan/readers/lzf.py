"""LZF decompression, the codec of PCD's `binary_compressed`."""

from __future__ import annotations

from r2s.guard.limits import MIB
from r2s.scan.readers.asked import Told, unheard


class LzfError(ValueError):
    """The stream is damaged."""


def decompress(data: bytes, size: int, told: Told = unheard) -> bytes:
    """Return the `size` bytes that `data` unpacks to (M. Lehmann's LibLZF format).

    told: hears how many of them are there.

    Raises:
        LzfError: the stream ends early, refers before its beginning or does not give `size` bytes.
    """
    out = bytearray()
    at, end, tell_at = 0, len(data), 0
    while at < end:
        if at >= tell_at:
            told(len(out), size)
            tell_at = at + MIB
        control = data[at]
        at += 1
        if control < 32:  # a literal run of control + 1 bytes
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            if at >= end:
                raise LzfError("the stream ends inside a long match")
            length += data[at]
            at += 1
        if at >= end:
            raise LzfError("the stream ends inside a match")
        length += 2
        start = len(out) - ((control & 31) << 8) - data[at] - 1
        at += 1
        if start < 0:
            raise LzfError("a match refers to bytes before the beginning")
        if len(out) + length > size:
            raise LzfError(f"it unpacks to more than the {size} bytes promised")
        gap = len(out) - start
        if gap >= length:
            out += out[start : start + length]
        else:  # the match overlaps what it writes: it repeats its first `gap` bytes
            piece = out[start:]
            out += (piece * (length // gap + 1))[:length]
    if at != end or len(out) != size:
        raise LzfError(f"it unpacks to {len(out)} bytes, not to the {size} promised")
    return bytes(out)
