"""What a user may say about how a capture is read, and what a reader tells while it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from r2s.core.errors import UsageError
from r2s.guard.preflight import shown
from r2s.scan.units import Unit

# Hears how much is done, of how much; raises to end the work.
Told = Callable[[float, float], None]


def unheard(done: float, total: float) -> None:
    """A `Told` that hears nothing."""


@dataclass(frozen=True)
class Asked:
    """The user's word where a file is silent or wrong; None leaves it to the file.

    Attributes:
        intrinsics: fx, fy, cx, cy of the depth pictures [px].
        depth_per_m: stored depth of one metre.
        depth_max_m: depth beyond this is dropped [m].
        topic: topic of a ROS recording.
        frame: fixed frame of a ROS recording.
        message: number of the one message of the topic to read, from 0.
        registered: several clouds are in one frame already, and are not moved.
        unit: of all files, or of each of several clouds in their order.
    """

    intrinsics: tuple[float, float, float, float] | None = None
    depth_per_m: float | None = None
    depth_max_m: float | None = None
    topic: str | None = None
    frame: str | None = None
    message: int | None = None
    registered: bool = False
    unit: Unit | tuple[Unit, ...] | None = None


NOTHING = Asked()


def check_units(asked: Asked, clouds: int, where: Path) -> None:
    """Raise unless the user's units are one for all, or one for each of `clouds`."""
    if not isinstance(asked.unit, tuple) or len(asked.unit) == clouds:
        return
    holds = "one capture" if clouds == 1 else f"{clouds} clouds"
    example = ",".join(asked.unit[i % len(asked.unit)] for i in range(clouds))
    raise UsageError(
        "R2S-SCAN-053", f"--unit names {len(asked.unit)} units for {holds}", where=shown(where),
        why="one unit holds for every cloud; several are those of the clouds, in their order",
        remedy=f"--unit {example}    (with the unit of each)" if clouds > 1 else f"--unit {asked.unit[0]}",
    )  # fmt: skip
