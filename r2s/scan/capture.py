"""A capture as it was read: raw rows on demand, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

BLOCK_ROWS = 1_000_000


class Rows(NamedTuple):
    """Some points of a capture.

    Attributes:
        points: (k, 3) float64, file units, source frame; may hold NaN.
        colors: (k, 3) uint8 sRGB, or None.
        normals: (k, 3) float64, source frame, not normalised, or None.
        stations: (k,) int32 index into `Capture.stations`, or None.
    """

    points: np.ndarray
    colors: np.ndarray | None
    normals: np.ndarray | None
    stations: np.ndarray | None = None


class Mesh(NamedTuple):
    """The surface of a mesh capture: vertices (v, 3) float64 file units, faces (f, 3) int64."""

    vertices: np.ndarray
    faces: np.ndarray


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
        stations: (m, 3) sensor positions, file units, of a capture of several scans with poses; then
            `rows` says which point was seen from which. None elsewhere.
        viewpoint_is_default: the stated position is the format's default (the origin), so weak evidence.
        viewpoint_by: words that name the statement, for evidence sentences.
        declared_unit: unit the format or file declares, or "".
        declared_up: up the format or file declares (`+y` for glTF, or `x,y,z`), or "".
        plumb: the declared up is that of a survey, so no plane of the capture turns it.
        declared_by: words that name the declaration, for evidence sentences.
        surveyed: the format or its coordinates are a survey's: it may come from the air and be wide, and
            is no depth camera's frame.
        may_be_y_up: nothing says up, and apps write this format with +y up too.
        mesh: the surface, for mesh captures.
        facts: remarkable header facts, in words.
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
    stations: np.ndarray | None = None
    declared_unit: Literal["", "m", "mm", "cm", "ft", "us-ft", "in"] = ""
    declared_up: str = ""
    plumb: bool = False
    declared_by: str = ""
    surveyed: bool = False
    may_be_y_up: bool = False
    mesh: Mesh | None = None
    facts: tuple[str, ...] = field(default=())

    def blocks(self, size: int = BLOCK_ROWS, step: int = 1) -> Iterator[Rows]:
        """Yield all rows in order, or every `step`-th, `size` at a time."""
        for start in range(0, self.count, size * step):
            yield self.rows(slice(start, min(start + size * step, self.count), step))

    def sample(self, limit: int) -> Rows:
        """Return at most about `limit` rows, evenly spread over the file."""
        step = max(1, -(-self.count // limit))
        return self.rows(slice(0, self.count, step))

    @property
    def points(self) -> np.ndarray:
        """All points, (count, 3) float64, file units, source frame."""
        return self.rows(slice(0, self.count)).points


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
