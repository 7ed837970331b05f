"""Canonical JSON and SHA-256 digests: equal values give equal bytes, on every machine.

Rules: UTF-8 in NFC, keys sorted, no white space, shortest round-trip floats, -0.0 written as 0.0,
tuples as lists, NaN and infinity refused. A digest is `sha256:` and 64 hexadecimal digits, as in OCI.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON bytes of a tree of dicts, lists, tuples, str, int, float, bool, None.

    Raises:
        ValueError: a float is NaN or infinite, or a key is not a string.
        TypeError: a value has no JSON form.
    """
    return json.dumps(
        _normal(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode("utf-8")


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Return the digest of a value's canonical JSON."""
    return digest_bytes(canonical_json(value))


def digest_stream(stream: BinaryIO) -> str:
    """Return the digest of all remaining bytes of an open binary stream."""
    sha = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        sha.update(chunk)
    return "sha256:" + sha.hexdigest()


def digest_file(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as stream:
        return digest_stream(stream)


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no canonical JSON form; store absence, not NaN")
        return 0.0 if value == 0.0 else value
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            raise ValueError("canonical JSON needs string keys")
        return {unicodedata.normalize("NFC", key): _normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")
