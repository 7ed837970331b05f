"""A measured length fixes the scale of a capture that has none."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import ply_bytes, room_points, scan

from r2s.core.errors import R2SError, UsageError

PER_M = 0.37  # what one metre is in a photogrammetric model: any number


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.ply"
    path.write_bytes(ply_bytes(room_points() * PER_M))
    return path


def ends(length_m: float):
    """Two points of the room's floor, in the file's coordinates."""
    points = room_points()
    floor = points[np.abs(points[:, 2] - points[:, 2].min()) < 0.02]
    first = floor[np.argmin(floor[:, 0])]
    way = np.abs(np.linalg.norm(floor - first, axis=1) - length_m)
    second = floor[np.argmin(way)]
    return first * PER_M, second * PER_M, float(np.linalg.norm(second - first))


def test_two_points_and_their_distance_make_metres(model):
    first, second, metres = ends(4.0)
    info = scan(model, known_distance=(*first, *second, metres)).info
    size = np.ptp(info.bounds_m, axis=0)
    assert size[2] == pytest.approx(2.6, abs=0.05)  # the room's height
    assert info.unit == "m" and "so one is 2.7027 m" in info.unit_evidence


def test_the_order_of_the_points_does_not_matter(model):
    first, second, metres = ends(4.0)
    one = scan(model, known_distance=(*first, *second, metres))
    two = scan(model, known_distance=(*second, *first, metres))
    np.testing.assert_array_equal(one.points, two.points)


def test_a_point_off_the_capture_was_picked_elsewhere(model):
    first, second, metres = ends(4.0)
    with pytest.raises(
        R2SError, match="point 2 of the known distance is not on the capture"
    ) as told:
        scan(model, known_distance=(*first, *(second + 5), metres))
    assert told.value.code == "R2S-SCAN-049" and "another frame" in told.value.why


@pytest.mark.parametrize(
    ("known", "unit", "said"),
    [
        ((0, 0, 0, 0, 0, 0, 1.0), None, "the two points are the same"),
        ((0, 0, 0, 1, 0, 0, -2.0), None, "-2 m"),
        ((0, 0, 0, 1, 0, 0, 2.0), "mm", "--unit mm says the scale too"),
    ],
)
def test_what_cannot_be_a_distance_is_told_before_reading(tmp_path, known, unit, said):
    path = tmp_path / "model.ply"
    path.write_bytes(ply_bytes(room_points(count=500)))
    with pytest.raises(UsageError, match=said):
        scan(path, known_distance=known, unit=unit)
