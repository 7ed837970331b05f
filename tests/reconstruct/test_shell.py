"""Boxes of walls that are not flat, or were seen twice."""

from __future__ import annotations

import numpy as np

from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import rasterize
from r2s.reconstruct.freespace import FreeSpace
from r2s.reconstruct.planes import Plane
from r2s.reconstruct.shell import front_m, is_bent, is_half_space, slabs
from r2s.reconstruct.solids import nearest_distance

NOTHING_SEEN = FreeSpace(np.zeros(3), 0.05, np.zeros((1, 1, 1), bool))


def face(height, seed: int = 0) -> np.ndarray:
    """Points (n, 3) of a 4 x 2 m face in its own frame, `height(x, y)` [m] in front of its plane."""
    xy = np.random.default_rng(seed).uniform([-2, -1], [2, 1], (20_000, 2))
    return np.column_stack([xy, height(*xy.T)])


def boxes(points: np.ndarray, max_edge_m: float = 1.0):
    area = rasterize(points[:, :2], 0.05, close_cells=2)
    return slabs(
        np.eye(4), area, NOTHING_SEEN, thickness_m=0.1, skin_m=0.03, max_edge_m=max_edge_m,
        limit=64, local=points, noise_m=0.002,
    )  # fmt: skip


def missed(geoms, points: np.ndarray) -> float:
    return float((nearest_distance(geoms, (), points, 0.3)[0] > 0.02).mean())


def test_boxes_follow_a_bowed_wall():
    points = face(lambda x, y: 0.08 * np.cos(0.6 * x) - 0.05)
    geoms = boxes(points)
    assert missed(geoms, points) < 0.03
    fronts = [g.position[2] + g.size[2] for g in geoms]
    assert np.ptp(fronts) > 0.02  # each where its own points are, not all at the plane
    assert is_bent(points[:, 2])


def test_of_two_layers_the_front_one_stops_the_robot():
    points = face(lambda x, y: np.where(np.sin(1e4 * x) > 0, 0.03, -0.03))
    geoms = boxes(points)
    assert missed(geoms, points) < 0.03
    assert all(0.0 < g.position[2] + g.size[2] <= 0.03 for g in geoms)  # never before a point


def test_a_flat_wall_keeps_its_place():
    points = face(lambda x, y: np.random.default_rng(1).normal(0, 0.004, len(x)))
    assert not is_bent(points[:, 2])
    assert front_m(points[:, 2], 0.004) == 0.0
    assert front_m(np.zeros(0), 0.004) == 0.0


def test_noise_pulls_no_wall_out():
    """Twenty millimetres of noise, as a depth camera has at four metres: 3 % lie 38 mm in front."""
    points = face(lambda x, y: np.random.default_rng(1).normal(0, 0.02, len(x)))
    assert np.quantile(points[:, 2], 0.97) > 0.035
    assert abs(front_m(points[:, 2], 0.0)) < 0.002


def test_a_wall_with_a_seen_niche_behind_it_is_no_half_space():
    wall = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
    points = face(lambda x, y: np.zeros_like(x))
    cloud = Cloud(
        points, points, points[:0], np.arange(len(points)), 0.02, 0.02, 0.001, np.ones(len(points))
    )
    air = np.column_stack([np.zeros((1000, 2)), np.full(1000, 0.5)])
    assert is_half_space(wall, cloud, NOTHING_SEEN, air)
    niche = air.copy()
    niche[:20, 2] = -0.1  # 2 % of what was seen, not as deep as the skin of a wall
    assert not is_half_space(wall, cloud, NOTHING_SEEN, niche)
    noise = air.copy()
    noise[:20, 2] = -0.02
    assert is_half_space(wall, cloud, NOTHING_SEEN, noise)
