"""The containers of a GLB, checked before a native reader sees them (Khronos glTF 2.0, section 4.4).

Header: magic `glTF`, version, length of the file; then chunks: length, type, bytes. The first is JSON.
"""

from __future__ import annotations

import json
import struct
from functools import partial
from pathlib import Path

from r2s.scan.readers.broken import malformed, truncated

_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
_malformed = partial(
    malformed, "the GLB file is malformed", "export the scan again as GLB, or as PLY"
)
_truncated = partial(truncated, "the GLB file is truncated or its header lies")


def check_glb(path: Path, size: int) -> None:
    """Raise R2S-SCAN-003 for a malformed file, R2S-SCAN-004 for one whose end is missing."""
    with path.open("rb") as stream:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise _truncated(path, f"it has {size} bytes, less than a header")
        _, version, length = _HEADER.unpack(head)
        if version != 2:
            raise _malformed(path, f"it is version {version} of the format, not 2")
        if length > size:
            raise _truncated(path, f"its header promises {length:,} bytes, the file has {size:,}")
        chunks = []
        at = _HEADER.size
        while at + _CHUNK.size <= length:
            stream.seek(at)
            count, kind = _CHUNK.unpack(stream.read(_CHUNK.size))
            at += _CHUNK.size + count
            if at > length:
                raise _truncated(path, f"a chunk ends at byte {at:,} of {length:,}")
            chunks.append((kind, count))
        if not chunks or chunks[0][0] != b"JSON":
            raise _malformed(path, "its first chunk is not JSON")
        stream.seek(_HEADER.size + _CHUNK.size)
        text = stream.read(chunks[0][1])
    try:
        described = json.loads(text)
        views = described.get("bufferViews", [])
        ends = [int(v.get("byteOffset", 0)) + int(v["byteLength"]) for v in views]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise _malformed(path, f"its JSON cannot be used: {exc}"[:200]) from exc
    stored = chunks[1][1] if len(chunks) > 1 else 0
    embedded = [end for end, v in zip(ends, views, strict=True) if v.get("buffer", 0) == 0]
    if stored and max(embedded, default=0) > stored:
        raise _truncated(path, f"its data should be {max(embedded):,} bytes, it is {stored:,}")
