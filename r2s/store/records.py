"""JSON records that prove themselves: canonical bytes with a digest of everything else inside.

Blobs are verified by their name. Refs, runs and the rest have no such name, so each carries `check`.
Any flipped, cut or added byte makes the record invalid, and so does a record moved to another place,
because its body names the place it belongs to.
"""

from __future__ import annotations

import json
from typing import Any

from r2s.core.canonical import canonical_json, digest_json
from r2s.store import errors

MAX_RECORD_BYTES = 64 << 20


def seal(schema: str, body: dict[str, Any]) -> bytes:
    """Return the bytes of a record of the given schema."""
    try:
        content = {"schema": schema, "body": body}
        return canonical_json({**content, "check": digest_json(content)}) + b"\n"
    except (TypeError, ValueError, RecursionError) as exc:
        raise errors.bad_artifact(str(exc), where=schema) from exc


def unseal(data: bytes, schema: str, where: str) -> dict[str, Any]:
    """Return the body of a sealed record.

    Raises:
        IntegrityError: R2S-STORE-013, whatever the bytes are.
    """
    content = parse_object(data, where)
    body = content.get("body")
    if content.get("schema") != schema:
        raise errors.bad_record(where, f"expected schema {schema}")
    if not isinstance(body, dict) or set(content) != {"schema", "body", "check"}:
        raise errors.bad_record(where, "fields are missing or unknown")
    try:
        intact = seal(schema, body) == data
    except errors.R2SError:
        intact = False
    if not intact:
        raise errors.bad_record(where, "its check digest does not match")
    return body


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
