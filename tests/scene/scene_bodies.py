"""Bodies of places, written in the test."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom, Range
from r2s.artifacts.reconstruction import Body, Reconstruction, ReconstructionInfo, TwinAudit

TABLE_M = 0.7
FRICTION = Range(value=0.6, low=0.3, high=1.0, source="table")


def mass(value: float) -> Range:
    return Range(value=value, low=0.4 * value, high=2 * value, source="table")


def thing(name: str, geom: Geom, kg: float = 0.3, **more) -> Body:
    """A movable body of one geom, its inertia that of a ball of 4 cm."""
    i = kg * 0.04**2
    return Body(
        name=name, role="object", mobility="movable", geoms=(geom,), fit=geom.shape,
        friction=FRICTION, mass_kg=mass(kg), com_m=geom.position, inertia_kg_m2=(i, i, i, 0, 0, 0),
        **more,
    )  # fmt: skip


def static(name: str, role: str, geom: Geom) -> Body:
    return Body(
        name=name, role=role, mobility="static", geoms=(geom,), fit="box", friction=FRICTION
    )


def place(*bodies: Body, hulls=()) -> Reconstruction:
    audit = TwinAudit(
        twin_median_m=0.001, twin_p95_m=0.01, unexplained_fraction=0.0, phantom_fraction=0.0,
        blocked_all=0.0, blocked_2cm=0.0, blocked_5cm=0.0, missed_2cm=0.0, rays=1,
    )  # fmt: skip
    info = ReconstructionInfo(bodies=bodies, audit=audit, viewpoint_evidence="made by hand")
    return Reconstruction(info, tuple(hulls), np.zeros(0, np.int32), ())


def table(half: float = 0.5) -> Body:
    box = Geom(shape="box", size=(half, half, 0.02), position=(0.0, 0.0, TABLE_M - 0.02))
    return static("table_0", "support", box)


def box(x: float, y: float, half=(0.03, 0.03, 0.06), above: float = 0.0) -> Geom:
    return Geom(shape="box", size=half, position=(x, y, TABLE_M + half[2] + above))
