"""LZF: what a packer packs comes back, and damage is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2s.scan.readers.lzf import LzfError, decompress


def compress(data: bytes) -> bytes:
    """A plain LZF packer: greedy matches found through a table of three-byte strings."""
    out, literals, seen, i = bytearray(), bytearray(), {}, 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            piece = literals[start : start + 32]
            out.append(len(piece) - 1)
            out.extend(piece)
        literals.clear()

    while i < len(data):
        at = seen.get(data[i : i + 3], -1)
        seen[data[i : i + 3]] = i
        length = 0
        if at >= 0 and i - at <= 8192 and i + 3 <= len(data):
            while length < 264 and i + length < len(data) and data[at + length] == data[i + length]:
                length += 1
        if length < 3:
            literals.append(data[i])
            i += 1
            continue
        flush()
        gap, extra = i - at - 1, length - 2
        out += bytes([(min(extra, 7) << 5) | (gap >> 8)])
        out += bytes([extra - 7]) if extra >= 7 else b""
        out += bytes([gap & 255])
        i += length
    flush()
    return bytes(out)


@given(st.lists(st.sampled_from([b"a", b"abc", b"\x00" * 40, b"xyzw" * 9, b"q" * 300])))
@settings(max_examples=60, deadline=None)
def test_packed_bytes_come_back(pieces):
    data = b"".join(pieces)
    assert decompress(compress(data), len(data)) == data


def test_floats_come_back():
    data = np.random.default_rng(0).normal(size=5000).astype("<f4").tobytes() + bytes(4000)
    packed = compress(data)
    assert len(packed) < len(data)
    assert decompress(packed, len(data)) == data


@pytest.mark.parametrize(
    "change", [lambda p: p[:-1], lambda p: p + b"\x00a", lambda p: b"\xe0\x00\xff" + p]
)
def test_damage_is_told(change):
    data = b"abcabcabcabc" * 50
    with pytest.raises(LzfError):
        decompress(change(compress(data)), len(data))


def test_a_bomb_stops_at_the_promised_size():
    bomb = b"\x00a" + b"\xe0\xff\x00" * 100_000
    with pytest.raises(LzfError, match="more than the 1000 bytes promised"):
        decompress(bomb, 1000)
