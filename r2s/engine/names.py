"""Names of refs: `scan/N`, `reconstruction/N`, `robot/<model>`, `scene/V`, `policy/V`, ...

V is the name of a scene and defaults to N, the name of its scan.
"""

from __future__ import annotations

import unicodedata

from r2s.store.errors import bad_name
from r2s.store.names import check_name, slug


def checked_name(name: str) -> str:
    """Return `name` if it may be the last part of a ref, else raise the store's R2S-STORE-020."""
    if "/" in name:
        raise bad_name(name, "it holds `/`", slug(name))
    return check_name(name)


def name_from(text: str) -> str:
    """Return a valid name made from any text, for example a file's stem: `Mein Büro (2)` -> `mein-buro-2`."""
    return slug(text).lower()


def printable(text: str) -> str:
    """Return text from a file with control, bidi and other invisible characters escaped."""
    return "".join(
        char if char == " " or unicodedata.category(char)[0] not in "CZ" else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def short(digest: str) -> str:
    """Return the twelve characters a digest is called by in text."""
    return digest.removeprefix("sha256:")[:12]
