"""Voxels: means per cell, the same whatever the blocks, exact far from the origin."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from r2s.scan.voxels import Accumulator, choose_voxel

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(3000, 3))
COLORS = RNG.integers(0, 256, (3000, 3)).astype(np.uint8)


def grid(points, voxel=0.25, blocks=1, center=(0.0, 0.0, 0.0), colors=None):
    accumulator = Accumulator(voxel, np.asarray(center))
    for part in np.array_split(np.arange(len(points)), blocks):
        accumulator.add(points[part], None if colors is None else colors[part], None)
    return accumulator.finish(colors=colors is not None, normals=False)


def test_it_is_the_brute_force_answer():
    cells = defaultdict(list)
    for i, p in enumerate(POINTS):
        cells[tuple(np.floor(p / 0.25 + 0.5).astype(int))].append(i)
    voxels = grid(POINTS, colors=COLORS)
    keys = sorted(cells)
    np.testing.assert_allclose(
        voxels.points, [POINTS[cells[k]].mean(axis=0) for k in keys], atol=1e-12
    )
    np.testing.assert_array_equal(voxels.counts, [len(cells[k]) for k in keys])
    expected = [np.rint(COLORS[cells[k]].astype(float).mean(axis=0)) for k in keys]
    np.testing.assert_array_equal(voxels.colors, expected)


def test_blocks_and_order_do_not_matter():
    whole = grid(POINTS)
    shuffled = RNG.permutation(len(POINTS))
    for other in (grid(POINTS, blocks=7), grid(POINTS[shuffled], blocks=3)):
        np.testing.assert_allclose(other.points, whole.points, atol=1e-12)
        np.testing.assert_array_equal(other.counts, whole.counts)
    np.testing.assert_array_equal(grid(POINTS, blocks=7).points, grid(POINTS, blocks=7).points)


def test_moving_by_whole_voxels_moves_the_means():
    shift = np.array([515368.0, 4918340.0, 2300.0])  # UTM, a multiple of the voxel
    there = grid(POINTS + shift, center=shift)
    np.testing.assert_allclose(there.points - shift, grid(POINTS).points, atol=1e-8)


def test_a_noisy_floor_fills_one_layer():
    floor = np.column_stack([RNG.uniform(-1, 1, (5000, 2)), RNG.normal(0, 0.005, 5000)])
    voxels = grid(floor, voxel=0.05)
    assert np.abs(voxels.points[:, 2]).max() < 0.02
    assert len(np.unique(np.round(voxels.points[:, :2] / 0.05), axis=0)) == len(voxels.points)


@pytest.mark.parametrize(
    ("area", "diagonal", "points", "low", "high"),
    [
        (2.5, 2.9, 241_000, 0.003, 0.005),  # a table top before a Kinect
        (800.0, 33.0, 112_000, 0.02, 0.03),  # rooms before a LiDAR
        (120.0, 8.5, 1_000_000, 0.012, 0.015),  # a dense room: its mugs are six voxels wide
        (0.1, 0.65, 80_000, 0.001, 0.002),  # a machined part
    ],
)
def test_the_voxel_suits_the_capture(area, diagonal, points, low, high):
    assert low <= choose_voxel(area=area, diagonal=diagonal, points=points) <= high


def test_more_points_do_not_mean_more_voxels():
    for points in (10**6, 10**8):
        voxel = choose_voxel(area=200.0, diagonal=20.0, points=points)
        assert 200.0 / voxel**2 < 620_000
