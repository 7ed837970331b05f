"""A capture as it was read: raw rows on demand, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from r2s.artifacts.pictures import Texture
    from r2s.scan.gravity import Camera

BLOCK_ROWS = 1_000_000
# A sample of a capture in parts reads this many of them.
SAMPLE_PARTS = 24
# The coarse look, which fills voxels of 1/160 of the capture, reads this many parts, or every k-th row.
GLANCE_PARTS, GLANCE_ROWS = 100, 10_000_000


class Doubt(str):
    """A fact of a capture that its user should look at: told as a warning, other facts as notes."""


# Some programs write colour fields and no colours.
BLACK = Doubt("its colours are all zero and were left out")


class Rows(NamedTuple):
    """Some points of a capture.

    Attributes:
        points: (k, 3) float64, file units, source frame; may hold NaN.
        colors: (k, 3) uint8 sRGB, or None.
        normals: (k, 3) float64, source frame, not normalised, or None.
        views: (k,) int32 index into the capture's `viewpoints`, or None.
    """

    points: np.ndarray
    colors: np.ndarray | None
    normals: np.ndarray | None
    views: np.ndarray | None = None


class Mesh(NamedTuple):
    """The surface of a mesh capture.

    Attributes:
        vertices, faces: (v, 3) float64 file units, (f, 3) int64.
        texture: its colours, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    texture: Texture | None = None


