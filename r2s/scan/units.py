"""Which unit a file is in: declared, given, or guessed from what can exist."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.limits import LIMITS

Unit = Literal["m", "mm", "cm", "ft", "us-ft", "in"]
UNITS: tuple[Unit, ...] = get_args(Unit)
METRES: dict[str, float] = {
    "m": 1.0, "mm": 0.001, "cm": 0.01, "ft": 0.3048, "us-ft": 1200 / 3937, "in": 0.0254,
}  # fmt: skip

# A depth camera or a structured-light scanner sees between these ranges [m].
CAMERA_RANGE_M = (0.1, 20.0)
# Nobody scans less than this or, from the ground and in one file, more than that [m].
EXTENT_M = (0.02, 2000.0)
SURELY_METRES = (0.05, 250.0)
# Eastings and northings of a map are larger than this, in metres and in feet.
FAR_OFF = 1e5


class UnitChoice(NamedTuple):
    """A unit and one sentence of evidence."""

    unit: Unit
    evidence: str


def choose_unit(
    *, given: Unit | None, declared: Unit | Literal[""], declared_by: str, extent: float,
    camera_range: float | None, where: str, surveyed: bool = False,
) -> UnitChoice:  # fmt: skip
    """Return the unit of a capture.

    Args:
        given: the user's word, which wins.
        declared: the format's or the file's word, or "".
        extent: diagonal of the capture in file units, strays left out.
        camera_range: median distance from the sensor in file units, where the capture is one camera's view.
        surveyed: the coordinates are those of a map, or the format is a survey's: it may come from the
            air, so that no width speaks for millimetres.

    Raises:
        R2SError: two units are plausible, or none is.
    """
    if given is not None:
        return UnitChoice(
            given, f"given by the user (--unit {given}); diagonal {_m(extent, given)}"
        )
    if declared != "":
        return UnitChoice(
            declared, f"{declared_by} is in {declared}; diagonal {_m(extent, declared)}"
        )
    if camera_range is not None:
        nearest, farthest = CAMERA_RANGE_M
        candidates: tuple[Unit, ...] = ("m", "mm")
        fits: list[Unit] = [
            u for u in candidates if nearest <= camera_range * METRES[u] <= farthest
        ]
        if len(fits) == 1:
            (fit,) = fits
            return UnitChoice(
                fit,
                f"one camera's view, median range {camera_range:.4g} file units: {_m(camera_range, fit)} "
                f"if {fit}, and cameras see {CAMERA_RANGE_M[0]}-{CAMERA_RANGE_M[1]:.0f} m",
            )
    if SURELY_METRES[0] <= extent <= SURELY_METRES[1]:
        return UnitChoice(
            "m",
            f"diagonal {extent:.4g} file units: a place or a thing if m, and only {_m(extent, 'mm')} if mm",
        )
    if not surveyed and extent > EXTENT_M[1] and extent * METRES["mm"] <= SURELY_METRES[1]:
        return UnitChoice(
            "mm",
            f"diagonal {extent:.4g} file units: {_m(extent, 'm')} if m, which no scan from the ground "
            f"spans, and {_m(extent, 'mm')} if mm",
        )
    options = ("m", "ft", "us-ft") if surveyed else ("m", "cm", "mm", "ft")
    likely = "m" if surveyed or extent <= 1 else "mm"
    said = "; survey data are in metres or in feet, and this file does not say which" * surveyed
    raise R2SError(
        "R2S-SCAN-010",
        f"the unit cannot be told: the capture is {extent:.4g} file units across",
        where=where,
        why="that is "
        + ", ".join(f"{_m(extent, u)} if {u}" for u in options)
        + said
        + "; a wrong unit makes a wrong robot",
        remedy=f"r2s scan '{where}' --unit {likely}    "
        + ("(or ft, or us-ft, as delivered)" if surveyed else f"(one of: {', '.join(UNITS)})"),
    )


def on_a_map(low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether bounds (3,) in file units look like a map projection's: far off both its axes."""
    size = float(np.linalg.norm(high - low))
    middle = np.abs(low[:2] + high[:2]) / 2
    return bool((middle > FAR_OFF).all() and size < 0.2 * float(middle.max()))


def check_extent(extent_m: float, *, where: str) -> None:
    """Raise where a capture is wider than anything r2s is for: its unit is wrong."""
    if extent_m > LIMITS.extent_m or extent_m < 1e-4:
        raise R2SError(
            "R2S-SCAN-013", f"the capture would be {_m(extent_m, 'm')} across", where=where,
            why="a place or a thing is between 0.1 mm and 10 km; the unit is wrong",
            remedy=f"r2s scan '{where}' --unit mm    (one of: {', '.join(UNITS)})",
        )  # fmt: skip


def _m(length: float, unit: str) -> str:
    metres = length * METRES[unit]
    if metres >= 1000:
        return f"{metres / 1000:.3g} km"
    return f"{metres:.3g} m" if metres >= 0.1 else f"{metres * 1000:.3g} mm"
