"""What a robot can come near to: only that moves, and only that is in the training model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from r2s.scene.twin import Twin

REACH_MARGIN_M = 0.15
# A walking robot passes under what is this many times its own height above the floor.
HEADROOM = 2.0


ROUTE_M, STOPS = (
    1.0,
    60,
)  # how far from where it starts a walking robot meets things; starts looked at
SEEN_M = 2.0  # the same for one on wheels, whose scanner sees farther than it drives


def near_robot(
    twin: Twin, spawns: np.ndarray, height_m: float = 0.0
) -> tuple[Twin, tuple[str, ...]]:
    """Return the twin that trains only on what its robot can reach, and notes for the user.

    Movable things beyond are bolted down: nothing will ever push them.

    Args:
        height_m: of a robot on wheels over the floor; 0 for others.
    """
    info, centre = twin.robot.info, np.asarray(twin.stance.position)
    reach, ceiling = info.reach_m + REACH_MARGIN_M, np.inf
    if twin.stance.floating:
        reach = info.base_radius_m + ROUTE_M
        ceiling = float(centre[2] + (HEADROOM - 1) * info.base_height_m)
    if height_m:
        reach = info.base_radius_m + SEEN_M
        ceiling = float(centre[2] - info.base_height_m + HEADROOM * height_m)
    stops = spawns[:: max(1, len(spawns) // STOPS), :2].astype(np.float64)
    near = replace(twin, reach_m=reach, ceiling_m=ceiling, route=stops)
    place = twin.place
    far = [t.name for t in place.things if t.movable and not any(near.meets(g) for g in t.geoms)]
    for name in far:
        place = place.with_thing(place.thing(name).frozen())
    notes = (f"out of reach, fixed: {', '.join(far)}",) if far else ()
    return replace(near, place=place), notes
