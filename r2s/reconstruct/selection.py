"""Which few boxes explain the most: greedy choice among many candidates, paid in the audit's currency.

A box earns the points it newly explains as a share of what the audit lets a twin miss, and pays for the
seen air it blocks as a share of what the audit lets a twin block.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.solids import bounds, signed_distance

_STRICTNESS = (
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
)  # the price of air rises until the whole choice can afford it
_LEAST_SHARE = 3e-4  # of the scan's points: a box that newly explains fewer is noise ...
_SCARCE_SHARE = 1e-4  # ... or a last resort, while too many points are left out
_BURIED = 0.4  # worth of a point deep inside a box, against one on its surface
EXPLAINED_M = 0.015  # a point this near a box is explained by it


@dataclass(frozen=True)
class Prices:
    """`points` scan points, `air` samples in all; `missed`, `blocked`: shares they may spend."""

    points: int
    air: int
    missed: float
    blocked: float


@dataclass(frozen=True)
class Offer:
    """A box, and what it would do.

    Attributes:
        covers, worth: indices of the points that it explains, and how well each: 1 on its surface, less
            buried in it.
        blocks: indices of the air samples in it.
    """

    box: Geom
    covers: np.ndarray
    worth: np.ndarray
    blocks: np.ndarray


def offered(boxes: Sequence[Geom], points: np.ndarray, air: np.ndarray) -> list[Offer]:
    """Return what each box would do.

    Args:
        points: (n, 3) points to explain.
        air: (m, 3) samples of observed free space that keep 5 cm clear of every scan point.
    """
    near, open_air = Sorted(points), Sorted(air)
    found = []
    for box in boxes:
        covers, distance = near.within(box, EXPLAINED_M)
        worth = np.where(distance >= -EXPLAINED_M, 1.0, _BURIED)
        found.append(Offer(box, covers, worth, open_air.within(box, 0.0)[0]))
    return found


def choose(
    offers: Sequence[Offer],
    n_points: int,
    prices: Prices,
    *,
    budget: int,
    hard_budget: int,
    may_miss: int,
) -> list[int]:
    """Return the indices of the best of the offers for `n_points` points, in the order chosen.

    At most `budget`, and more up to `hard_budget`, or boxes that explain little, only while over `may_miss`
    points are unexplained.

    The gain of a box only shrinks while others are chosen, so a heap of stale gains finds the true
    maximum (lazy greedy).
    """
    chosen: list[int] = []
    for strictness in _STRICTNESS:
        chosen = _greedy(offers, n_points, prices, strictness, budget, hard_budget, may_miss)
        blocks = [offers[i].blocks for i in chosen]
        if not blocks or len(np.unique(np.concatenate(blocks))) <= prices.blocked * prices.air:
            break
    return chosen


def _greedy(
    offers: Sequence[Offer],
    n_points: int,
    prices: Prices,
    strictness: float,
    budget: int,
    hard_budget: int,
    may_miss: int,
) -> list[int]:
    point_worth = 1.0 / max(prices.missed * prices.points, 1.0)
    air_cost = strictness / max(prices.blocked * prices.air, 1.0)
    costs = [air_cost * len(offer.blocks) for offer in offers]
    least_gain = _LEAST_SHARE * point_worth * prices.points
    last_resort = _SCARCE_SHARE * point_worth * prices.points
    open_points = np.ones(n_points, bool)
    heap = [
        (cost - point_worth * float(offer.worth.sum()), i)
        for i, (offer, cost) in enumerate(zip(offers, costs, strict=True))
    ]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < hard_budget:
        if len(chosen) >= budget and open_points.sum() <= may_miss:
            break
        _, index = heapq.heappop(heap)
        offer = offers[index]
        gain = point_worth * float(offer.worth @ open_points[offer.covers]) - costs[index]
        if gain <= (last_resort if open_points.sum() > may_miss else least_gain):
            continue
        if heap and gain < -heap[0][0] - 1e-12:
            heapq.heappush(heap, (-gain, index))
            continue
        chosen.append(index)
        open_points[offer.covers] = False
    return chosen


class Sorted:
    """Points sorted by x, so that a box only looks at its own slice of them."""

    def __init__(self, points: np.ndarray):
        self.order = np.argsort(points[:, 0], kind="stable")
        self.points = points[self.order]

    def within(self, geom: Geom, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
        """Return indices and signed distances [m] of points in the geom or at most `reach_m` outside."""
        lo, hi = bounds(geom, ())
        x = self.points[:, 0]
        first, last = (
            np.searchsorted(x, lo[0] - reach_m),
            np.searchsorted(x, hi[0] + reach_m, "right"),
        )
        near = self.points[first:last]
        inside = np.flatnonzero(
            (np.abs(near[:, 1] - 0.5 * (lo[1] + hi[1])) <= 0.5 * (hi[1] - lo[1]) + reach_m)
            & (np.abs(near[:, 2] - 0.5 * (lo[2] + hi[2])) <= 0.5 * (hi[2] - lo[2]) + reach_m)
        )
        distance = signed_distance(geom, (), near[inside])
        own = distance <= reach_m
        return self.order[first + inside[own]], distance[own]
