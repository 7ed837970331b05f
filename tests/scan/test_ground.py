"""Where z = 0 is when nothing is level: strays do not carry it away."""

from __future__ import annotations

import numpy as np
import pytest
from cloud_files import hills

from r2s.scan.frame import find_ground

UP = np.array([0.0, 0.0, 1.0])
# One point per coarse voxel, as the look gives them.
GROUND = hills(3000, width=100.0)


def height(points: np.ndarray) -> float:
    return find_ground([], UP, points, 1.0, None).height_m


def test_strays_far_below_do_not_carry_the_ground_away():
    rng = np.random.default_rng(1)
    strays = rng.uniform([0, 0, -900], [100, 100, -200], (60, 3))
    assert height(np.concatenate([GROUND, strays])) == pytest.approx(height(GROUND), abs=1.5)
    assert np.quantile(np.concatenate([GROUND, strays])[:, 2], 0.005) < -200


def test_a_deep_place_is_no_stray():
    pit = GROUND[:600] * [0.2, 0.2, 0.05] + [40, 40, -60]
    assert height(np.concatenate([GROUND, pit])) < -55
