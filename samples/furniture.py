"""Furniture and small things as boxes, cylinders and spheres: the pieces that `rooms.py` places.

A piece stands on z = 0 around its own origin; +y is its front. Lengths in metres. Sizes are drawn from the
ranges of ordinary furniture, so that no two rooms repeat a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

WOODS = ((0.62, 0.45, 0.28), (0.80, 0.70, 0.55), (0.35, 0.25, 0.18), (0.90, 0.90, 0.88))
PAINTS = (
    (0.75, 0.25, 0.2),
    (0.2, 0.4, 0.7),
    (0.25, 0.55, 0.35),
    (0.85, 0.7, 0.3),
    (0.5, 0.3, 0.55),
)
RING_SIDES = 10  # flat sides of a mug's wall


class Solid(NamedTuple):
    """`size` as in MJCF (box half extents; cylinder radius, half length; sphere radius), `turn` about z
    [rad]."""

    shape: str
    size: tuple[float, ...]
    position: tuple[float, float, float]
    color: tuple[float, float, float]
    turn: float = 0.0


class Top(NamedTuple):
    """A level rectangle things may stand on: centre, half extents, free height above it."""

    position: tuple[float, float, float]
    half: tuple[float, float]
    clear: float


@dataclass(frozen=True)
class Piece:
    """`half` is the footprint's half extents; `height` of the highest point."""

    kind: str
    solids: tuple[Solid, ...]
    half: tuple[float, float]
    height: float
    tops: tuple[Top, ...] = field(default=())


def _box(half, at, color, turn=0.0) -> Solid:
    return Solid("box", tuple(half), tuple(at), color, turn)


