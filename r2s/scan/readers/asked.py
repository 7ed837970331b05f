"""What a user may say about how a capture is read, and what a reader tells while it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """

    intrinsics: tuple[float, float, float, float] | None = None
    depth_per_m: float | None = None
    depth_max_m: float | None = None
    topic: str | None = None
    frame: str | None = None
    message: int | None = None
    registered: bool = False


NOTHING = Asked()
