"""Make a furnished room as MJCF: ground truth of which every surface is known.

    python samples/rooms.py --seed 7 -o room.xml
    python samples/sensors.py room.xml --sensor lidar -o scans/

The same seed gives the same room. Bodies are pieces (`table_0`, `mug_3`); those that may be moved are named
in the custom text `movable`. Sites say what geometry does not: `face_*` are the room's true planes (a
thin box, z is
the normal into the room), `door_*` and `window_*` the openings (boxes through the wall), `air_*` the
boxes that
together are the room's inside, `stand_*` places where a person can stand. Glass is in geom group 3: a
sensor does not
see it, a robot hits it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import furniture
import numpy as np
from furniture import Piece, Solid

WALL_M, SLAB_M = 0.15, 0.2
DOOR_HEIGHT_M = 2.0
HALL_M = (1.4, 1.6)  # depth and half width of what lies behind a door
GLASS_GROUP = 3
_TRIES = 60


@dataclass
class Room:
    """What has been placed so far. Rectangles are (low x, low y, high x, high y)."""

    rng: np.random.Generator
    height: float
    bodies: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    movable: list[str] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    air: list[tuple[float, float, float, float]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def number(self, kind: str) -> str:
        k = self.counts.get(kind, 0)
        self.counts[kind] = k + 1
        return f"{kind}_{k}"

    def shell(self, name: str, half, at, yaw: float = 0.0, group: int = 0) -> None:
        """Add a fixed box."""
        color = "0.8 0.9 1 0.2" if group else "0.86 0.84 0.8 1"
        self.bodies.append(
            f'<geom name="{name}" type="box" size="{_n(half)}" pos="{_n(at)}" euler="0 0 {_n([yaw])}" '
            f'group="{group}" rgba="{color}"/>'
        )

    def site(self, name: str, half, at, rotation: np.ndarray | None = None) -> None:
        x, y = (np.eye(3) if rotation is None else rotation)[:, :2].T
        self.sites.append(
            f'<site name="{name}" type="box" size="{_n(half)}" pos="{_n(at)}" '
            f'xyaxes="{_n([*x, *y])}" rgba="0 0 0 0"/>'
        )

    def place(self, piece: Piece, at, yaw: float, *, movable: bool = False) -> str:
        name = self.number(piece.kind)
        geoms = "".join(_geom(solid) for solid in piece.solids)
        self.bodies.append(
            f'<body name="{name}" pos="{_n(at)}" euler="0 0 {_n([yaw])}">{geoms}</body>'
        )
        if movable:
            self.movable.append(name)
        return name

    def fits(self, rectangle, gap: float = 0.03) -> bool:
        """Whether a rectangle lies inside the room and keeps `gap` from everything placed."""
        x0, y0, x1, y1 = rectangle
        corners = [(x, y) for x in (x0, x1) for y in (y0, y1)]
        inside = all(
            any(a <= x <= c and b <= y <= d for a, b, c, d in self.air) for x, y in corners
        )
        return inside and not any(
            x0 < c + gap and a - gap < x1 and y0 < d + gap and b - gap < y1
            for a, b, c, d in self.taken
        )

    def mjcf(self, seed: int) -> str:
        movable = " ".join(self.movable) or "none"
        return (
            f'<mujoco model="furnished_room_{seed}">\n<compiler angle="radian"/>\n'
            f'<custom><text name="movable" data="{movable}"/></custom>\n<worldbody>\n'
            + "\n".join([*self.bodies, *self.sites])
            + "\n</worldbody>\n</mujoco>\n"
        )


def make_room(seed: int) -> str:
    """Return the MJCF of a furnished room."""
    rng = np.random.Generator(np.random.PCG64([seed, 20]))
    room = Room(rng, height=float(rng.uniform(2.4, 2.9)))
    x, y = rng.uniform(3.4, 6.2), rng.uniform(2.9, 4.6)
    outline = _outline(room, x, y, l_shaped=bool(rng.random() < 0.3))
    _shell(room, outline, x, y)
    _furnish(room)
    _stands(room)
    return room.mjcf(seed)


def _outline(room: Room, x: float, y: float, *, l_shaped: bool) -> list[tuple[float, float]]:
    """Return the corners of the plan, counter-clockwise, and fill `air`."""
    if not l_shaped:
        room.air = [(0.0, 0.0, x, y)]
        return [(0, 0), (x, 0), (x, y), (0, y)]
    a, b = x * room.rng.uniform(0.5, 0.7), y * room.rng.uniform(0.5, 0.65)
    room.air = [(0.0, 0.0, x, b), (0.0, 0.0, a, y)]
    return [(0, 0), (x, 0), (x, b), (a, b), (a, y), (0, y)]


def _shell(room: Room, outline: list[tuple[float, float]], x: float, y: float) -> None:
    h, rng, t = room.height, room.rng, WALL_M
    room.shell("floor", (x / 2 + t, y / 2 + t, SLAB_M / 2), (x / 2, y / 2, -SLAB_M / 2))
    room.shell("ceiling", (x / 2 + t, y / 2 + t, SLAB_M / 2), (x / 2, y / 2, h + SLAB_M / 2))
    down = np.diag([1.0, -1.0, -1.0])
    low, high = np.min(outline, axis=0), np.max(outline, axis=0)
    middle = (low + high) / 2
    room.site("face_floor", (*(high - low) / 2, 0.001), (*middle, 0.0))
    room.site("face_ceiling", (*(high - low) / 2, 0.001), (*middle, h), down)
    for k, (x0, y0, x1, y1) in enumerate(room.air):
        room.site(
            f"air_{k}", ((x1 - x0) / 2, (y1 - y0) / 2, h / 2), ((x0 + x1) / 2, (y0 + y1) / 2, h / 2)
        )
    count = len(outline)
    outer = [k for k in range(count) if _is_outer(outline[k], outline[(k + 1) % count], x, y)]
    order = [int(k) for k in rng.permutation(outer)]
    doors = set(order[: 1 + int(rng.random() < 0.4)])
    windows = {k for k in order if k not in doors and rng.random() < 0.6}
    for k in range(count):
        _wall(room, outline, k, k in doors, k in windows)


def _is_outer(a, b, x: float, y: float) -> bool:
    """Whether a wall is on the bounding rectangle and long enough for an opening."""
    on = any(
        abs(a[i] - v) < 1e-9 and abs(b[i] - v) < 1e-9 for i, v in ((0, 0), (0, x), (1, 0), (1, y))
    )
    return on and float(np.hypot(b[0] - a[0], b[1] - a[1])) > 2.0


def _wall(room: Room, outline, k: int, door: bool, window: bool) -> None:
    """Add the wall from corner k to the next with its openings; local x runs along it, y outwards."""
    rng, h, t = room.rng, room.height, WALL_M
    a, b, before, after = (np.array(outline[(k + i) % len(outline)], float) for i in (0, 1, -1, 2))
    along = (b - a) / np.linalg.norm(b - a)
    out = np.array([along[1], -along[0]])
    length = float(np.linalg.norm(b - a))
    yaw = float(np.arctan2(along[1], along[0]))
    convex = [_left_turn(before, a, b), _left_turn(a, b, after)]
    start, end = -t * convex[0], length + t * convex[1]

    def add(name, s0, s1, z0, z1, depth=(0.0, t), group=0):
        at = a + along * (s0 + s1) / 2 + out * sum(depth) / 2
        half = ((s1 - s0) / 2, (depth[1] - depth[0]) / 2, (z1 - z0) / 2)
        room.shell(f"{name}", half, (*at, (z0 + z1) / 2), yaw, group)

    inward = np.column_stack([[*along, 0], [0, 0, 1], [*-out, 0]])
    inward[:, 1] = np.cross(inward[:, 2], inward[:, 0])
    centre = (a + b) / 2
    room.site(f"face_wall_{k}", (length / 2, h / 2, 0.001), (*centre, h / 2), inward)
    if not door and not window:
        add(f"wall_{k}", start, end, 0, h)
        return
    width = rng.uniform(0.8, 0.95) if door else rng.uniform(0.9, min(1.5, length - 1.0))
    at = rng.uniform(width / 2 + 0.35, length - width / 2 - 0.35)
    low, high = at - width / 2, at + width / 2
    sill = 0.0 if door else rng.uniform(0.8, 1.0)
    head = DOOR_HEIGHT_M if door else sill + rng.uniform(0.9, 1.2)
    add(f"wall_{k}_left", start, low, 0, h)
    add(f"wall_{k}_right", high, end, 0, h)
    add(f"wall_{k}_over", low, high, head, h)
    opening = (*(a + along * at + out * t / 2), (sill + head) / 2)
    half = (width / 2, t / 2, (head - sill) / 2)
    turn = np.column_stack([[*along, 0], [*out, 0], [0, 0, 1]])
    turn[:, 2] = np.cross(turn[:, 0], turn[:, 1])
    room.site(f"{'door' if door else 'window'}_{k}", half, opening, turn)
    if not door:
        add(f"wall_{k}_sill", low, high, 0, sill)
        add(f"glass_{k}", low, high, sill, head, (t - 0.03, t - 0.02), GLASS_GROUP)
        return
    _hall(add, at, h, t, k)
    corners = np.array(
        [a + along * (at + s * (width / 2 + 0.1)) - out * d for s in (-1, 1) for d in (0, 1.0)]
    )
    room.taken.append((*corners.min(0), *corners.max(0)))
    if rng.random() < 0.5:
        _leaf(room, a + along * low, along, out, width, float(rng.uniform(1.2, 1.9)))


def _left_turn(a, b, c) -> bool:
    (x0, y0), (x1, y1) = b - a, c - b
    return bool(x0 * y1 - y0 * x1 > 0)


def _hall(add, at: float, h: float, t: float, k: int) -> None:
    """Add floor, ceiling and walls of a corridor behind a door, so that rays through it come back."""
    depth, half = HALL_M
    add(f"hall_{k}_floor", at - half, at + half, -SLAB_M, 0, (t, t + depth))
    add(f"hall_{k}_ceiling", at - half, at + half, h, h + SLAB_M, (t, t + depth))
    add(f"hall_{k}_back", at - half, at + half, 0, h, (t + depth, 2 * t + depth))
    add(f"hall_{k}_left", at - half - t, at - half, 0, h, (t, t + depth))
    add(f"hall_{k}_right", at + half, at + half + t, 0, h, (t, t + depth))


def _leaf(room: Room, hinge, along, out, width: float, angle: float) -> None:
    """Add an open door leaf, hinged at the opening's left jamb and swung into the room."""
    direction = along * np.cos(angle) - out * np.sin(angle)
    at = hinge + direction * (width / 2 + 0.02) - out * 0.02
    solid = Solid(
        "box",
        (width / 2, 0.02, DOOR_HEIGHT_M / 2 - 0.01),
        (0, 0, DOOR_HEIGHT_M / 2),
        (0.7, 0.6, 0.5),
    )
    piece = Piece("leaf", (solid,), (width / 2, 0.02), DOOR_HEIGHT_M)
    room.place(piece, (*at, 0.0), float(np.arctan2(direction[1], direction[0])))


