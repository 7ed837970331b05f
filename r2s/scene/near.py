"""What a robot can come near to: only that moves, and only that is in the training model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from r2s.scene.training_shapes import distance_to_bounds
from r2s.scene.twin import Twin

REACH_MARGIN_M = 0.15
# A walking robot meets what is not higher than this share of its height above the floor.
HEAD = 2.0


def near_robot(twin: Twin, spawns: np.ndarray) -> tuple[Twin, tuple[str, ...]]:
    """Return the twin that trains only on what its robot can reach, and notes for the user.

    Movable things beyond are bolted down: nothing will ever push them.
    """
    info = twin.robot.info
    if twin.stance.floating:
        return twin, ()
    reach = info.reach_m + REACH_MARGIN_M
    centre = np.asarray(twin.stance.position)
    far = [
        thing.name
        for thing in twin.place.things
        if thing.movable
        and all(distance_to_bounds(g, twin.place.hulls, centre) > reach for g in thing.geoms)
    ]
    place = twin.place
    for name in far:
        place = place.with_thing(place.thing(name).frozen())
    notes = (f"out of reach, fixed: {', '.join(far)}",) if far else ()
    return replace(twin, place=place, reach_m=reach), notes
