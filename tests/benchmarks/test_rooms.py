"""Twins of generated rooms against the truth: `nox -s bench` prints the table, CI runs one small room."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("pye57")


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