def _furnish(room: Room) -> None:
    rng = room.rng
    area = sum((c - a) * (d - b) for a, b, c, d in room.air) / len(room.air)
    placed: list[tuple[Piece, np.ndarray, float]] = []
    for _ in range(int(area / 4.0)):
        _against_a_wall(room, furniture.LARGE[rng.integers(len(furniture.LARGE))](rng), placed)
    for _ in range(1 + int(area > 12)):
        _in_the_middle(
            room, furniture.MIDDLE[rng.integers(len(furniture.MIDDLE))](rng), placed, 0.35, 0.05
        )
    for _ in range(int(area / 5.0)):
        _in_the_middle(
            room, furniture.LOOSE[rng.integers(len(furniture.LOOSE))](rng), placed, 0.12, np.pi
        )
    for piece, at, yaw in placed:
        for top in piece.tops:
            _clutter(room, top, at, yaw)
    _on_walls(room)


def _against_a_wall(room: Room, piece: Piece, placed) -> None:
    rng = room.rng
    for _ in range(_TRIES):
        low_x, low_y, high_x, high_y = room.air[rng.integers(len(room.air))]
        side, gap = int(rng.integers(4)), rng.uniform(0.0, 0.04)
        x, y = piece.half if side % 2 == 0 else piece.half[::-1]
        if high_x - low_x < 2 * x + 0.1 or high_y - low_y < 2 * y + 0.1:
            continue
        at = np.array([rng.uniform(low_x + x, high_x - x), rng.uniform(low_y + y, high_y - y)])
        if side % 2 == 0:  # +y is the front: against the low wall it faces +y
            at[1] = low_y + y + gap if side == 0 else high_y - y - gap
        else:
            at[0] = low_x + x + gap if side == 1 else high_x - x - gap
        rectangle = (at[0] - x, at[1] - y, at[0] + x, at[1] + y)
        if room.fits(rectangle):
            yaw = (0.0, -np.pi / 2, np.pi, np.pi / 2)[side]
            room.taken.append(rectangle)
            room.place(piece, (*at, 0.0), yaw)
            placed.append((piece, at, yaw))
            return


