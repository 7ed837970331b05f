"""Volume, mass, inertia and friction of a part, each with the range that stays unknown.

Whoever knows most is believed: a person's number, then the class a label names, then the material, then
what things of its role weigh in general. Inertia is exact for the glued solids, at the nominal mass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from r2s.artifacts.geometry import Range
from r2s.reconstruct.solids import combined_moments

if TYPE_CHECKING:
    from r2s.reconstruct.parts import Part


class Guess(NamedTuple):
    """A best guess and its bounds: a density [kg/m3], a friction coefficient, a share."""

    value: float
    low: float
    high: float


# Bulk densities (mass over outer volume) by role. Household objects: YCB's weighed set spans 60 (cracker
# box is 190) to 1100 (mustard 700, canned meat 1030); filled milk carton 1000, empty plastic bottle 40.
# Furniture: particle board 650, hollow furniture 100.
DENSITIES: dict[str, Guess] = {
    "object": Guess(450.0, 80.0, 1100.0),
    "support": Guess(650.0, 100.0, 900.0),
    "clutter": Guess(300.0, 50.0, 900.0),
}

# Bulk densities of kinds of things: weight over outer (hull) volume of the YCB objects, mug 118 g, bowl
# 147 g, plate 279 g, soup can 349 g and tuna can 171 g, mustard 603 g and bleach 1131 g full, cracker box
# 411 g and sugar box 514 g, wood block 729 g, foam brick 28 g (Calli et al., The YCB object and model set,
# 2015); the bounds are empty and full where a thing can be either.
CLASSES: dict[str, Guess] = {
    "mug": Guess(230.0, 150.0, 1150.0),
    "cup": Guess(230.0, 50.0, 1150.0),
    "bowl": Guess(230.0, 120.0, 1000.0),
    "plate": Guess(350.0, 200.0, 700.0),
    "can": Guess(950.0, 80.0, 1100.0),
    "bottle": Guess(850.0, 40.0, 1100.0),
    "box": Guess(300.0, 60.0, 900.0),
    "carton": Guess(900.0, 40.0, 1050.0),
    "book": Guess(750.0, 500.0, 1100.0),
    "block": Guess(500.0, 350.0, 850.0),
    "brick": Guess(149.0, 30.0, 2200.0),
}

# Density of the material itself and sliding friction on a hard dry surface (engineering tables).
MATERIALS: dict[str, tuple[Guess, Guess]] = {
    "aluminium": (Guess(2700, 2640, 2810), Guess(0.4, 0.2, 0.6)),
    "cardboard": (Guess(150, 60, 700), Guess(0.45, 0.3, 0.6)),
    "ceramic": (Guess(2300, 2000, 2600), Guess(0.4, 0.2, 0.6)),
    "fabric": (Guess(200, 50, 500), Guess(0.5, 0.3, 0.7)),
    "foam": (Guess(40, 15, 150), Guess(0.7, 0.5, 1.0)),
    "glass": (Guess(2500, 2400, 2600), Guess(0.35, 0.2, 0.6)),
    "paper": (Guess(800, 600, 1100), Guess(0.45, 0.3, 0.6)),
    "plastic": (Guess(1050, 900, 1400), Guess(0.35, 0.2, 0.5)),
    "rubber": (Guess(1150, 900, 1500), Guess(0.8, 0.6, 1.0)),
    "steel": (Guess(7850, 7700, 8050), Guess(0.4, 0.2, 0.6)),
    "stone": (Guess(2500, 2000, 2900), Guess(0.55, 0.4, 0.7)),
    "wood": (Guess(600, 350, 850), Guess(0.4, 0.25, 0.5)),
}
# Share of a solid's outer volume that is material: a scan sees no inside. A mug is 0.1, a block 1.
FILL = Guess(0.5, 0.1, 1.0)

# Sliding friction against a hard dry surface: plastic, cardboard, wood, glass on wood: 0.2-0.6;
# rubber up to 1.0 (engineering tables).
FRICTION = Guess(0.6, 0.3, 1.0)


class Physical(NamedTuple):
    """Fields of `r2s.artifacts.reconstruction.Body` that follow from geometry, tables and people."""

    volume_m3: float
    mass_kg: Range | None
    com_m: tuple[float, float, float]
    inertia_kg_m2: tuple[float, float, float, float, float, float]
    friction: Range


def physical(part: Part, tolerance_m: float) -> Physical:
    """Return volume, mass range, inertia (at the nominal mass) and friction of a part's glued solids.

    The mass range multiplies the density range with the volume range: +- tolerance on every dimension
    for the part that was seen, and up to -assumed/2 .. +assumed/2 for the part that was not.
    """
    volume, com, unit_inertia = combined_moments(part.geoms, part.hulls)
    centre = (float(com[0]), float(com[1]), float(com[2]))
    friction = part.friction or friction_of(part.material)
    mass = part.mass_kg or _mass(part, volume, tolerance_m)
    if mass is None or volume <= 0:
        return Physical(volume, mass, centre, (0, 0, 0, 0, 0, 0), friction)
    i = unit_inertia * (mass.value / volume)
    inertia = (i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2])
    return Physical(volume, mass, centre, tuple(float(x) for x in inertia), friction)  # type: ignore[arg-type]


def bulk_density(part: Part) -> tuple[Guess, Literal["table", "assumed"]] | None:
    """Return mass over outer volume [kg/m3] and how it is known, None for what has no mass (walls)."""
    words = part.label.lower().replace("_", " ").split()
    known = next((CLASSES[word] for word in reversed(words) if word in CLASSES), None)
    if known is not None:
        return known, "table"
    if part.material:
        solid = MATERIALS[part.material][0]
        return Guess(*(a * b for a, b in zip(solid, FILL, strict=True))), "table"
    role = "object" if part.mobility == "movable" and part.role not in DENSITIES else part.role
    return (DENSITIES[role], "assumed") if role in DENSITIES else None


def friction_of(material: str) -> Range:
    """Return the friction range of a material, or of anything where it is not known ("")."""
    value, low, high = MATERIALS[material][1] if material else FRICTION
    return Range(value=value, low=low, high=high, source="table" if material else "assumed")


def _mass(part: Part, volume: float, tolerance_m: float) -> Range | None:
    density = bulk_density(part)
    if density is None or volume <= 0:
        return None
    (value, low, high), source = density
    relative = 1.5 * min(tolerance_m / volume ** (1 / 3), 0.3)
    unseen = 0.5 * part.assumed_fraction
    return Range(
        value=value * volume,
        low=low * volume * max(1 - relative, 0.3) * (1 - unseen),
        high=high * volume * (1 + relative) * (1 + unseen),
        source=source,
    )


def mean_color(colors: np.ndarray) -> tuple[float, float, float]:
    """Return the mean (r, g, b) 0..1 of (n, 3) uint8, grey where there are none."""
    if not len(colors):
        return (0.7, 0.7, 0.7)
    r, g, b = np.round(colors.astype(float).mean(0) / 255, 4)
    return float(r), float(g), float(b)
