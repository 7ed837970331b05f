"""Laws of boxes grown on a grid, and of the clutter candidates made of them."""

from __future__ import annotations

import numpy as np
import pytest

from r2s.reconstruct.clutter import candidates
from r2s.reconstruct.growing import Sums, grown
from r2s.reconstruct.solids import signed_distance


def test_a_boxs_sum_is_that_of_its_cells():
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(7, 9, 5))
    lo = rng.integers(0, 5, (50, 3))
    hi = np.minimum(lo + rng.integers(0, 5, (50, 3)), grid.shape)
    brute = [
        grid[tuple(slice(a, b) for a, b in zip(*ends, strict=True))].sum()
        for ends in zip(lo, hi, strict=True)
    ]
    assert Sums(grid).inside(lo, hi) == pytest.approx(brute)


def test_a_grown_box_bridges_what_costs_little_and_stops_at_what_costs_much():
    grid = np.full((40, 3, 3), -0.01)
    grid[[2, 9, 16], 1, 1] = 5.0
    grid[20] = -100.0
    grid[24, 1, 1] = 50.0
    lo, hi = grown(np.array([[9, 1, 1]]), Sums(grid), 40)
    assert (lo[0, 0], hi[0, 0]) == (2, 17)
    lo, hi = grown(np.array([[9, 1, 1]]), Sums(grid), 8)
    assert hi[0, 0] - lo[0, 0] <= 8


def test_candidates_cross_unseen_space_but_no_seen_air():
    """Two clusters half a metre apart: one box holds both unless air was seen between them."""
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.uniform(0, 0.1, (200, 3)), rng.uniform(0, 0.1, (200, 3))])
    points[200:, 0] += 0.5
    between = rng.uniform([0.15, 0, 0], [0.45, 0.1, 0.1], (2000, 3))
    options = {"air_price": 10.0, "max_edge_m": 1.0, "least": 5, "scale": 1.0, "rng": rng}
    wanted = np.ones(400, bool)

    def held(air: np.ndarray) -> int:
        boxes = candidates(points, wanted, 0.3, air, **options)
        return max(int((signed_distance(box, (), points) <= 1e-6).sum()) for box in boxes)

    elsewhere = between + np.array([0.0, 5.0, 0.0])
    assert held(elsewhere) > 390
    assert 190 < held(between) <= 200
