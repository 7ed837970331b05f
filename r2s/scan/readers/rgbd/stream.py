"""Frames as a `Capture`: pictures are decoded when their rows are asked for, one at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Doubt, Rows, joined
from r2s.scan.gravity import mean_axes
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.rgbd.frames import Frame, Intrinsics, Layout, sound_intrinsics
from r2s.scan.readers.rgbd.pixels import GRAZING_DEG, depth_shape

# More pictures than this hardly add surface; they are thinned evenly, and it is said.
MOST_FRAMES = 600
# With more than this share of the first, middle and last picture beyond the cut-off, the scale is wrong.
ALL_FAR = 0.95


def capture_of(layout: Layout, asked: Asked, folder: Path) -> Capture:
    """Return the capture of a folder of depth pictures; points are metres in the layout's world frame.

    Raises:
        R2SError: intrinsics are not known, or a picture is none.
    """
    layout = _thinned(_colored(layout))
    frames = [
        replace(frame, intrinsics=_intrinsics(frame, asked, layout, folder))
        for frame in layout.frames
    ]
    per_m = asked.depth_per_m or layout.depth_per_m
    far_m = asked.depth_max_m or layout.reach_m
    shapes = [frame.packed or depth_shape(frame.depth) for frame in frames]
    starts = np.cumsum([0, *(height * width for height, width in shapes)])
    colored = all(frame.color for frame in frames)

    def rows(part: slice) -> Rows:
        start, stop, step = part.indices(int(starts[-1]))
        found: list[Rows] = []
        first = int(np.searchsorted(starts, start, side="right")) - 1
        for i in range(max(first, 0), len(frames)):
            begin, end = int(starts[i]), int(starts[i + 1])
            if begin >= stop:
                break
            at = max(start, start + -(-(begin - start) // step) * step)
            if at < min(end, stop):
                found.append(_rows(i, slice(at - begin, min(end, stop) - begin, step)))
        return joined(found)

    def _loaded(i: int) -> dict[str, Any]:
        frame, intrinsics = frames[i], frames[i].intrinsics
        assert intrinsics is not None  # `_intrinsics` raised where it is not known
        return run_limited(
            "r2s.scan.readers.rgbd.pixels:load",
            (
                frame.depth, frame.color if colored else None, frame.confidence,
                tuple(intrinsics.at(shapes[i])[:4]), frame.T_world_camera, float(per_m), float(far_m),
                layout.holes, frame.packed,
            ),
            limits=LIMITS.packed if frame.packed else LIMITS.parse,
            what=f"decoding {shown(frame.depth)}",
        )  # fmt: skip

    def _rows(i: int, part: slice) -> Rows:
        loaded = _loaded(i)
        points = loaded["points"][part]
        colors = loaded["colors"][part] if colored else None
        return Rows(points, colors, None, np.full(len(points), i, np.int32))

    probes = sorted({0, len(frames) // 2, len(frames) - 1})
    far = min(_loaded(i)["far"] for i in probes)
    if far > ALL_FAR:
        raise _too_far(far, per_m, far_m, shown(folder))
    return Capture(
        layout.name,
        int(starts[-1]),
        rows,
        has_colors=colored,
        declared_unit="m",
        declared_up=layout.declared_up,
        up_is_measured=bool(layout.declared_up),
        declared_by=_unit_evidence(layout, asked),
        facts=(*layout.facts, *_facts(layout, frames, asked, far_m, colored)),
        viewpoints=np.array([frame.T_world_camera[:3, 3] for frame in frames]),
        viewpoints_by=f"{len(frames)} camera positions of {layout.poses_by}; a point keeps the nearest "
        "that saw it",
        axes=None
        if layout.declared_up
        else mean_axes(np.array([frame.T_world_camera[:3, :3] for frame in frames])),
        parts=tuple(int(v) for v in starts[:-1]),
    )


def _unit_evidence(layout: Layout, asked: Asked) -> str:
    depth = (
        f"{asked.depth_per_m:g} per metre, given by the user (--depth-per-m)"
        if asked.depth_per_m
        else f"{layout.depth_per_m:g} per metre ({layout.depth_by})"
    )
    world = layout.declared_by or f"{layout.name} poses"
    return f"{world}, with depth stored {depth},"


def _facts(
    layout: Layout, frames: list[Frame], asked: Asked, far_m: float, colored: bool
) -> list[str]:
    intrinsics = frames[0].intrinsics
    assert intrinsics is not None
    by = "given by the user (--intrinsics)" if asked.intrinsics else layout.intrinsics_by
    found = [
        f"intrinsics fx {intrinsics.fx:g} fy {intrinsics.fy:g} cx {intrinsics.cx:g} cy "
        f"{intrinsics.cy:g}: {by}",
        f"depth beyond {far_m:g} m is dropped (--depth-max-m), and pixels at depth edges, where a surface "
        f"would be seen at less than {GRAZING_DEG:g} deg; both count as non_finite",
    ]
    with_color = sum(frame.color is not None for frame in frames)
    if not colored and with_color:
        found.append(
            Doubt(f"colours are left out: only {with_color:,} of {len(frames):,} frames have them")
        )
    return found


def _intrinsics(frame: Frame, asked: Asked, layout: Layout, folder: Path) -> Intrinsics:
    if asked.intrinsics is not None:
        return given_intrinsics(asked.intrinsics, shown(folder))
    if frame.intrinsics is None:
        raise no_intrinsics(shown(folder), layout.intrinsics_by)
    if not sound_intrinsics(frame.intrinsics[:4]):
        raise no_intrinsics(
            shown(folder), f"fx, fy, cx, cy of {frame.depth.name} are {frame.intrinsics[:4]}"
        )
    return frame.intrinsics


def given_intrinsics(values: tuple[float, float, float, float], where: str) -> Intrinsics:
    """Return the user's intrinsics, checked."""
    if not sound_intrinsics(values):
        raise no_intrinsics(
            where, f"--intrinsics {','.join(f'{v:g}' for v in values)} is no camera"
        )
    return Intrinsics(*values)


