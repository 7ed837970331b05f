"""Scale from one measured length, for captures whose unit is nobody's: photogrammetry, monocular SLAM.

The form is the one people have at hand: two points picked in a viewer (CloudCompare's point picking,
MeshLab's measuring
tool), in the file's own coordinates, and what a tape measure says between them. An edge that r2s would find
itself (the longest of a table) is known to a coarse voxel only, which is one per cent of a room; two
picked points
are as good as the picking, and the farther apart the better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from r2s.core.errors import R2SError, UsageError
from r2s.scan.units import Unit, UnitChoice

# A picked point lies on the surface: no farther from the nearest point than this part of the capture.
_ON_SURFACE = 0.02
# Picking is good to about this part of the capture; a shorter length than ten of it makes a poor scale.
_PICKED = 0.002
FORM = "--known-distance X1,Y1,Z1,X2,Y2,Z2,METRES"

Known = tuple[float, float, float, float, float, float, float]


class Scale(NamedTuple):
    """Metres per file unit, and the choice of unit that says so."""

    m_per_unit: float
    choice: UnitChoice


def check(known: Known, unit: Unit | None) -> None:
    """Raise where a known distance cannot be one, before anything is read."""
    first, second, metres = np.array(known[:3]), np.array(known[3:6]), known[6]
    apart = float(np.linalg.norm(second - first))
    wrong = ""
    if apart == 0.0:
        wrong = "the two points are the same"
    elif metres <= 0:
        wrong = f"the length between them is {metres:g} m"
    elif unit is not None:
        wrong = f"--unit {unit} says the scale too"
    if wrong:
        raise UsageError(
            "R2S-SCAN-048", f"the known distance does not fix the scale: {wrong}", where=FORM,
            why="two different points of the file and the metres between them give metres per file unit",
            remedy="r2s scan FILE --known-distance 0.1,0.2,0.0,1.4,0.2,0.0,1.60    (and no --unit)",
        )  # fmt: skip


def from_known_distance(known: Known, sample: np.ndarray, where: str) -> Scale:
    """Return the scale that makes two points of the file `known[6]` metres apart.

    Args:
        sample: (k, 3) points of the capture, file units.

    Raises:
        R2SError: a point is nowhere near the capture: picked in another frame, or after another scaling.
    """
    from scipy.spatial import KDTree

    ends = np.array(known[:6]).reshape(2, 3)
    low, high = np.quantile(sample, [0.001, 0.999], axis=0)
    diagonal = float(np.linalg.norm(high - low))
    away = np.asarray(KDTree(sample).query(ends)[0])
    if away.max() > _ON_SURFACE * diagonal:
        far = int(np.argmax(away))
        raise R2SError(
            "R2S-SCAN-049", f"point {far + 1} of the known distance is not on the capture", where=where,
            why=f"the nearest point of the file is {away[far]:.4g} file units from {_text(ends[far])}; the "
            f"file spans {_text(low)} to {_text(high)}: it was picked in another frame or another file",
            remedy="pick both points in this very file, without shifting or scaling it on opening",
        )  # fmt: skip
    apart = float(np.linalg.norm(ends[1] - ends[0]))
    m_per_unit = known[6] / apart
    said = (
        f"known distance: {apart:.4g} file units are {known[6]:g} m, so one is {m_per_unit:.6g} m"
    )
    if apart < 10 * _PICKED * diagonal:
        said += "; it is short for this capture, and an error of picking it weighs: a longer one is better"
    return Scale(m_per_unit, UnitChoice("m", said))


def _text(point: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in point) + ")"
