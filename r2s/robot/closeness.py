"""How true training colliders are to the link they stand for.

The link is the union of the convex hulls of its collision shapes: MuJoCo collides meshes as hulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from r2s.core.rigid import Array
from r2s.robot.capsules import Union
from r2s.robot.shapes import Collider, spread

# The bound: the larger of these, in each direction; and a volume within this factor.
SURFACE_SHARE, SURFACE_M = 0.08, 0.005  # of the diagonal of the link's bounding box; metres
VOLUME_FACTOR = 1.5
AIR_SAMPLES = 1000
COLLIDER_SAMPLES = 120


@dataclass(frozen=True)
class Closeness:
    """What was measured of one set of colliders.

    Attributes:
        surface_m: 95th percentile distance [m] of the link's surface from the colliders.
        outside_m: 95th percentile of how far [m] the colliders' surface stands out of the link.
        volume_ratio: volume of the colliders over that of the link.
    """

    surface_m: float
    outside_m: float
    volume_ratio: float

    @property
    def error_m(self) -> float:
        return max(self.surface_m, self.outside_m)

    def within(self, size_m: float) -> bool:
        """Whether the bound holds for a link of this diagonal."""
        near = self.error_m <= bound_m(size_m)
        return near and 1 / VOLUME_FACTOR <= self.volume_ratio <= VOLUME_FACTOR


def bound_m(size_m: float) -> float:
    """Return the largest distance [m] that is close enough for a link of this diagonal."""
    return max(SURFACE_SHARE * size_m, SURFACE_M)


def closeness(union: Union, colliders: Sequence[Collider]) -> Closeness:
    """Return how close colliders are to a union of convex hulls."""
    bare = np.abs(np.min([each.distance(union.surface) for each in colliders], axis=0))
    skin = np.concatenate([_skin(number, colliders) for number in range(len(colliders))])
    out = np.maximum(union.outside(skin), 0)
    low = np.minimum(union.low, skin.min(axis=0))
    high = np.maximum(union.high, skin.max(axis=0))
    air = low + (high - low) * spread(AIR_SAMPLES)
    solid = int((union.outside(air) < 0).sum())
    filled = int((np.min([each.distance(air) for each in colliders], axis=0) < 0).sum())
    return Closeness(
        round(float(np.quantile(bare, 0.95)), 6),
        round(float(np.quantile(out, 0.95)), 6),
        round(filled / max(solid, 1), 3),
    )


def _skin(number: int, colliders: Sequence[Collider]) -> Array:
    """Return points on the surface of one collider that lie in no other."""
    points = colliders[number].surface_points(COLLIDER_SAMPLES)
    others = [each for index, each in enumerate(colliders) if index != number]
    bare = [each.distance(points) > 0 for each in others]
    kept = points[np.all(bare, axis=0)] if bare else points
    return kept if len(kept) else points[:1]
