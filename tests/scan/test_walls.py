"""Which way the walls stand, and that the world can be laid along them."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import ply_bytes, room_points, scan

from r2s.core.rigid import rpy_to_matrix


@pytest.mark.parametrize("turned_deg", [0.0, 30.0, -40.0])
def test_the_walls_of_a_turned_room(tmp_path, turned_deg):
    path = tmp_path / "room.ply"
    turn = rpy_to_matrix((0, 0, np.radians(turned_deg)))
    path.write_bytes(ply_bytes(room_points(count=20_000) @ turn.T))
    info = scan(path, unit="m", up="+z").info
    assert info.walls_yaw_deg == pytest.approx(turned_deg, abs=0.2)
    assert info.walls_yaw_confidence > 0.99
    assert info.floor_tilt_deg is not None and info.floor_tilt_deg < 0.2
    laid = scan(path, unit="m", up="+z", yaw=-turned_deg)
    assert laid.info.walls_yaw_deg == pytest.approx(0, abs=0.2)
    x, y, _ = np.ptp(laid.points, axis=0)
    assert (x, y) == (pytest.approx(5, abs=0.1), pytest.approx(4, abs=0.1))


def test_a_table_alone_has_no_walls(tmp_path):
    path = tmp_path / "table.ply"
    x, y = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5000))
    path.write_bytes(ply_bytes(np.column_stack([x, y, 0.001 * np.sin(40 * x)])))
    info = scan(path, unit="m", up="+z").info
    assert info.walls_yaw_deg is None and info.walls_yaw_confidence == 0
