"""Volume, mass, inertia and friction of a part, each with the range that stays unknown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from r2s.artifacts.geometry import Geom, Range
from r2s.reconstruct.solids import Hull, combined_moments


class Density(NamedTuple):
    """kg/m3 of a solid filled to its outer surface: best guess and bounds."""

    value: float
    low: float
    high: float


# Bulk densities (mass over outer volume). Household objects: YCB's weighed set spans 60 (cracker box is
# 190) to 1100 (mustard 700, canned meat 1030); filled milk carton 1000, empty plastic bottle 40.
# Furniture: particle board 650, hollow furniture 100.
DENSITIES: dict[str, Density] = {
    "object": Density(450.0, 80.0, 1100.0),
    "support": Density(650.0, 100.0, 900.0),
    "clutter": Density(300.0, 50.0, 900.0),
}

# Sliding friction against a hard dry surface: plastic, cardboard, wood, glass on wood: 0.2-0.6;
# rubber up to 1.0 (engineering tables).
FRICTION = Range(value=0.6, low=0.3, high=1.0, source="table")


class Physical(NamedTuple):
    """Fields of `r2s.artifacts.reconstruction.Body` that follow from geometry and tables."""

    volume_m3: float
    mass_kg: Range | None
    com_m: tuple[float, float, float]
    inertia_kg_m2: tuple[float, float, float, float, float, float]


def physical(
    role: str,
    geoms: tuple[Geom, ...],
    hulls: list[Hull],
    assumed_fraction: float,
    tolerance_m: float,
) -> Physical:
    """Return volume, mass range and inertia (at the nominal mass) of glued convex solids.

    The mass range multiplies the density range with the volume range: +- tolerance on every dimension
    for the part that was seen, and up to -assumed/2 .. +assumed/2 for the part that was not.
    """
    volume, com, unit_inertia = combined_moments(geoms, hulls)
    if role not in DENSITIES or volume <= 0:
        return Physical(volume, None, tuple(com.tolist()), (0, 0, 0, 0, 0, 0))  # type: ignore[arg-type]
    density = DENSITIES[role]
    edge = volume ** (1 / 3)
    low = max(1 - 3 * min(tolerance_m / edge, 0.3) * 0.5, 0.3) * (1 - 0.5 * assumed_fraction)
    high = (1 + 3 * min(tolerance_m / edge, 0.3) * 0.5) * (1 + 0.5 * assumed_fraction)
    mass = Range(
        value=density.value * volume,
        low=density.low * volume * low,
        high=density.high * volume * high,
        source="table",
    )
    i = unit_inertia * density.value
    inertia = (i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2])
    return Physical(
        volume,
        mass,
        tuple(com.tolist()),  # type: ignore[arg-type]
        tuple(float(x) for x in inertia),  # type: ignore[arg-type]
    )


def mean_color(colors: np.ndarray) -> tuple[float, float, float]:
    """Return the mean (r, g, b) 0..1 of (n, 3) uint8, grey where there are none."""
    if not len(colors):
        return (0.7, 0.7, 0.7)
    r, g, b = np.round(colors.astype(float).mean(0) / 255, 4)
    return float(r), float(g), float(b)
