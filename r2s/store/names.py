"""What may be called what: refs, kinds, digests, keys, file names. Pure: touches no disk.

Ref names are those that `skopeo` and registries also accept, minus `:` and `@`, which selectors use.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

from r2s.store import errors

_COMPONENT = r"[A-Za-z0-9]+(?:(?:[-._+]|--)[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)

MAX_NAME_CHARS = 200
MAX_COMPONENT_CHARS = 120
MAX_FILE_NAME_CHARS = 1024


def is_name(name: str) -> bool:
    """Whether `name` may be a ref such as `scan/lab`."""
    return _why_not_a_name(name) == ""


def check_name(name: str) -> str:
    """Return `name`, or raise R2S-STORE-020 with a name that would do."""
    reason = _why_not_a_name(name)
    if reason:
        raise errors.bad_name(name, reason, slug(name))
    return name


def _why_not_a_name(name: str) -> str:
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME_CHARS or any(len(p) > MAX_COMPONENT_CHARS for p in name.split("/")):
        return "it is too long"
    if ".." in name:
        return "it holds `..`"
    if any(unicodedata.category(character).startswith("C") for character in name):
        return "it holds control characters"
    return "" if _NAME.fullmatch(name) else "it holds characters that are not allowed"


def slug(text: str) -> str:
    """Return the nearest valid one-part name: `Küche (neu).e57` gives `Kuche-neu-e57`.

    Text of which few letters can stay (`台所 1`) gets a mark of its own: two of them stay two.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    joined = re.sub(r"[^A-Za-z0-9._+-]+", "-", plain)
    single = re.sub(r"[-._+]{2,}", "-", joined).strip("-._+")
    short = single[:MAX_COMPONENT_CHARS].strip("-._+")
    if short and 2 * _letters(plain) >= _letters(text):
        return short
    own = f"n{sha256(text.encode()).hexdigest()[:8]}"
    return f"{short[: MAX_COMPONENT_CHARS - 10]}-{own}" if short else own


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def is_kind(kind: str) -> bool:
    """Whether `kind` may be an artifact kind such as `scan`."""
    return bool(_KIND.fullmatch(kind)) and len(kind) <= 40


def is_digest(text: object) -> bool:
    """Whether `text` is `sha256:` and 64 lower-case hexadecimal digits."""
    return isinstance(text, str) and bool(_DIGEST.fullmatch(text))


def hex_of(digest: str) -> str:
    """Return the 64 hexadecimal digits of a digest; raise R2S-STORE-012 for anything else."""
    if not is_digest(digest):
        raise errors.not_a_manifest(str(digest)[:80], "no digest (sha256: and 64 digits)")
    return digest[7:]


def is_hex(text: str) -> bool:
    """Whether `text` is 64 lower-case hexadecimal digits."""
    return bool(_HEX.fullmatch(text))


def why_not_a_file_name(name: str) -> str:
    """Return why `name` cannot be a file of an artifact, or an empty string."""
    parts = name.split("/")
    if not name or len(name) > MAX_FILE_NAME_CHARS or any(len(p.encode()) > 255 for p in parts):
        return "its length"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Cf") for character in name):
        return "control characters"
    if not unicodedata.is_normalized("NFC", name):
        return "it must be in Unicode's composed form (NFC)"
    if "\\" in name or any(part in ("", ".", "..") for part in parts):
        return "it must be relative, with single `/` and no `..`"
    return ""