def _legs(x: float, y: float, height: float, thick: float, round_: bool, color) -> list[Solid]:
    shape = "cylinder" if round_ else "box"
    size = (thick / 2, height / 2) if round_ else (thick / 2, thick / 2, height / 2)
    inset = thick / 2
    return [
        Solid(shape, size, (sx * (x - inset), sy * (y - inset), height / 2), color)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def table(rng) -> Piece:
    """A table on four thin legs."""
    x, y = rng.uniform(0.45, 0.85), rng.uniform(0.32, 0.45)
    height, top = rng.uniform(0.70, 0.76), rng.uniform(0.02, 0.04)
    color = WOODS[rng.integers(4)]
    legs = _legs(
        x - 0.03, y - 0.03, height - top, rng.uniform(0.03, 0.06), rng.random() < 0.5, color
    )
    board = _box((x, y, top / 2), (0, 0, height - top / 2), color)
    return Piece("table", (board, *legs), (x, y), height, (Top((0, 0, height), (x, y), 0.6),))


def coffee_table(rng) -> Piece:
    """A low round table on one foot."""
    radius, height = rng.uniform(0.3, 0.45), rng.uniform(0.40, 0.5)
    color = WOODS[rng.integers(4)]
    solids = (
        Solid("cylinder", (radius, 0.012), (0, 0, height - 0.012), color),
        Solid("cylinder", (0.03, height / 2 - 0.02), (0, 0, height / 2 - 0.005), color),
        Solid("cylinder", (0.6 * radius, 0.008), (0, 0, 0.008), color),
    )
    inner = 0.65 * radius
    return Piece(
        "coffee_table",
        solids,
        (radius, radius),
        height,
        (Top((0, 0, height), (inner, inner), 0.6),),
    )


def desk(rng) -> Piece:
    """A desk with a drawer unit and a screen."""
    x, y, height = rng.uniform(0.6, 0.8), rng.uniform(0.3, 0.4), rng.uniform(0.72, 0.75)
    color = WOODS[rng.integers(4)]
    dark = (0.12, 0.12, 0.13)
    unit = (0.2, y - 0.03, 0.27)
    solids = [
        _box((x, y, 0.0125), (0, 0, height - 0.0125), color),
        *_legs(x - 0.02, y - 0.02, height - 0.025, 0.045, False, color),
        _box(unit, (x - 0.27, 0, unit[2] + 0.06), color),
        _box((0.26, 0.012, 0.16), (-0.15, -y + 0.14, height + 0.27), dark),
        _box((0.02, 0.015, 0.06), (-0.15, -y + 0.125, height + 0.06), dark),
        _box((0.1, 0.08, 0.006), (-0.15, -y + 0.14, height + 0.006), dark),
    ]
    free = Top((0.0, 0.16, height), (x - 0.05, y - 0.2), 0.6)
    return Piece("desk", tuple(solids), (x, y), height + 0.43, (free,))


def chair(rng) -> Piece:
    """A chair: seat, four legs, two posts, two rails."""
    half, height = rng.uniform(0.19, 0.23), rng.uniform(0.43, 0.47)
    color, thick = WOODS[rng.integers(4)], rng.uniform(0.025, 0.04)
    back = rng.uniform(0.38, 0.46)
    solids = [
        _box((half, half, 0.015), (0, 0, height - 0.015), color),
        *_legs(half, half, height - 0.03, thick, rng.random() < 0.5, color),
    ]
    solids += [
        _box(
            (thick / 2, thick / 2, back / 2),
            (s * (half - thick / 2), -half + thick / 2, height + back / 2),
            color,
        )
        for s in (-1, 1)
    ]
    solids += [
        _box((half - thick, 0.008, 0.04), (0, -half + thick / 2, height + back * share), color)
        for share in (0.45, 0.85)
    ]
    return Piece("chair", tuple(solids), (half, half), height + back)


def shelf(rng) -> Piece:
    """An open book shelf, with a back."""
    x, y, height = rng.uniform(0.35, 0.6), rng.uniform(0.14, 0.2), rng.uniform(1.1, 2.0)
    board, color = 0.018, WOODS[rng.integers(4)]
    count = int(height / rng.uniform(0.32, 0.42))
    solids = [
        _box((board / 2, y, height / 2), (s * (x - board / 2), 0, height / 2), color)
        for s in (-1, 1)
    ]
    solids.append(_box((x - board, 0.004, height / 2), (0, -y + 0.004, height / 2), color))
    levels = np.linspace(0.06, height - board / 2, count + 1)
    tops = []
    for k, z in enumerate(levels):
        solids.append(_box((x - board, y - 0.004, board / 2), (0, 0.004, z), color))
        clear = float(levels[k + 1] - z - board) if k < count else 0.5
        tops.append(Top((0, 0.01, float(z) + board / 2), (x - 0.03, y - 0.02), clear))
    return Piece("shelf", tuple(solids), (x, y), height, tuple(tops))


def cupboard(rng) -> Piece:
    """A closed cupboard on a plinth, with handles."""
    x, y, height = rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.3), rng.choice([0.85, 1.3, 1.9])
    color = WOODS[rng.integers(4)]
    solids = [
        _box((x - 0.02, y - 0.03, 0.04), (0, -0.01, 0.04), (0.2, 0.2, 0.2)),
        _box((x, y, (height - 0.08) / 2), (0, 0, 0.08 + (height - 0.08) / 2), color),
    ]
    solids += [
        _box((0.006, 0.012, 0.06), (s * 0.04, y + 0.012, 0.55 * height), (0.6, 0.6, 0.6))
        for s in (-1, 1)
    ]
    top = (Top((0, 0, float(height)), (x - 0.02, y - 0.02), 0.5),) if height < 1.5 else ()
    return Piece("cupboard", tuple(solids), (x, y + 0.02), float(height), top)


def sofa(rng) -> Piece:
    """A sofa: seat, back, two arms."""
    x, y = rng.uniform(0.75, 1.05), rng.uniform(0.4, 0.46)
    color = PAINTS[rng.integers(5)]
    solids = (
        _box((x, y, 0.17), (0, 0, 0.27), color),
        _box((x, 0.1, 0.22), (0, -y + 0.1, 0.62), color),
        _box((0.09, y, 0.11), (-x + 0.09, 0, 0.54), color),
        _box((0.09, y, 0.11), (x - 0.09, 0, 0.54), color),
        *_legs(x - 0.07, y - 0.07, 0.1, 0.06, False, WOODS[2]),
    )  # fmt: skip
    return Piece("sofa", solids, (x, y), 0.84)


def bed(rng) -> Piece:
    """A bed with a head board and a pillow."""
    x, y = rng.uniform(0.45, 0.8), 1.02
    color = WOODS[rng.integers(4)]
    solids = (
        _box((x, y, 0.14), (0, 0, 0.19), color),
        _box((x - 0.02, y - 0.03, 0.09), (0, 0.01, 0.42), (0.9, 0.9, 0.92)),
        _box((x, 0.02, 0.45), (0, -y + 0.02, 0.45), color),
        _box((0.28, 0.18, 0.05), (0, -y + 0.25, 0.56), (0.85, 0.85, 0.95)),
        *(_box((0.03, 0.03, 0.025), (sx * (x - 0.1), sy * (y - 0.1), 0.025), color) for sx in (-1, 1) for
        sy in (-1, 1)),
    )  # fmt: skip
    return Piece("bed", solids, (x, y), 0.9)


