"""A person's edits applied to the parts of a reconstruction: in order, each to the one body it means.

A name counts as long as nothing moved. After a new scan the pinned place decides, and an edit whose body
is not there any more is left out and told of; without a pin it is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from r2s.artifacts.edits import Cut, Edit, Found, Target, contradiction
from r2s.core.errors import UsageError
from r2s.core.rigid import transform
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.completion import complete
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.layout import Draft
from r2s.reconstruct.objects import explain
from r2s.reconstruct.parts import Part, all_geoms, upright_box
from r2s.reconstruct.primitives import Standing
from r2s.reconstruct.rays import Rays, one_sided
from r2s.reconstruct.solids import GROUND, bounds

_NEAR_M = 0.15  # a thing that stands farther from its pin, and is not that large, is another
_PLANE_NEAR_M = 1.0  # the middle of a plane is the middle of what was seen of it
_LEAST_POINTS = 10  # of one piece
_NAMED = 5
_LLOYD_STEPS = 20


class Editor:
    """The parts while they are edited; indices stay, what is gone becomes None."""

    def __init__(self, draft: Draft, cloud: Cloud, rays: Rays, free: FreeSpace, seed: int):
        self._cloud, self._rays, self._free, self._seed = cloud, rays, free, seed
        self._parts: list[Part | None] = list(draft.parts)
        self._into: dict[int, int] = {}  # merged and split parts: what stands for them
        self._gone: dict[str, str] = {}  # name to what an earlier edit did with it
        self._said: dict[tuple[int, str], int] = {}  # (part, field) to the edit that set it
        self._draft = draft
        self.warnings: list[str] = []
        self.dropped: list[np.ndarray] = []

    def apply(self, number: int, edit: Edit) -> None:
        """Apply one edit.

        Raises:
            UsageError: R2S-LAYOUT-004 no such body, -005 it contradicts another edit, -006 it cannot be done.
        """
        index = self._find(number, edit.body)
        if index is None:
            return
        part = self._part(index)
        if edit.drop:
            self.dropped.append(part.points)
            self._remove(index, part.parent, f"edit {number} dropped it")
            return
        if edit.merge:
            others = [self._find(number, target) for target in edit.merge]
            part = self._merged(number, index, [i for i in others if i is not None])
        if edit.name is not None:
            part = self._renamed(number, index, part, edit.name)
        self._agree(number, index, part.name, edit)
        part = self._told(number, part, edit)
        self._parts[index] = part
        if edit.split is not None:
            self._split(number, index, part, edit.split)

    def result(self) -> Draft:
        """Return the draft of what is left: parents and openings point to it."""
        place = {i: n for n, i in enumerate(i for i, p in enumerate(self._parts) if p)}

        def moved(index: int) -> int:
            while index >= 0 and self._parts[index] is None:
                index = self._into.get(index, -1)
            return place.get(index, -1)

        parts = []
        for i, part in enumerate(self._parts):
            if part is not None:
                parent = moved(part.parent)
                parts.append(replace(part, parent=-1 if parent == place[i] else parent))
        holes = [(moved(i), hole) for i, hole in self._draft.holes if moved(i) >= 0]
        warnings = [*self._draft.warnings, *self.warnings]
        return replace(self._draft, parts=parts, holes=holes, warnings=warnings)

    def _part(self, index: int) -> Part:
        part = self._parts[index]
        assert part is not None
        return part

    def _here(self) -> list[tuple[int, Part]]:
        return [(i, part) for i, part in enumerate(self._parts) if part is not None]

    def _find(self, number: int, target: Target) -> int | None:
        here = self._here()
        exact = [i for i, p in here if p.name == target.name]
        if target.name in self._gone and not exact:
            raise contradiction(number, target.name, self._gone[target.name])
        exact = exact or [i for i, p in here if p.found_as == (target.name,)]
        changed = bool(exact) and bool(self._part(exact[0]).found_as)
        if exact and (target.near is None or changed or self._distance(exact[0], target) <= 1):
            return exact[0]
        if target.near is None:
            raise UsageError(
                "R2S-LAYOUT-004",
                f"there is no body {target.name!r}",
                where=f"edit {number}",
                why=f"near: {', '.join(_nearest(target, [p for _, p in here]))}",
                remedy="r2s layout   # lists the bodies",
            )
        stem = target.name.rsplit("_", 1)[0]
        alike = [
            (self._distance(i, target), i)
            for i, p in here
            if not p.found_as and p.name.rsplit("_", 1)[0] == stem
        ]
        best = min(alike, default=(np.inf, -1))
        if best[0] <= 1:
            return best[1]
        near = ", ".join(_nearest(target, [p for _, p in here]))
        self.warnings.append(
            f"edit {number} of {target.name} matches nothing in this scan, and is left out; nearest: {near}"
        )
        return None

    def _distance(self, index: int, target: Target) -> float:
        """Return how far a part is from where the target was pinned, in units of what is allowed."""
        part = self._part(index)
        centre, _, size = upright_box(part.geoms, part.hulls)
        allowed = max(_NEAR_M, 0.5 * float(np.linalg.norm(size))) if any(size) else _PLANE_NEAR_M
        return float(np.linalg.norm(np.subtract(centre, target.near or centre))) / allowed

    def _remove(self, index: int, stands_for: int, what: str) -> None:
        part = self._part(index)
        for name in (part.name, *part.found_as):
            self._gone[name] = what
        self._into[index] = stands_for
        self._parts[index] = None

    def _agree(self, number: int, index: int, name: str, edit: Edit) -> None:
        for field in [*edit.facts, *(["name"] if edit.name else [])]:
            before = self._said.setdefault((index, field), number)
            if before != number:
                raise contradiction(number, name, f"edit {before} sets its {field} as well")

    def _renamed(self, number: int, index: int, part: Part, name: str) -> Part:
        if any(p.name == name for i, p in self._here() if i != index):
            raise contradiction(number, part.name, f"another body is called {name!r}")
        return replace(part, name=name, found_as=part.found_as or (part.name,))

    def _told(self, number: int, part: Part, edit: Edit) -> Part:
        if not edit.facts:
            return part
        mobility = edit.mobility or part.mobility
        if mobility == "movable" and any(geom.shape in GROUND for geom in part.geoms):
            raise _impossible(number, part.name, "an infinite plane or a height field cannot move")
        return replace(
            part,
            mobility=mobility,
            label=edit.label or part.label,
            material=edit.material or part.material,
            mass_kg=edit.mass_kg or part.mass_kg,
            friction=edit.friction or part.friction,
            found_as=part.found_as or (part.name,),
        )

    def _merged(self, number: int, index: int, others: Sequence[int]) -> Part:
        """Return one part of several: things are explained anew, everything else is put together."""
        own = self._part(index)
        if index in others:
            raise contradiction(number, own.name, "it would be merged with itself")
        parts = [own, *(self._part(i) for i in others)]
        points = np.unique(np.concatenate([part.points for part in parts]))
        names = tuple(name for part in parts for name in (part.found_as or (part.name,)))
        geoms, hulls, _ = all_geoms(parts)
        whole = replace(own, points=points, found_as=names)
        anew = None
        if all(part.role == "object" for part in parts):
            low = min(bounds(geom, hulls)[0][2] for geom in geoms)
            anew = self._explained(points, low)
        for i in others:
            self._remove(i, index, f"edit {number} merged it into {own.name}")
        if anew is None:
            fit = own.fit if len(geoms) == len(own.geoms) else "boxes"
            return replace(whole, geoms=tuple(geoms), hulls=tuple(hulls), fit=fit)
        return _reshaped(whole, anew)

    def _explained(self, index: np.ndarray, floor_m: float) -> Part | None:
        """Return the solid that explains points standing on something at height `floor_m`."""
        cloud = self._cloud
        points = cloud.points[index]
        T = transform(np.eye(3), np.array([*points[:, :2].mean(0), floor_m]))
        eye = one_sided(self._rays, cloud.points, index)
        local = points - T[:3, 3]
        completed = complete(local, None if eye is None else eye - T[:3, 3], T, self._free)
        standing = Standing(local, cloud.normals[index], T, cloud.tolerance_m, completed=completed)
        return explain(standing, index, cloud, self._rays, self._free, self._seed)

    def _split(self, number: int, index: int, part: Part, how: int | Cut) -> None:
        side = _sides(self._cloud.points[part.points], how)
        pieces = []
        for k in range(how if isinstance(how, int) else 2):
            own = part.points[side == k]
            piece = None
            if len(own) >= _LEAST_POINTS:
                piece = self._piece(part, own, k, how)
            if piece is None:
                raise _impossible(
                    number, part.name, f"piece {k} would be {len(own)} points and no solid"
                )
            pieces.append(
                replace(piece, name=f"{part.name}_{k}", found_as=part.found_as or (part.name,))
            )
        taken = {p.name for i, p in self._here() if i != index}
        for piece in pieces:
            if piece.name in taken:
                raise contradiction(number, part.name, f"a body is called {piece.name} already")
        self._remove(index, len(self._parts), f"edit {number} split it into {pieces[0].name}, ...")
        self._parts.extend(pieces)

    def _piece(self, part: Part, own: np.ndarray, k: int, how: int | Cut) -> Part | None:
        """Return one piece: of a thing, what explains its points; of boxes, those on its side."""
        if any(geom.shape in GROUND for geom in part.geoms):
            return None
        if part.role != "object" and len(part.geoms) > 1:
            centres = np.array([geom.position for geom in part.geoms])
            side = _sides(self._cloud.points[part.points], how, centres)
            geoms = tuple(g for g, s in zip(part.geoms, side, strict=True) if s == k)
            return replace(part, geoms=geoms, points=own) if geoms else None
        low = min(bounds(geom, part.hulls)[0][2] for geom in part.geoms)
        bottom = float(self._cloud.points[own, 2].min())
        found = self._explained(own, low if bottom - low < 0.05 else bottom)
        return _reshaped(replace(part, points=own), found) if found else None


def edited(
    draft: Draft, edits: Sequence[Edit], cloud: Cloud, rays: Rays, free: FreeSpace, seed: int
) -> tuple[Draft, np.ndarray, tuple[Found, ...]]:
    """Apply edits to a draft with named parts.

    Returns:
        the edited draft, indices of the points of dropped bodies, and the bodies before (() without edits).
    """
    if not edits:
        return draft, np.zeros(0, np.int64), ()
    found = tuple(
        Found(name=p.name, role=p.role, center_m=upright_box(p.geoms, p.hulls)[0])
        for p in draft.parts
    )
    editor = Editor(draft, cloud, rays, free, seed)
    for number, edit in enumerate(edits, start=1):
        editor.apply(number, edit)
    dropped = np.concatenate([np.zeros(0, np.int64), *editor.dropped])
    return editor.result(), dropped, found


def _sides(points: np.ndarray, how: int | Cut, of: np.ndarray | None = None) -> np.ndarray:
    """Return which piece each of `of` (n, 3), default the points, belongs to: (n,) int."""
    of = points if of is None else of
    if isinstance(how, Cut):
        return (of[:, "xyz".index(how.axis)] >= how.at).astype(int)
    centres = _middles(points, how)
    return np.argmin(np.linalg.norm(of[:, None] - centres, axis=2), axis=1)


def _middles(points: np.ndarray, count: int) -> np.ndarray:
    """Return (count, 3) middles of groups: Lloyd's algorithm from farthest points, in order of x, y, z."""
    seeds = [points[np.lexsort(points.T[::-1])[0]]]
    while len(seeds) < count:
        gap = np.min([np.linalg.norm(points - seed, axis=1) for seed in seeds], axis=0)
        seeds.append(points[int(np.argmax(gap))])
    middles = np.array(seeds)
    for _ in range(_LLOYD_STEPS):
        own = np.argmin(np.linalg.norm(points[:, None] - middles, axis=2), axis=1)
        middles = np.array(
            [points[own == k].mean(0) if (own == k).any() else middles[k] for k in range(count)]
        )
    return middles[np.lexsort(middles.T[::-1])]


def _reshaped(part: Part, anew: Part) -> Part:
    """Return the part with another's shape, and all that was said of it."""
    return replace(
        part, geoms=anew.geoms, hulls=anew.hulls, fit=anew.fit,
        assumed_fraction=anew.assumed_fraction, notes=anew.notes,
    )  # fmt: skip


def _nearest(target: Target, parts: Sequence[Part]) -> list[str]:
    """Return the bodies a person may have meant: by place where one is pinned, else by name."""
    if target.near is None:
        names = [part.name for part in parts]
        return difflib.get_close_matches(target.name, names, n=_NAMED, cutoff=0.3) or names[:_NAMED]
    gaps = []
    for part in parts:
        centre = upright_box(part.geoms, part.hulls)[0]
        gaps.append((float(np.linalg.norm(np.subtract(centre, target.near))), part.name))
    return [f"{name} ({gap:.2f} m away)" for gap, name in sorted(gaps)[:_NAMED]]


def _impossible(number: int, name: str, reason: str) -> UsageError:
    return UsageError(
        "R2S-LAYOUT-006",
        f"edit {number} of {name} cannot be done: {reason}",
        where=f"edit {number}",
        remedy="r2s layout   # shows the sizes; r2s render reconstruction shows the shapes",
    )