@dataclass(frozen=True)
class Capture:
    """A foreign file, opened and checked, not yet interpreted.

    Attributes:
        format: reader that opened it (`pcd`, `ply`, `glb`, ...).
        count: number of rows, finite or not.
        rows: returns the rows of a slice; large binary files are read as they are asked for.
        has_colors, has_normals: whether `rows` gives them.
        organized: (height, width) of a depth image kept as rows, else None.
        viewpoint: sensor position the file states, (3,) file units, or None.
        viewpoint_is_default: the stated position is the format's default (the origin), so weak evidence.
        viewpoint_by: words that name the statement, for evidence sentences.
        pose: (4, 4) where the file says its sensor's frame was in the place, if its points are in that
            frame; used where several clouds are put together. None: it says nothing.
        declared_unit: unit the format or file declares, or "".
        declared_up: up the format or file declares (`+y` for glTF, or `x,y,z`), or "".
        plumb: the declared up is that of a survey, so no plane of the capture turns it.
        up_is_measured: the declared up was measured (motion capture, accelerometer), not a convention.
        in_place: the source frame is one of the place, so no sensor's axes or origin are looked for in it.
        declared_by: words that name the declaration, for evidence sentences.
        surveyed: the format or its coordinates are a survey's: it may come from the air and be wide, and
            is no depth camera's frame.
        may_be_y_up: nothing says up, and apps write this format with +y up too.
        mesh: the surface, for mesh captures.
        viewpoints: (m, 3) sensor positions, file units, source frame, where `rows` gives `views`, else None.
        viewpoints_by: one sentence: where the positions come from.
        axes: mean optical axes of the cameras of a capture with poses whose frame has no declared up.
        parts: first row of each part (one picture, one message) that is read as a whole; () for one table.
        facts: what was found and done while reading, in words; see `Doubt`.
    """

    format: str
    count: int
    rows: Callable[[slice], Rows]
    has_colors: bool = False
    has_normals: bool = False
    organized: tuple[int, int] | None = None
    viewpoint: np.ndarray | None = None
    viewpoint_is_default: bool = True
    viewpoint_by: str = ""
    pose: np.ndarray | None = None
    declared_unit: Literal["", "m", "mm", "cm", "ft", "us-ft", "in"] = ""
    declared_up: str = ""
    plumb: bool = False
    up_is_measured: bool = False
    in_place: bool = False
    declared_by: str = ""
    surveyed: bool = False
    may_be_y_up: bool = False
    mesh: Mesh | None = None
    facts: tuple[str, ...] = field(default=())
    viewpoints: np.ndarray | None = None
    viewpoints_by: str = ""
    axes: Camera | None = None
    parts: tuple[int, ...] = ()

    def blocks(self, size: int = BLOCK_ROWS, step: int = 1) -> Iterator[Rows]:
        """Yield all rows in order, or every `step`-th, about `size` at a time.

        Parts are never cut, since reading one costs.
        """
        stride = size * step
        bounds = self._bounds(stride) if self.parts else range(0, self.count, stride)
        for start, stop in pairwise([*bounds, self.count]):
            yield self.rows(slice(start, stop, step))

    def glance(self) -> Iterator[Rows]:
        """Yield blocks enough for a coarse look: `GLANCE_PARTS` of many parts, `GLANCE_ROWS` of many rows."""
        if len(self.parts) <= GLANCE_PARTS:
            yield from self.blocks(step=max(1, -(-self.count // GLANCE_ROWS)))
            return
        for start, stop in self._spread(GLANCE_PARTS):
            yield self.rows(slice(start, stop))

    def _spread(self, count: int) -> list[list[int]]:
        """Return (first row, end) of `count` parts, evenly spread."""
        chosen = np.linspace(0, len(self.parts) - 1, count).round().astype(int)
        return [[*self.parts, self.count][i : i + 2] for i in chosen]

    def _bounds(self, size: int) -> list[int]:
        found = [0]
        for start, stop in pairwise([*self.parts, self.count]):
            if stop - found[-1] > size and start > found[-1]:
                found.append(start)
        return found

    def sample(self, limit: int) -> Rows:
        """Return at most about `limit` rows, evenly spread over the file, or over `SAMPLE_PARTS` parts."""
        if len(self.parts) <= SAMPLE_PARTS:
            step = max(1, -(-self.count // limit))
            return self.rows(slice(0, self.count, step))
        spans = self._spread(SAMPLE_PARTS)
        step = max(1, -(-sum(stop - start for start, stop in spans) // limit))
        return joined([self.rows(slice(start, stop, step)) for start, stop in spans])

    def scaled(self, factor: float) -> Capture:
        """Return the cloud with its lengths multiplied, in a unit that is as many times smaller."""
        if factor == 1.0:
            return self
        pose = self.pose
        if pose is not None:
            pose = pose.copy()
            pose[:3, 3] *= factor

        def rows(part: slice) -> Rows:
            own = self.rows(part)
            return own._replace(points=own.points * factor)

        return replace(
            self, rows=rows, pose=pose,
            viewpoint=None if self.viewpoint is None else self.viewpoint * factor,
            viewpoints=None if self.viewpoints is None else self.viewpoints * factor,
        )  # fmt: skip

    @property
    def points(self) -> np.ndarray:
        """All points, (count, 3) float64, file units, source frame."""
        return self.rows(slice(0, self.count)).points


def joined(blocks: Sequence[Rows]) -> Rows:
    """Return blocks of one capture as one block."""

    def column(name: str) -> np.ndarray | None:
        columns = [getattr(block, name) for block in blocks]
        return None if any(each is None for each in columns) else np.concatenate(columns)

    points = np.concatenate([np.empty((0, 3)), *(block.points for block in blocks)])
    if not blocks:
        return Rows(points, None, None)
    return Rows(points, column("colors"), column("normals"), column("views"))


def color_bytes(colors: np.ndarray) -> np.ndarray:
    """Return sRGB bytes (n, 3) of colours stored as bytes, 16-bit numbers, or floats in 0..1 or 0..255."""
    if colors.dtype.kind == "f":
        clean = np.nan_to_num(colors.astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if clean.size and clean.max() <= 1.0 else 1.0
        return np.rint(np.clip(clean * scale, 0, 255)).astype(np.uint8)
    if colors.dtype.itemsize == 2:
        return (colors.astype(np.int64) >> 8).astype(np.uint8)
    return np.clip(colors, 0, 255).astype(np.uint8)


def rows_of(
    points: np.ndarray, colors: np.ndarray | None = None, normals: np.ndarray | None = None
) -> Callable[[slice], Rows]:
    """Return a `Capture.rows` over arrays that are already in memory."""

    def rows(part: slice) -> Rows:
        return Rows(
            np.asarray(points[part], dtype=np.float64),
            None if colors is None else colors[part],
            None if normals is None else np.asarray(normals[part], dtype=np.float64),
        )

    return rows
