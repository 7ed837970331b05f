"""What the columns of a text cloud are: by their names, or by what their numbers can be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from r2s.scan.capture import Doubt
from r2s.scan.units import UNITS, Unit

Triple = tuple[int, int, int]
DeclaredUnit = Unit | Literal[""]

_NUMBER = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)", re.I
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_COMMENT = ("#", "//", "%", "!")
_UNIT = re.compile(r"\s*[\[(]\s*(mm|cm|m|ft|us-ft|in)\s*[\])]|_(mm|cm|m|ft|in)$")
_PREAMBLE_LINES = 100
_ARIA = ("px_world", "py_world", "pz_world")
_POSITIONS = (
    ("x", "y", "z"), _ARIA, ("px", "py", "pz"), ("pos_x", "pos_y", "pos_z"),
    ("position_x", "position_y", "position_z"), ("point_x", "point_y", "point_z"),
    ("coord. x", "coord. y", "coord. z"), ("points_m_xyz:0", "points_m_xyz:1", "points_m_xyz:2"),
    ("points:0", "points:1", "points:2"), ("easting", "northing", "elevation"),
    ("easting", "northing", "height"), ("easting", "northing", "altitude"), ("easting", "northing", "z"),
    ("east", "north", "up"), ("e", "n", "h"), ("e", "n", "z"), ("e", "n", "u"),
)  # fmt: skip
_COLORS = (
    ("r", "g", "b"), ("red", "green", "blue"), ("rf", "gf", "bf"), ("color_r", "color_g", "color_b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
)  # fmt: skip
_NORMALS = (
    ("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normals:0", "normals:1", "normals:2"),
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How to read a table.

    Attributes:
        delimiter: `,` `;` `|`, or None for blanks.
        decimal_comma: whether `1,5` is one and a half.
        columns: of a full line.
        skip: lines before the first row.
        promised: rows that a PTS count line promises, or None.
        xyz, colors, normals: column indices.
        declared_unit, declared_up, declared_by: as in `Capture`.
        facts: what was assumed, in words.
    """

    delimiter: str | None
    decimal_comma: bool
    columns: int
    skip: int
    promised: int | None
    xyz: Triple = (0, 1, 2)
    colors: Triple | None = None
    normals: Triple | None = None
    declared_unit: DeclaredUnit = ""
    declared_up: str = ""
    declared_by: str = ""
    facts: tuple[str, ...] = field(default=())


class LayoutError(ValueError):
    """The table is no point cloud, and why."""


def find_layout(lines: list[str]) -> Layout:
    """Return the layout of a table from its first lines.

    Raises:
        LayoutError: no rows, or no columns that can be x, y and z.
    """
    names_line, promised, skip = _preamble(lines)
    rows = [line for line in lines[skip:] if line.strip() and not is_comment(line)]
    if not rows:
        raise LayoutError("it has no row of numbers")
    delimiter, decimal_comma = _separator(rows[0])
    table = [split(line, delimiter, decimal_comma) for line in rows]
    columns = max(len(row) for row in table[:50])
    full = [row for row in table if len(row) == columns]
    if columns > 1 and all(not row[-1] for row in full):
        columns -= 1  # every row ends with a separator
    numbers = np.array([[number(word) for word in row[:columns]] for row in full])
    names = [] if names_line is None else split_names(names_line, delimiter, columns)
    plain = Layout(delimiter, decimal_comma, columns, skip, promised)
    if len(names) == columns:
        return _by_name(names, plain)
    layout = _by_shape(numbers, plain)
    if names:
        told = Doubt(
            f"its {len(names)} column names do not fit its {columns} columns and were not used"
        )
        return replace(layout, facts=(told, *layout.facts))
    return layout


def number(word: str) -> float:
    """Return the number a word is, or NaN."""
    return float(word.replace("d", "e").replace("D", "e")) if _NUMBER.fullmatch(word) else np.nan


def split(line: str, delimiter: str | None, decimal_comma: bool) -> list[str]:
    """Return the words of a line, without quotes and blanks."""
    line = line.replace('"', "")
    if decimal_comma:
        line = line.replace(",", ".")
    return [word.strip() for word in line.split(delimiter)]


def is_comment(line: str) -> bool:
    """Return whether a line is a remark."""
    return line.lstrip().startswith(_COMMENT)


def split_names(line: str, delimiter: str | None, columns: int) -> list[str]:
    """Return column names in lower case; a header may be separated otherwise than its rows."""
    text = line.lstrip("#/%! \t").replace('"', "").strip().lower()
    found: list[str] = []
    for separator in (delimiter, ",", ";", "\t", None):
        found = [word.strip() for word in text.split(separator)]
        while found and not found[-1]:
            found.pop()
        if len(found) == columns:
            break
    return found


def _preamble(lines: list[str]) -> tuple[str | None, int | None, int]:
    """Return the line of names, the PTS count, and how many lines come before the first row."""
    names, promised = None, None
    for skip, line in enumerate(lines[:_PREAMBLE_LINES]):
        words = re.split(r"[,;|\s]+", line.strip().strip(",;|"))
        if words == [""]:
            continue
        if is_comment(line):
            names = line if len(words) >= 3 or names is None else names
        elif len(words) == 1 and words[0].isdigit():
            promised = int(words[0]) if promised is None else promised
        elif len(words) >= 3 and sum(_is_number(w) for w in words) >= 3:
            return names, promised, skip
        elif any(_is_number(w) for w in words):
            raise LayoutError(f"line {skip + 1} reads {line.strip()[:60]!r}: not three numbers")
        else:
            names = line
    raise LayoutError("it has no row of numbers")


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word.strip('"')) is not None


