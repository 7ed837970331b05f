"""The linear unit of a coordinate reference system, from GeoTIFF keys or WKT, and whether it can be true."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from r2s.scan.units import METRES, Unit

Kind = Literal["projected", "geographic", "geocentric", "local", ""]
WktNode = list  # [keyword, argument, ...]; arguments are str, float or WktNode

# GeoTIFF keys (OGC 19-008r4) and the EPSG codes of length units.
_MODEL, _GEOGRAPHIC, _PROJECTED, _LINEAR_UNIT, _LINEAR_SIZE = 1024, 2048, 3072, 3076, 3077
_VERTICAL_UNIT = 4099
_UNIT_CODES: dict[int, Unit] = {9001: "m", 9002: "ft", 9003: "us-ft"}
_UNIT_WORDS = {"m": "metre", "ft": "international foot", "us-ft": "US survey foot"}
_USER_DEFINED = 32767
# Projected systems by EPSG code, where the file gives the code only: UTM and national grids in metres,
# then US state planes (EPSG registry; ranges are inclusive).
_CODES: tuple[tuple[int, int, Unit], ...] = (
    (32601, 32660, "m"), (32701, 32760, "m"), (25828, 25838, "m"), (26901, 26923, "m"),
    (6328, 6348, "m"), (28348, 28358, "m"), (7846, 7859, "m"), (6669, 6687, "m"), (31466, 31469, "m"),
    (2154, 2154, "m"), (27700, 27700, "m"), (28992, 28992, "m"), (2056, 2056, "m"), (21781, 21781, "m"),
    (3857, 3857, "m"), (3035, 3035, "m"), (3067, 3067, "m"), (2193, 2193, "m"), (5514, 5514, "m"),
    (2222, 2224, "ft"), (2225, 2250, "us-ft"), (2251, 2253, "ft"), (2254, 2255, "us-ft"),
    (2256, 2256, "ft"), (2257, 2264, "us-ft"), (2265, 2266, "ft"), (2267, 2268, "us-ft"),
    (2269, 2270, "ft"), (2271, 2272, "us-ft"), (2273, 2273, "ft"), (2274, 2279, "us-ft"),
    (2280, 2282, "ft"), (2283, 2289, "us-ft"), (26729, 26870, "us-ft"), (32001, 32067, "us-ft"),
)  # fmt: skip
# Semi-axes of the WGS 84 ellipsoid [m].
_EQUATOR_M, _POLE_M = 6378137.0, 6356752.3142
# Distance of the Earth's surface from its centre, with mountains and some room [m].
_EARTH_M = (6.33e6, 6.40e6)
_WKT_DEPTH = 40


@dataclass(frozen=True)
class Crs:
    """What a file says about its coordinates.

    Attributes:
        kind: of coordinates; "" where the file says nothing.
        name: for sentences: `EPSG:4326`, `NAD_1983_...`.
        unit: of length, horizontally; "" where it is unknown or not one r2s knows.
        vertical: unit of heights, "" where it is not said, so the same.
        evidence: where it was read: `GeoTIFF key 3076 = 9002 (international foot)`.
    """

    kind: Kind = ""
    name: str = ""
    unit: Unit | Literal[""] = ""
    vertical: Unit | Literal[""] = ""
    evidence: str = ""


def from_geokeys(directory: Sequence[int], doubles: Sequence[float], title: str = "") -> Crs:
    """Return the CRS of a GeoKeyDirectory: four header words, then (key, location, count, value) each."""
    keys: dict[int, int | float] = {}
    for at in range(4, len(directory) - 3, 4):
        key, location, _, value = directory[at : at + 4]
        if location == 0:
            keys[key] = value
        elif location == 34736 and value < len(doubles):
            keys[key] = doubles[value]
    kinds: dict[int, Kind] = {1: "projected", 2: "geographic", 3: "geocentric"}
    projected = int(keys.get(_PROJECTED, 0))
    geographic = int(keys.get(_GEOGRAPHIC, 0))
    kind = kinds.get(int(keys.get(_MODEL, 0)), "")
    if kind == "":
        kind = (
            "projected" if projected or _LINEAR_UNIT in keys else "geographic" if geographic else ""
        )
    code = projected if kind == "projected" and projected else geographic
    named = 0 < code < _USER_DEFINED or code > _USER_DEFINED
    name = f"EPSG:{code}" if named else title or "user-defined"
    unit, evidence = _linear(keys, projected if kind == "projected" else 0)
    if kind == "geocentric" and unit == "":
        unit, evidence = "m", "GeoTIFF key 1024 = 3 (geocentric)"
    vertical: Unit | Literal[""] = _UNIT_CODES.get(int(keys.get(_VERTICAL_UNIT, 0)), "")
    return Crs(kind, name if kind else "", unit, vertical, evidence)


def _linear(keys: Mapping[int, int | float], code: int) -> tuple[Unit | Literal[""], str]:
    said = int(keys.get(_LINEAR_UNIT, 0))
    if said in _UNIT_CODES:
        unit = _UNIT_CODES[said]
        return unit, f"GeoTIFF key {_LINEAR_UNIT} = {said} ({_UNIT_WORDS[unit]})"
    if _LINEAR_SIZE in keys and (unit := unit_of_factor(float(keys[_LINEAR_SIZE]))):
        return unit, f"GeoTIFF key {_LINEAR_SIZE} = {keys[_LINEAR_SIZE]:.10g} m"
    for first, last, unit in _CODES:
        if first <= code <= last:
            return unit, f"GeoTIFF key {_PROJECTED} = {code} (a projection in {_UNIT_WORDS[unit]})"
    return "", ""


def unit_of_factor(metres: float) -> Unit | Literal[""]:
    """Return the unit that is `metres` long, told apart to 0.4 parts in a million (foot from foot: 2)."""
    for unit, size in METRES.items():
        if abs(metres - size) <= 4e-7 * size:
            return unit  # type: ignore[return-value]
    return ""


def from_wkt(text: str) -> Crs:
    """Return the CRS of a WKT 1 or WKT 2 text; the empty CRS where it is none."""
    root = _parse(text)
    if root is None:
        return Crs()
    horizontal, vertical = root, None
    if root[0] in ("BOUNDCRS",):
        inner = _child(root, ("SOURCECRS",))
        horizontal = next((a for a in (inner or [])[1:] if isinstance(a, list)), root)
    if horizontal[0] in ("COMPD_CS", "COMPOUNDCRS"):
        parts = [a for a in horizontal[1:] if isinstance(a, list)]
        vertical = next((p for p in parts if p[0] in ("VERT_CS", "VERTCRS", "VERTICALCRS")), None)
        horizontal = parts[0] if parts else root
    kinds: dict[str, Kind] = {
        "PROJCS": "projected", "PROJCRS": "projected", "PROJECTEDCRS": "projected",
        "GEOGCS": "geographic", "GEOGCRS": "geographic", "GEOGRAPHICCRS": "geographic",
        "GEOCCS": "geocentric", "LOCAL_CS": "local", "ENGCRS": "local", "ENGINEERINGCRS": "local",
        "GEODCRS": "geographic", "GEODETICCRS": "geographic",
    }  # fmt: skip
    kind = kinds.get(horizontal[0], "")
    if kind == "geographic" and horizontal[0].startswith("GEOD"):
        system = _child(horizontal, ("CS",))
        if system and str(system[1]).lower() == "cartesian":
            kind = "geocentric"
    name = str(horizontal[1]) if len(horizontal) > 1 and isinstance(horizontal[1], str) else ""
    factor = None if kind == "geographic" else _unit_factor(horizontal)
    high = None if vertical is None else _unit_factor(vertical)
    unit = "" if factor is None else unit_of_factor(factor[1])
    said = "" if factor is None else f"WKT unit {factor[0]!r} = {factor[1]:.10g} m of {name[:60]!r}"
    return Crs(kind, name[:60], unit, "" if high is None else unit_of_factor(high[1]), said)


def _unit_factor(node: WktNode) -> tuple[str, float] | None:
    """Return name and metres of a system's own unit, or of its first axis'."""
    for holder in (node, _child(node, ("AXIS",)), _child(node, ("CS",))):
        unit = None if holder is None else _child(holder, ("UNIT", "LENGTHUNIT"))
        if unit and len(unit) > 2 and isinstance(unit[1], str) and isinstance(unit[2], float):
            return unit[1][:40], unit[2]
    return None


def _child(node: WktNode, keywords: tuple[str, ...]) -> WktNode | None:
    return next((a for a in node[1:] if isinstance(a, list) and a[0] in keywords), None)


_TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([\[(])|([\])])|(,)|([^\s,\[\]()"]+))')


def _parse(text: str) -> WktNode | None:
    """Return the tree of a WKT text, or None where it is none."""
    stack: list[WktNode] = []
    word, at = "", 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        quoted, opened, closed, _, plain = match.groups()
        if opened:
            if not word or len(stack) >= _WKT_DEPTH:
                return None
            node: WktNode = [word.upper()]
            if stack:
                stack[-1].append(node)
            stack.append(node)
            word = ""
            continue
        if word and stack:
            stack[-1].append(_value(word))
        word = ""
        if closed:
            if not stack:
                return None
            node = stack.pop()
            if not stack:
                return node
        elif quoted is not None and stack:
            stack[-1].append(quoted)
        elif plain:
            word = plain
    return None


def _value(word: str) -> str | float:
    try:
        return float(word)
    except ValueError:
        return word


def plumb_up(point: np.ndarray) -> np.ndarray:
    """Return up (3,), the ellipsoid's normal, at a geocentric point (3,)."""
    normal = point / np.array([_EQUATOR_M, _EQUATOR_M, _POLE_M]) ** 2
    return normal / np.linalg.norm(normal)


def contradiction(crs: Crs, low: np.ndarray, high: np.ndarray) -> str:
    """Return why coordinates between low and high (3,) cannot be of the CRS, or ""."""
    span = f"x {low[0]:,.0f} and y {low[1]:,.0f} are no degrees"
    degrees = bool(
        (np.abs([low[0], high[0]]) <= 360).all() and (np.abs([low[1], high[1]]) <= 90).all()
    )
    if crs.kind == "geographic" and not degrees:
        return span
    if crs.kind == "geocentric":
        distance = float(np.linalg.norm((low + high) / 2)) * METRES[crs.unit or "m"]
        if not _EARTH_M[0] <= distance <= _EARTH_M[1]:
            return f"{span}, and lie {distance / 1000:,.0f} km from the Earth's centre, not 6,370"
    return ""
