"""Units: said, declared or evident; never guessed where two are possible."""

from __future__ import annotations

import pytest

from r2s.core.errors import R2SError
from r2s.scan.units import METRES, check_extent, choose_unit


def choose(extent, *, given=None, declared="", camera_range=None):
    return choose_unit(
        given=given, declared=declared, declared_by="glTF", extent=extent,
        camera_range=camera_range, where="a.ply",
    )  # fmt: skip


def test_the_users_word_wins():
    assert choose(5.0, given="ft", declared="m").unit == "ft"


def test_the_formats_word_is_taken():
    choice = choose(900.0, declared="m")
    assert choice.unit == "m" and "glTF" in choice.evidence


@pytest.mark.parametrize(
    ("extent", "camera_range", "unit"),
    [
        (2.9, 0.8, "m"),  # kinect_tabletop
        (19.4, None, "m"),  # lidar_room
        (71.0, None, "m"),  # velodyne_pair
        (9185.0, None, "mm"),  # building_mm
        (648.0, 1156.0, "mm"),  # part_scan_mm
    ],
)
def test_real_captures(extent, camera_range, unit):
    choice = choose(extent, camera_range=camera_range)
    assert choice.unit == unit
    assert "if" in choice.evidence


@pytest.mark.parametrize("extent", [0.01, 400.0, 1500.0, 5e6])
def test_ambiguous_is_an_error_that_says_what_to_pass(extent):
    with pytest.raises(R2SError, match="unit cannot be told") as caught:
        choose(extent)
    assert caught.value.code == "R2S-SCAN-010"
    assert "--unit" in caught.value.remedy
    assert "if mm" in caught.value.why


def test_survey_foot_is_not_the_foot():
    assert METRES["us-ft"] / METRES["ft"] == pytest.approx(1.000002, abs=1e-9)


def test_absurd_sizes_are_refused():
    with pytest.raises(R2SError, match="20 km"):
        check_extent(20_000.0, where="a")