def _separator(line: str) -> tuple[str | None, bool]:
    for delimiter in (";", "|"):
        if delimiter in line:
            return delimiter, "," in line and "." not in line
    words = line.split()
    if "," not in line:
        return None, False
    decimal = len(words) >= 3 and all(_DECIMAL_COMMA.fullmatch(w) or w.isdigit() for w in words)
    return (None, True) if decimal else (",", False)


def _by_name(names: list[str], table: Layout) -> Layout:
    plain = [_UNIT.sub("", name).strip() for name in names]
    xyz = _find(names, _POSITIONS) or _find(plain, _POSITIONS)
    if xyz is None:
        if {"lat", "latitude"} & set(plain) and {"lon", "lng", "longitude"} & set(plain):
            raise LayoutError(
                "its columns are longitude and latitude in degrees, and a scene is in metres"
            )
        raise LayoutError(f"its columns are {', '.join(names)[:200]}: none are x, y and z")
    layout = replace(table, xyz=xyz, colors=_find(plain, _COLORS), normals=_find(plain, _NORMALS))
    named: set[str] = {m[1] or m[2] for i in xyz if (m := _UNIT.search(names[i]))}
    title = ", ".join(names[i] for i in xyz)
    if tuple(names[i] for i in xyz) == _ARIA:
        by = f"a Project Aria point table ({title}), gravity-aligned,"
        return replace(layout, declared_unit="m", declared_up="+z", declared_by=by)
    unit = next((u for u in UNITS if named == {u}), None)
    if names[xyz[0]].startswith("points_m_xyz"):
        unit = "m"
    if unit is None:
        return layout
    return replace(layout, declared_unit=unit, declared_by=f"the header ({title})")


def _find(names: list[str], options: tuple[tuple[str, str, str], ...]) -> Triple | None:
    for a, b, c in options:
        if a in names and b in names and c in names:
            return names.index(a), names.index(b), names.index(c)
    return None


def _by_shape(numbers: np.ndarray, table: Layout) -> Layout:
    """Return the layout of a table without names: x y z first, the rest by what it can be."""
    columns = numbers.shape[1]
    first = 1 if columns >= 4 and _is_index(numbers[:, 0]) else 0
    xyz = (first, first + 1, first + 2)
    if columns < first + 3 or np.isnan(numbers[:, xyz]).all(axis=0).any():
        raise LayoutError(f"its {columns} columns do not begin with three numbers x y z")
    starts = range(first + 3, columns - 2)
    normals = next((s for s in starts if _are_normals(numbers[:, s : s + 3])), None)
    free = [s for s in starts if normals is None or abs(s - normals) >= 3]
    bytes_ = [s for s in free if _are_bytes(numbers[:, s : s + 3])]
    # PTS is x y z intensity r g b, others put the intensity last. Neighbouring channels of a picture
    # are nearly equal, so the window whose channels differ least holds the colours.
    colors = min(bytes_, key=lambda s: _spread(numbers[:, s : s + 3]), default=None)
    if colors is None and columns == first + 6 and free:
        unit = numbers[:, first + 3 :]
        colors = first + 3 if np.nanmin(unit) >= 0 and 0 < np.nanmax(unit) <= 1 else None
    said = [f"x y z from columns {first + 1}-{first + 3}"]
    said += ["an index in column 1"] if first else []
    said += [f"colours 0-255 in {colors + 1}-{colors + 3}"] if colors is not None else []
    said += [f"unit normals in {normals + 1}-{normals + 3}"] if normals is not None else []
    used = 3 + first + 3 * (colors is not None) + 3 * (normals is not None)
    left = columns - used
    said += [f"{left} column{'s' if left > 1 else ''} not used"] if left else []
    facts = (Doubt(f"the table has no column names; taken by their numbers: {', '.join(said)}"),)
    return replace(
        table, xyz=xyz, colors=_triple(colors), normals=_triple(normals),
        facts=facts if columns > 3 else (),
    )  # fmt: skip


def _triple(start: int | None) -> Triple | None:
    return None if start is None else (start, start + 1, start + 2)


def _is_index(values: np.ndarray) -> bool:
    return len(values) >= 10 and bool((np.diff(values) == 1).all()) and values[0] % 1 == 0


def _are_normals(part: np.ndarray) -> bool:
    length = np.linalg.norm(part, axis=1)
    unit = np.abs(length - 1) < 0.02
    whole = (part == np.round(part)).all()
    return len(part) >= 5 and bool(unit.mean() > 0.9) and not whole


def _are_bytes(part: np.ndarray) -> bool:
    if np.isnan(part).any() or part.min() < 0 or not 1 < part.max() <= 255:
        return False
    return bool((part == np.round(part)).all())


def _spread(part: np.ndarray) -> float:
    return float(np.abs(np.diff(part[:, (0, 1, 2, 0)], axis=1)).sum())