def bin_(rng) -> Piece:
    """A waste bin on the floor: a cylinder."""
    radius, height = rng.uniform(0.11, 0.16), rng.uniform(0.28, 0.45)
    solid = Solid("cylinder", (radius, height / 2), (0, 0, height / 2), PAINTS[rng.integers(5)])
    return Piece("bin", (solid,), (radius, radius), height)


def plant(rng) -> Piece:
    """A plant in a pot."""
    pot, crown, stem = rng.uniform(0.12, 0.18), rng.uniform(0.18, 0.3), rng.uniform(0.2, 0.5)
    solids = (
        Solid("cylinder", (pot, 0.14), (0, 0, 0.14), PAINTS[0]),
        Solid(
            "cylinder", (0.015, stem / 2 + crown / 2), (0, 0, 0.28 + stem / 2 + crown / 2), WOODS[2]
        ),
        Solid("sphere", (crown,), (0, 0, 0.28 + stem + crown), PAINTS[2]),
    )
    half = max(pot, crown)
    return Piece("plant", solids, (half, half), 0.28 + stem + 2 * crown)


def mug(rng) -> Piece:
    """A mug, hollow, with a handle."""
    radius, height, wall = rng.uniform(0.036, 0.045), rng.uniform(0.08, 0.11), 0.004
    color = PAINTS[rng.integers(5)]
    side = radius * np.tan(np.pi / RING_SIDES)
    solids = [Solid("cylinder", (radius - wall, 0.003), (0, 0, 0.003), color)]
    for k in range(RING_SIDES):
        turn = 2 * np.pi * k / RING_SIDES
        r = radius - wall / 2
        at = (r * np.cos(turn), r * np.sin(turn), height / 2)
        solids.append(_box((wall / 2, side, height / 2), at, color, turn))
    out = 0.028
    solids += [
        _box((out / 2, 0.005, 0.005), (radius + out / 2, 0, z), color)
        for z in (0.25 * height, 0.78 * height)
    ]
    solids.append(_box((0.005, 0.005, 0.265 * height), (radius + out, 0, 0.515 * height), color))
    return Piece("mug", tuple(solids), (radius + out, radius + out), height)


def can(rng) -> Piece:
    radius, height = rng.uniform(0.03, 0.05), rng.uniform(0.1, 0.16)
    solid = Solid("cylinder", (radius, height / 2), (0, 0, height / 2), PAINTS[rng.integers(5)])
    return Piece("can", (solid,), (radius, radius), height)


def carton(rng) -> Piece:
    x, y, z = rng.uniform(0.03, 0.12), rng.uniform(0.03, 0.08), rng.uniform(0.04, 0.12)
    return Piece("carton", (_box((x, y, z), (0, 0, z), PAINTS[rng.integers(5)]),), (x, y), 2 * z)


def ball(rng) -> Piece:
    r = rng.uniform(0.035, 0.06)
    return Piece(
        "ball", (Solid("sphere", (r,), (0, 0, r), PAINTS[rng.integers(5)]),), (r, r), 2 * r
    )


def bottle(rng) -> Piece:
    """A bottle: body and neck."""
    r, body, neck = rng.uniform(0.03, 0.04), rng.uniform(0.14, 0.19), rng.uniform(0.05, 0.09)
    color = PAINTS[rng.integers(5)]
    solids = (
        Solid("cylinder", (r, body / 2), (0, 0, body / 2), color),
        Solid("cylinder", (0.013, neck / 2), (0, 0, body + neck / 2), color),
    )
    return Piece("bottle", solids, (r, r), body + neck)


def bracket(rng) -> Piece:
    """An L: a foot and an upright."""
    x, y, z = rng.uniform(0.05, 0.08), rng.uniform(0.03, 0.05), rng.uniform(0.1, 0.15)
    color = PAINTS[4]
    solids = (
        _box((x, y, 0.012), (0, 0, 0.012), color),
        _box((0.012, y, z / 2), (-x + 0.012, 0, z / 2), color),
    )
    return Piece("bracket", solids, (x, y), z)


LARGE = (cupboard, shelf, sofa, bed, desk, shelf, cupboard)  # stand against a wall
MIDDLE = (table, table, coffee_table)
LOOSE = (chair, chair, bin_, plant)
SMALL = (mug, can, carton, ball, bottle, bracket, carton)