def _in_the_middle(room: Room, piece: Piece, placed, gap: float, most_yaw: float) -> None:
    rng = room.rng
    yaw = float(rng.uniform(-most_yaw, most_yaw))
    c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
    x, y = c * piece.half[0] + s * piece.half[1], s * piece.half[0] + c * piece.half[1]
    for _ in range(_TRIES):
        low_x, low_y, high_x, high_y = room.air[rng.integers(len(room.air))]
        if high_x - low_x < 2 * x + 0.2 or high_y - low_y < 2 * y + 0.2:
            continue
        at = np.array([rng.uniform(low_x + x, high_x - x), rng.uniform(low_y + y, high_y - y)])
        rectangle = (at[0] - x, at[1] - y, at[0] + x, at[1] + y)
        if room.fits(rectangle, gap):
            room.taken.append(rectangle)
            room.place(piece, (*at, 0.0), yaw, movable=piece.kind == "bin")
            placed.append((piece, at, yaw))
            return


def _clutter(room: Room, top, at, yaw: float) -> None:
    """Put small things on a level surface, 3 cm apart or more."""
    rng = room.rng
    c, s = np.cos(yaw), np.sin(yaw)
    there: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(0, 5)) + int(3 * top.half[0] * top.half[1] / 0.3)):
        piece = furniture.SMALL[rng.integers(len(furniture.SMALL))](rng)
        reach = float(np.hypot(*piece.half))
        if piece.height > top.clear - 0.03 or reach > min(top.half) - 0.005:
            continue
        local = rng.uniform(-1, 1, 2) * (np.array(top.half) - reach)
        if any(np.hypot(local[0] - x, local[1] - y) < reach + r + 0.03 for x, y, r in there):
            continue
        there.append((*local, reach))
        x, y = np.array(top.position[:2]) + local
        world = (at[0] + c * x - s * y, at[1] + s * x + c * y, top.position[2])
        room.place(piece, world, float(rng.uniform(0, 2 * np.pi)), movable=True)


