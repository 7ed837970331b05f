"""JSON records that prove themselves: canonical bytes with a digest of everything else inside.

Blobs are verified by their name. Refs, runs and the rest have no such name, so each carries `check`.
Any flipped, cut or added byte makes the record invalid, and so does a record moved to another place,
because its body names the place it belongs to.
"""

from __future__ import annotations

import json
from typing import Any

from r2s.core.canonical import canonical_json, digest_bytes
from r2s.store import errors

MAX_RECORD_BYTES = 64 << 20


def seal(schema: str, body: dict[str, Any]) -> bytes:
    """Return the bytes of a record: canonical JSON `{"body", "check", "schema"}` and a newline."""
    try:
        content = canonical_json({"body": body, "schema": schema})
    except (TypeError, ValueError, RecursionError) as exc:
        raise errors.bad_artifact(str(exc), where=schema) from exc
    tail = _tail(schema)
    check = digest_bytes(content).encode()
    return content.removesuffix(tail) + _CHECK + check + b'"' + tail + b"\n"


def unseal(data: bytes, schema: str, where: str) -> dict[str, Any]:
    """Return the body of a sealed record.

    The digest is taken of the very bytes, so nothing is parsed before it is known to be intact, and
    nothing is encoded again (which would cost most of the time of listing 10,000 runs).

    Raises:
        IntegrityError: R2S-STORE-013, whatever the bytes are.
    """
    tail = _tail(schema)
    end = len(data) - len(tail) - 1
    start = end - _CHECK_BYTES
    if start < 0 or data[end:] != tail + b"\n" or not data[start:].startswith(_CHECK):
        raise errors.bad_record(where, f"it is no record of the kind {schema}")
    if data[start:end] != _CHECK + digest_bytes(data[:start] + tail).encode() + b'"':
        raise errors.bad_record(where, "its check digest does not match")
    body = parse_object(data, where).get("body")
    if not isinstance(body, dict):
        raise errors.bad_record(where, "it has no body")
    return body


_CHECK = b',"check":"'
_CHECK_BYTES = len(_CHECK) + len("sha256:") + 64 + 1


def _tail(schema: str) -> bytes:
    return b',"schema":"' + schema.encode() + b'"}'


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """Parse untrusted bytes as one JSON object; any failure is R2S-STORE-013."""
    if len(data) > MAX_RECORD_BYTES:
        raise errors.bad_record(where, f"larger than {MAX_RECORD_BYTES} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError is a ValueError
        raise errors.bad_record(where, "it is not JSON") from exc
    if not isinstance(content, dict):
        raise errors.bad_record(where, "it is not a JSON object")
    return content
