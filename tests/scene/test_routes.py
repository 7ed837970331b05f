"""Ways over free floor: what is connected, and how long the way is."""

from __future__ import annotations

import numpy as np
import pytest

from r2s.scene.routes import ways

CELL_M = 0.1


def grid(blocked=lambda x, y: False) -> np.ndarray:
    """Return the free points of a floor of 2 m by 2 m."""
    axis = np.arange(20) * CELL_M
    return np.array([(x, y) for x in axis for y in axis if not blocked(x, y)])


def test_a_wall_without_a_door_parts_the_floor_and_with_one_makes_the_way_longer():
    at = np.array([(0.2, 0.2), (1.6, 0.2), (0.2, 1.6)])
    closed = ways(grid(lambda x, y: 0.85 < x < 1.15), CELL_M, at)
    assert np.isinf(closed[0, 1]) and np.isinf(closed[1, 2]) and np.isfinite(closed[0, 2])
    door = ways(grid(lambda x, y: 0.85 < x < 1.15 and y < 1.75), CELL_M, at)
    assert door[0, 1] > 3.0
    assert ways(grid(), CELL_M, at)[0, 1] == pytest.approx(1.4)


def test_ways_are_symmetric_and_no_shorter_than_the_straight_line():
    random = np.random.default_rng(0)
    at = grid()[random.integers(0, 400, 30)]
    found = ways(grid(), CELL_M, at)
    straight = np.linalg.norm(at[:, None] - at[None], axis=2)
    np.testing.assert_allclose(found, found.T, atol=1e-9)
    assert np.all(found >= straight - 1e-9)
    assert np.all(found <= 1.083 * straight + 1e-9)  # eight directions: sqrt(4 - 2 sqrt(2))


def test_a_gap_of_one_cell_is_no_way():
    found = ways(grid(lambda x, y: abs(x - 1.0) < 0.05), CELL_M, np.array([(0.5, 0.5), (1.5, 0.5)]))
    assert np.isinf(found[0, 1])
