"""Selectors: how a user points at an artifact.

policy/best        a name               a1b2c3, sha256:a1b2c3   a unique digest prefix (4 or more)
policy/best@3      version 3 of a name  latest:policy           the newest artifact of a kind
policy/best@-1     the value before     policy, policy@3        the same under the current name
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from r2s.store import errors, names

if TYPE_CHECKING:
    from r2s.store.store import Store

MIN_PREFIX_CHARS = 4
_VERSION = re.compile(r"(.+)@(-?[0-9]{1,9})", re.ASCII)
_PREFIX = re.compile(rf"(?:sha256:)?([0-9a-f]{{{MIN_PREFIX_CHARS},64}})", re.ASCII)


def resolve(store: Store, selector: str) -> str:
    """Return the digest of the artifact a selector means.

    Raises:
        UsageError: R2S-STORE-020 no selector, -022 fits several.
        R2SError: R2S-STORE-021 unknown, -023 no such version.
    """
    kind, colon, rest = selector.partition(":")
    if colon and kind == "latest":
        return _latest(store, rest)
    versioned = _VERSION.fullmatch(selector)
    if versioned:
        return _version(store, versioned[1], int(versioned[2]))
    if names.is_name(selector):
        digest = _ref(store, selector)
        if digest is not None:
            return digest
    prefix = _PREFIX.fullmatch(selector)
    if prefix:
        return _by_prefix(store, selector, prefix[1])
    names.check_name(selector)
    raise errors.unknown_ref(selector, list(store.refs()))


def _ref(store: Store, name: str) -> str | None:
    """Return the value of a full name, or of a kind under the current name."""
    return store.ref(_full_name(store, name))


def _full_name(store: Store, name: str) -> str:
    if "/" in name or store.current is None or store.reflog(name):
        return name
    return f"{name}/{store.current}"


def _version(store: Store, name: str, wanted: int) -> str:
    full = _full_name(store, names.check_name(name))
    log = [entry for entry in store.reflog(full) if entry.digest is not None]
    if not log:
        raise errors.unknown_ref(full, list(store.refs()))
    if wanted <= 0 and -wanted < len(log):
        return log[-wanted].digest or ""
    for entry in log:
        if entry.number == wanted and entry.digest is not None:
            return entry.digest
    raise errors.unknown_version(full, wanted, [entry.number for entry in log])


def _latest(store: Store, kind: str) -> str:
    for record in store.newest_runs():
        output = record.get("output")
        if output and store.has(output) and store.manifest(output).kind == kind:
            return output
    dated = [
        (store.reflog(name)[0].at_s, name, digest)
        for name, digest in store.refs().items()
        if store.has(digest) and store.manifest(digest).kind == kind
    ]
    if not dated:
        raise errors.unknown_ref(f"latest:{kind}", list(store.refs()))
    return max(dated)[2]


def _by_prefix(store: Store, selector: str, prefix: str) -> str:
    found = []
    for digest in store.blobs:
        if digest[7:].startswith(prefix):
            manifest = store.peek(digest)
            if manifest is not None:
                found.append((digest, manifest.kind))
    if not found:
        raise errors.unknown_ref(selector, list(store.refs()))
    if len(found) > 1:
        called = {digest: name for name, digest in store.refs().items()}
        listed = [
            f"{digest[7:19]} {kind} {called.get(digest, '')}".strip() for digest, kind in found
        ]
        raise errors.ambiguous(selector, listed)
    return found[0][0]
