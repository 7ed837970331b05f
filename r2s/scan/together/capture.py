"""Several clouds as one `Capture`, in the frame of the first, or in the one their poses are stated in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import apply, transform
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Doubt, Rows, joined
from r2s.scan.gravity import Camera, mean_axes
from r2s.scan.readers.asked import NOTHING, Asked, Told, unheard
from r2s.scan.together.agreement import agreement
from r2s.scan.together.network import Fit, Network, connect, moved_by
from r2s.scan.together.view import CELLS_PER_DIAGONAL, Sample, sample_of, view_of
from r2s.scan.units import METRES, UNITS, Unit

MOST_CLOUDS = 200


@dataclass(frozen=True)
class _Member:
    """A cloud, its sample moved by T_start_file, and how the place moves that: T_place_start."""

    capture: Capture
    sample: Sample
    T_start_file: np.ndarray
    T_place_start: np.ndarray

    @property
    def pose(self) -> np.ndarray:
        """T_place_file."""
        return self.T_place_start @ self.T_start_file

    @property
    def eyes(self) -> np.ndarray:
        """Sensor positions (m, 3) in the place; (0, 3) where they are not known."""
        if self.capture.viewpoints is not None:
            return apply(self.pose, self.capture.viewpoints)
        eye = self.sample.eye
        return np.empty((0, 3)) if eye is None else apply(self.T_place_start, eye[None])


def put_together(
    captures: Sequence[Capture], paths: Sequence[Path], asked: Asked = NOTHING,
    told: Told = unheard,
) -> Capture:  # fmt: skip
    """Return one capture of several clouds.

    Poses that the files state are used where they fit; else clouds that fit as they are stay so; else they
    are registered by the shapes they share.

    Args:
        told: hears how many clouds are placed, of how many.

    Raises:
        R2SError: one is a mesh, units differ, or a cloud fits no other; the error names the pair.
    """
    _checked(captures, paths)
    names = _short_names(paths)
    captures, in_units = _in_one_unit(captures, paths, names, asked.unit)
    samples = [
        sample_of(capture, name, shown(path))
        for capture, name, path in zip(captures, names, paths, strict=True)
    ]
    still = np.eye(4)
    members = [_Member(c, s, still, still) for c, s in zip(captures, samples, strict=True)]
    if asked.registered:
        told_so = "put together as they are, as the user says (--registered)"
        return _capture(members, [told_so, *in_units])
    stated = [] if any(c.pose is None for c in captures) else _stated(captures, samples)
    if stated and _agreed(stated) > _agreed(members):
        members = stated
        by = "in the poses their files state"
    else:
        by = "as they are, in one frame"
    network = connect(_views(members), told)
    if len(network.poses) < len(members):
        raise _apart(network, names, paths)
    facts = [_fact(network.fits[i], names, members, by) for i in range(1, len(members))]
    origin = _origin(members)
    there, back = transform(None, origin), transform(None, -origin)
    placed = [
        m if np.array_equal(T := network.poses[i], still) else
        replace(m, T_place_start=there @ T @ back)
        for i, m in enumerate(members)
    ]  # fmt: skip
    return _capture(placed, [*facts, *in_units])


def _checked(captures: Sequence[Capture], paths: Sequence[Path]) -> None:
    if len(captures) > MOST_CLOUDS:
        raise UsageError(
            "R2S-SCAN-041", f"{len(captures):,} clouds are more than r2s puts together",
            where=shown(paths[0]), why=f"the limit is {MOST_CLOUDS}",
            remedy="merge some of them first, or thin them out",
        )  # fmt: skip
    for i, path in enumerate(paths):
        if any(path.resolve() == other.resolve() for other in paths[:i]):
            raise UsageError(
                "R2S-SCAN-042", "this cloud is named twice", where=shown(path),
                why="its points would count double", remedy="name it once",
            )  # fmt: skip
    for capture, path in zip(captures, paths, strict=True):
        if capture.mesh is not None:
            raise UsageError(
                "R2S-SCAN-043", "this is a mesh, and only clouds are put together", where=shown(path),
                why="a mesh has no lines of sight to register by",
                remedy=f"r2s scan '{shown(path)}'    # alone",
            )  # fmt: skip


def _in_one_unit(
    captures: Sequence[Capture], paths: Sequence[Path], names: Sequence[str],
    said: Unit | tuple[Unit, ...] | None,
) -> tuple[Sequence[Capture], list[str]]:  # fmt: skip
    """Return the clouds in the unit of the first, and what was done to them, in words.

    Args:
        said: the user's word, which wins over the files': one unit of all, or that of each.

    Raises:
        R2SError: he says nothing, and the files differ in what they say.
    """
    if isinstance(said, tuple):
        factors = [METRES[unit] / METRES[said[0]] for unit in said]
        facts = [
            f"{name} is in {unit}, says the user (--unit), and was multiplied by {factor:.6g}"
            for name, unit, factor in zip(names, said, factors, strict=True)
            if factor != 1.0
        ]
        return [c.scaled(f) for c, f in zip(captures, factors, strict=True)], facts
    found = [capture.declared_unit for capture in captures]
    odd = next((i for i, unit in enumerate(found) if unit != found[0]), None)
    if said is None and odd is not None:
        one, two = (unit or "none stated" for unit in (found[0], found[odd]))
        every = " ".join(f"'{shown(path)}'" for path in paths)
        units = ",".join(unit or "UNIT" for unit in found)
        raise R2SError(
            "R2S-SCAN-044", f"the clouds are in different units: {one} and {two}", where=shown(paths[odd]),
            why=f"{shown(paths[0])} is in the first; they would not fit at one scale",
            remedy=f"r2s scan {every} --unit {units}    (of each; one of: {', '.join(UNITS)})",
        )  # fmt: skip
    return captures, []


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Return names that tell the clouds apart: the file's, with its folder where two are alike."""
    plain = [path.name for path in paths]
    return [
        shown(Path(*path.parts[-2:])) if plain.count(path.name) > 1 else shown(Path(path.name))
        for path in paths
    ]