def no_intrinsics(where: str, why: str) -> R2SError:
    """Return the error for depth whose camera is not known."""
    return R2SError(
        "R2S-SCAN-024", "the intrinsics of the depth camera are not known", where=where,
        why=f"{why}; without them depth is not a shape",
        remedy=f"r2s scan '{where}' --intrinsics FX,FY,CX,CY    (pixels of the depth picture)",
    )  # fmt: skip


def _colored(layout: Layout) -> Layout:
    """Drop the frames without colour where most have it: a capture has colours everywhere or nowhere."""
    kept = tuple(frame for frame in layout.frames if frame.color)
    if len(kept) == len(layout.frames) or len(kept) * 2 < len(layout.frames):
        return layout
    fact = Doubt(f"{len(layout.frames) - len(kept):,} frames without a colour picture are skipped")
    return replace(layout, frames=kept, facts=(*layout.facts, fact))


def _too_far(share: float, per_m: float, far_m: float, where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-028", f"{100 * share:.0f} % of the depth would be beyond {far_m:g} m", where=where,
        why=f"depth was taken as {per_m:g} per metre; indoors that means another scale, outdoors that the "
        "cut-off is too near",
        remedy=f"r2s scan '{where}' --depth-per-m {per_m * (5 if per_m < 5000 else 2):g}    or    "
        f"--depth-max-m {far_m * 5:g}",
    )  # fmt: skip


def _thinned(layout: Layout) -> Layout:
    count = len(layout.frames)
    if count <= MOST_FRAMES:
        return layout
    chosen = np.linspace(0, count - 1, MOST_FRAMES).round().astype(int)
    fact = f"{MOST_FRAMES:,} of {count:,} frames are read, evenly spread"
    return replace(
        layout, frames=tuple(layout.frames[i] for i in chosen), facts=(*layout.facts, fact)
    )