def _on_walls(room: Room) -> None:
    """Hang a lamp and a picture."""
    rng, h = room.rng, room.height
    x0, y0, x1, y1 = room.air[0]
    drop = rng.uniform(0.4, 0.6)
    white = (0.95, 0.95, 0.9)
    lamp = (
        Solid("cylinder", (0.006, drop / 2), (0, 0, -drop / 2), white),
        Solid("sphere", (0.15,), (0, 0, -drop - 0.1), white),
    )
    room.place(Piece("lamp", lamp, (0.15, 0.15), 0.0), ((x0 + x1) / 2, (y0 + y1) / 2, h), 0.0)


def _stands(room: Room) -> None:
    """Mark up to five places, well apart, where a person can stand."""
    rng, chosen = room.rng, []
    for least in (1.6, 1.1, 0.7):
        for _ in range(300):
            low_x, low_y, high_x, high_y = room.air[rng.integers(len(room.air))]
            at = np.array(
                [rng.uniform(low_x + 0.35, high_x - 0.35), rng.uniform(low_y + 0.35, high_y - 0.35)]
            )
            rectangle = (*(at - 0.2), *(at + 0.2))
            apart = all(np.linalg.norm(at - other) > least for other in chosen)
            in_doorway = not room.fits(rectangle, 0.0)
            if len(chosen) < 5 and apart and not in_doorway:
                chosen.append(at)
    for k, at in enumerate(chosen):
        room.site(f"stand_{k}", (0.2, 0.2, 0.01), (*at, 0.01))


def _geom(solid: Solid) -> str:
    return (
        f'<geom type="{solid.shape}" size="{_n(solid.size)}" pos="{_n(solid.position)}" '
        f'euler="0 0 {_n([solid.turn])}" rgba="{_n(solid.color)} 1"/>'
    )


def _n(values) -> str:
    return " ".join(f"{float(v):.6f}" for v in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="default: room_SEED.xml here")
    args = parser.parse_args()
    output = args.output or Path(f"room_{args.seed}.xml")
    output.write_text(make_room(args.seed))
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