def _stated(captures: Sequence[Capture], samples: Sequence[Sample]) -> list[_Member]:
    """Return the clouds moved by the poses their files state; the sensor is at each pose."""
    found = []
    for capture, sample in zip(captures, samples, strict=True):
        assert capture.pose is not None
        points, eye = apply(capture.pose, sample.points), capture.pose[:3, 3]
        moved = replace(sample, points=points, eye=eye)
        found.append(_Member(capture, moved, capture.pose, np.eye(4)))
    return found


def _origin(members: Sequence[_Member]) -> np.ndarray:
    return np.median(members[0].sample.points, axis=0)


def _views(members: Sequence[_Member]):
    """Return the views of all members at one voxel size, around one origin, so that UTM keeps its digits."""
    voxel = float(np.median([m.sample.diagonal for m in members])) / CELLS_PER_DIAGONAL
    origin = _origin(members)
    return [view_of(m.sample, origin, voxel) for m in members]


def _agreed(members: Sequence[_Member]) -> float:
    """Return how well neighbours in order fit as they lie."""
    views = _views(members)
    return float(np.mean([agreement(a, b, np.eye(4)).score for a, b in pairwise(views)]))


def _fact(fit: Fit, names: Sequence[str], members: Sequence[_Member], by: str) -> str:
    distance, angle = moved_by(fit.T_a_b)
    how = f"on {names[fit.a]} {by}"
    if not np.array_equal(fit.T_a_b, np.eye(4)):
        how = f"registered to {names[fit.a]}, turned {angle:.2f} deg, moved {distance:.3g}"
    found = fit.agreement
    return (
        f"{names[fit.b]} {how}: {100 * found.overlap:.0f} % shared, {found.residual:.2g} apart (file units), "
        f"{100 * found.in_free_space:.0f} % in free space"
    )


