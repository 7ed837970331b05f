"""Pictures as Record3D packs them: bare numbers in LZFSE. Blocks are checked here, before Apple's decoder.

LZFSE is a row of blocks, each with a magic word and the number of bytes it stands for (lzfse_internal.h of
https://github.com/lzfse/lzfse): `bvx-` holds them as they are, `bvxn` LZVN-compressed, `bvx2` as LZFSE;
`bvx$` ends the row.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.archive import content
from r2s.guard.limits import MIB
from r2s.scan.readers.rgbd.frames import broken

# No depth camera has a picture this large.
MOST_BYTES = 64 * MIB
# ARKit's confidence: 0 low, 1 medium, 2 high.
SURE, FAIR = 2, 1


def depth_of(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return depth (h, w) float32 [m], NaN or 0 where there is none. Runs in the child."""
    return _unpacked(path, shape, "<f4")


def trusted(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return where (h, w) the sensor was sure of the depth, or fairly sure where it nowhere was.

    Runs in the child.
    """
    confidence = _unpacked(path, shape, "u1")
    sure = confidence == SURE
    return sure if sure.any() else confidence >= FAIR


def unpacked_bytes(path: Path, data: bytes) -> int:
    """Return how many bytes LZFSE data stand for, by the headers of their blocks.

    Raises:
        R2SError: a block is of no known kind, or the data end inside one.
    """
    at = total = 0
    while (magic := data[at : at + 4]) != b"bvx$":
        header = np.frombuffer(data[at : at + 32].ljust(32, b"\0"), "<u4")
        match magic:
            case b"bvx-":
                length = 8 + int(header[1])
            case b"bvxn":
                length = 12 + int(header[2])
            case b"bvx2":
                # Three words of packed fields: bytes of the literals, of the matches, of this header.
                first, second, third = (int(v) for v in header[2:8].view("<u8"))
                payload = (first >> 20 & 0xFFFFF) + (second >> 40 & 0xFFFFF)
                length = max(32, third & 0xFFFFFFFF) + payload
            case _:
                raise broken(
                    path, f"at byte {at:,} it has {magic!r}, which begins no block of LZFSE"
                )
        at, total = at + length, total + int(header[1])
        if at + 4 > len(data):
            raise broken(path, f"it ends at byte {len(data):,}, inside a block that goes to {at:,}")
    return total


def _unpacked(path: Path, shape: tuple[int, int], dtype: str) -> np.ndarray:
    try:
        import lzfse  # pyright: ignore[reportMissingImports] - optional, without types
    except ImportError as exc:
        raise _no_library(str(path)) from exc
    data = content(path, MOST_BYTES)
    promised, wanted = unpacked_bytes(path, data), shape[0] * shape[1] * np.dtype(dtype).itemsize
    if promised != wanted:
        raise broken(
            path, f"it holds {promised:,} bytes, and {shape[1]} x {shape[0]} pixels take {wanted:,}"
        )
    try:
        found = lzfse.decompress(data)
    # It doubles its buffer as long as damaged data fill it.
    except (lzfse.error, MemoryError) as exc:
        raise broken(path, "its LZFSE data are damaged") from exc
    if len(found) != wanted:
        raise broken(path, f"it unpacks to {len(found):,} bytes, and its blocks say {wanted:,}")
    return np.frombuffer(found, dtype).reshape(shape)


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "Record3D's depth is unpacked by the package lzfse, which is not installed",
        where=where, why="it is optional, since few platforms have it built",
        remedy="pip install 'lzfse>=0.4.2'    # or export the capture as PLY or GLB in Record3D",
    )  # fmt: skip
