"""The ways a file of any format is broken: one error each, so that every reader says it alike."""

from __future__ import annotations

from pathlib import Path

from r2s.core.errors import R2SError, ResourceError
from r2s.guard.limits import LIMITS, MIB
from r2s.guard.preflight import shown


def malformed(what: str, remedy: str, where: Path | str, why: str) -> R2SError:
    """Return R2S-SCAN-003: the file contradicts its format. `{file}` in the remedy is the file."""
    return R2SError(
        "R2S-SCAN-003", what, where=_shown(where), why=why,
        remedy=remedy.replace("{file}", f"'{_shown(where)}'"),
    )  # fmt: skip


def truncated(what: str, where: Path | str, why: str) -> R2SError:
    """Return R2S-SCAN-004: the file has less than it promises."""
    return R2SError(
        "R2S-SCAN-004", what, where=_shown(where), why=why,
        remedy="export or download the file again",
    )  # fmt: skip


def large_text(where: Path | str, size: int, remedy: str) -> R2SError:
    """Return R2S-SCAN-046: numbers as text, more than fit in memory. `{file}` in the remedy is the file."""
    return ResourceError(
        "R2S-SCAN-046",
        f"the file is text of {size / MIB:,.0f} MiB, more than {LIMITS.text_bytes / MIB:,.0f}",
        where=_shown(where), why="as text it takes several times that in memory; binary is read in pieces",
        remedy=remedy.replace("{file}", f"'{_shown(where)}'"),
    )  # fmt: skip


def no_points(
    where: Path | str, why: str, remedy: str = "record or export the capture again"
) -> R2SError:
    """Return R2S-SCAN-005: the file is sound and empty."""
    return R2SError(
        "R2S-SCAN-005", "the file holds no points", where=_shown(where), why=why, remedy=remedy
    )


def _shown(where: Path | str) -> str:
    return where if isinstance(where, str) else shown(where)