def _apart(network: Network, names: Sequence[str], paths: Sequence[Path]) -> R2SError:
    b = min(network.best_failures)
    fit = network.best_failures[b]
    left = len(names) - len(network.poses)
    more = f" ({left} of {len(names)} clouds fit none)" if left > 1 else ""
    said = "; ".join(fit.failures)
    return R2SError(
        "R2S-SCAN-045", f"{names[b]} does not fit {names[fit.a]}, nor any other cloud{more}",
        where=shown(paths[b]),
        why=f"at the best pose found {said}; put together wrong they would make walls that are not there",
        remedy="record with more overlap and shapes that stand out, leave this cloud out, or, if they are "
        "in one frame already, add --registered",
    )  # fmt: skip


def _capture(members: Sequence[_Member], facts: list[str]) -> Capture:
    captures = [m.capture for m in members]
    starts = np.cumsum([0, *(c.count for c in captures)])
    count = int(starts[-1])
    if count > LIMITS.points:
        raise R2SError(
            "R2S-SCAN-041", f"together the clouds hold {count:,} points", where=members[0].sample.name,
            why=f"the limit is {LIMITS.points:,}", remedy="thin them out, or scan fewer of them",
        )  # fmt: skip
    colored, normal = all(c.has_colors for c in captures), all(c.has_normals for c in captures)
    if not colored and any(c.has_colors for c in captures):
        facts = [*facts, Doubt("only some of the clouds have colours, so none were taken")]
    eyes = [m.eyes for m in members]
    known = all(len(each) for each in eyes)
    first_view = np.cumsum([0, *(len(each) for each in eyes)])

    def rows(part: slice) -> Rows:
        start, stop, step = part.indices(count)
        found = []
        for i, m in enumerate(members):
            begin, end = int(starts[i]), int(starts[i + 1])
            at = max(start, start + -(-(begin - start) // step) * step)
            if at >= min(end, stop):
                continue
            own = m.capture.rows(slice(at - begin, min(end, stop) - begin, step))
            views = np.full(len(own.points), first_view[i], np.int32)
            if own.views is not None and m.capture.viewpoints is not None:
                views += own.views
            found.append(
                Rows(
                    _placed(m.pose, own.points),
                    own.colors if colored else None,
                    own.normals @ m.pose[:3, :3].T if normal and own.normals is not None else None,
                    views if known else None,
                )
            )
        return joined(found)

    first = captures[0]
    cameras = [
        np.stack([np.cross(c.down, c.forward), c.down, c.forward], axis=1)
        for m in members
        if (c := m.sample.camera) is not None
    ]
    axes: Camera | None = None
    if known and len(cameras) == len(members) and not first.declared_up:
        turned = [m.pose[:3, :3] @ c for m, c in zip(members, cameras, strict=True)]
        axes = mean_axes(np.array(turned))
    parts = ()
    if any(c.parts for c in captures):
        parts = tuple(int(starts[i]) + p for i, c in enumerate(captures) for p in (c.parts or (0,)))
    own_facts = dict.fromkeys(fact for c in captures for fact in c.facts)
    formats = dict.fromkeys(c.format for c in captures)
    return replace(
        first, format="+".join(formats), count=count, rows=rows, has_colors=colored, has_normals=normal,
        organized=None, viewpoint=None, viewpoint_is_default=True, pose=None,
        may_be_y_up=any(c.may_be_y_up for c in captures),
        surveyed=all(c.surveyed for c in captures),
        in_place=first.in_place or not known, axes=axes, parts=parts,
        facts=(f"{len(captures)} clouds put together", *facts, *own_facts),
        viewpoints=np.concatenate(eyes) if known else None,
        viewpoints_by=f"{first_view[-1]} sensor positions of {len(captures)} clouds" if known else "",
    )  # fmt: skip


def _placed(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points moved; a cloud that stays where it is keeps its bytes."""
    return points if np.array_equal(T, np.eye(4)) else apply(T, points)
