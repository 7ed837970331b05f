"""Twins of generated rooms against the truth: `nox -s bench` prints the table, CI runs one small room."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("pye57")


@pytest.fixture(scope="module")
def room():
    """Room 11, hardly furnished, by a LiDAR with rays 1.2 degrees apart and 5 mm of noise."""
    import room_bench
    import room_runs

    return room_bench.with_shares(room_runs.run(11, "lidar", 0.005, options={"step_deg": 1.2}))


def test_the_twin_of_a_room_is_where_the_room_is(room):
    assert room["faces_found"] == room["faces"]
    assert room["offset_mm"] < 2 and room["tilt_deg"] < 0.06
    assert room["floor_mm"] < 2 and room["level_deg"] < 0.08
    assert room["sigma_mm"] == pytest.approx(5, rel=0.35)


def test_the_twin_of_a_room_keeps_its_air_and_its_surface(room):
    assert room["blocked_5cm"] < 0.002 and room["missed_2cm"] < 0.03
    assert room["f_20mm"] > 0.98 and room["geoms"] <= 128
    assert room["own_blocked_5cm"] == pytest.approx(room["blocked_5cm"], abs=0.002)


def test_the_surface_of_a_room_is_the_rooms(room):
    assert room["surface_mm"] < 4
    assert room["surface_f_10mm"] > 0.9 and room["surface_f_20mm"] > 0.96


def test_equal_seeds_make_equal_rooms_and_other_seeds_others():
    import rooms

    assert rooms.make_room(3) == rooms.make_room(3) != rooms.make_room(4)


@pytest.mark.campaign
def test_rooms_against_their_truth(tmp_path):
    """R2S_BENCH_ROOMS rooms (21) x 3 noises; R2S_BENCH_OUT names the JSON file."""
    import room_bench

    out = os.environ.get("R2S_BENCH_OUT", str(tmp_path / "rooms.json"))
    rows = room_bench.main(["--rooms", os.environ.get("R2S_BENCH_ROOMS", "21"), "--out", out])
    good = [row for row in rows if "error" not in row]
    assert len(good) >= 0.95 * len(rows), [row["error"] for row in rows if "error" in row]
    assert statistics.fmean(row["blocked_5cm"] for row in good) < 0.002
    (whole,) = [o for row in good for o in row.get("others", []) if "whole room" in o["way"]][:1]
    mine = next(row for row in good if "others" in row)
    assert mine["blocked_5cm"] < 0.1 * whole["blocked_5cm"]
