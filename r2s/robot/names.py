"""Names that are legal and unique in MJCF, ONNX metadata and file names."""

from __future__ import annotations

import re

# "world" is MuJoCo's own root; "/" separates the prefix that the scene puts before every name.
RESERVED = frozenset({"world", ""})


class Names:
    """Hands out a legal, unique name for every foreign one, the same one for the same question."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._used: set[tuple[str, str]] = set()

    def of(self, kind: str, foreign: str) -> str:
        """Return the name of the `kind` (body, joint, ...) called `foreign` in the source."""
        if (kind, foreign) in self._given:
            return self._given[kind, foreign]
        name = self.fresh(kind, foreign)
        self._given[kind, foreign] = name
        return name

    def fresh(self, kind: str, wish: str) -> str:
        """Return a legal name near `wish` that nothing of this `kind` has yet."""
        legal = legal_name(wish) or kind
        if legal in RESERVED:
            legal = f"{legal}_{kind}".strip("_")
        name, number = legal, 2
        while (kind, name) in self._used:
            name, number = f"{legal}_{number}", number + 1
        self._used.add((kind, name))
        return name


def legal_name(text: str) -> str:
    """Return `text` with everything but letters, digits, `_`, `-` and `.` replaced by `_`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text.strip()).strip("_.")
