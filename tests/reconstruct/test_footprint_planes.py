"""Laws of planes, footprints and the greedy choice of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from r2s.core.rectangle import min_rectangle
from r2s.reconstruct.footprint import components, cover, rasterize
from r2s.reconstruct.planes import largest_plane
from r2s.reconstruct.selection import Prices, choose, offered
from r2s.reconstruct.solids import make_geom

UP = np.array([0.0, 0.0, 1.0])


def test_the_largest_plane_is_found_to_a_fraction_of_the_noise():
    rng = np.random.default_rng(0)
    xy = rng.uniform(-1, 1, (6000, 2))
    truth = np.array([0.05, -0.03, 1.0]) / np.linalg.norm([0.05, -0.03, 1.0])
    z = (0.4 - xy @ truth[:2]) / truth[2] + rng.normal(0, 0.005, 6000)
    clutter = rng.uniform(-1, 1, (3000, 3))
    points = np.concatenate([np.column_stack([xy, z]), clutter])
    normals = np.tile(UP, (9000, 1))
    plane, mask = largest_plane(
        points, normals, tolerance_m=0.0125, patch_m=0.3, max_tilt_from=(UP, 0.98, 1.0), rng=rng
    )
    assert np.degrees(np.arccos(plane.normal @ truth)) < 0.05
    assert plane.offset == pytest.approx(0.4, abs=0.0005)
    assert mask[:6000].mean() > 0.97


def test_what_stands_just_before_a_wall_does_not_turn_its_plane():
    """The back of a shelf covers a fifth of a wall, 18 mm before it: within the tolerance."""
    rng = np.random.default_rng(0)
    xy = rng.uniform([-2, -1], [2, 1], (20_000, 2))
    z = rng.normal(0, 0.003, 20_000) + 0.018 * (xy[:, 0] > 1.2)
    points = np.column_stack([xy, z])
    normals = np.tile(UP, (20_000, 1))
    plane, _ = largest_plane(
        points, normals, tolerance_m=0.025, patch_m=0.3, max_tilt_from=(UP, 0.98, 1.0), rng=rng
    )
    assert np.degrees(np.arccos(plane.normal[2])) < 0.04  # least squares: 0.24
    assert abs(plane.offset) < 0.001


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.2])
def test_the_smallest_rectangle_of_a_rectangle_is_itself(yaw):
    corners = np.array([[-2, -1], [2, -1], [2, 1], [-2, 1]], float)
    inside = np.random.default_rng(0).uniform(-1, 1, (300, 2)) * [2, 1]
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    centre, found, half = min_rectangle(np.concatenate([corners, inside]) @ turn.T + [5, 7])
    assert centre == pytest.approx([5, 7])
    assert sorted(half) == pytest.approx([1, 2])
    assert np.isclose(np.mod(found - yaw, np.pi / 2), 0, atol=1e-6) or np.isclose(
        np.mod(found - yaw, np.pi / 2), np.pi / 2, atol=1e-6
    )


def test_an_l_is_covered_by_two_rectangles_without_overlap():
    mask = np.zeros((30, 30), bool)
    mask[2:28, 2:10] = mask[2:10, 2:28] = True
    rectangles = cover(mask, 30, 8)
    assert len(rectangles) == 2
    covered = np.zeros_like(mask, dtype=int)
    for i0, j0, i1, j1 in rectangles:
        covered[i0:i1, j0:j1] += 1
    assert (covered == mask).all()


def test_no_rectangle_has_a_longer_side_than_allowed():
    for i0, j0, i1, j1 in cover(np.ones((25, 40), bool), 10, 100):
        assert i1 - i0 <= 10 and j1 - j0 <= 10


def test_components_are_separate_areas_largest_first():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.uniform(0, 1, (4000, 2)), rng.uniform(3, 3.5, (1500, 2))])
    areas = components(rasterize(xy, 0.05), 0.1)
    assert [a.area_m2 for a in areas] == pytest.approx([1.1, 0.3], abs=0.15)
    assert areas[1].contains(np.array([[3.2, 3.2], [0.5, 0.5]])).tolist() == [True, False]


def test_boxes_that_block_seen_air_are_not_worth_their_points():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 0.2, (500, 3))
    tight = make_geom("box", (0.1, 0.1, 0.1), (0.1, 0.1, 0.1), np.eye(3))
    greedy = make_geom("box", (0.6, 0.1, 0.1), (0.5, 0.1, 0.1), np.eye(3))
    air = rng.uniform([0.4, 0, 0], [1.0, 0.2, 0.2], (300, 3))
    prices = Prices(points=5000, air=5000, missed=0.05, blocked=0.01)
    chosen = choose(
        offered([greedy, tight], points, air), 500, prices, budget=5, hard_budget=5, may_miss=0
    )
    assert chosen == [1]


def test_the_budget_is_stretched_only_while_points_are_missing():
    columns = [
        np.array([[x, 0, 0]]) + np.random.default_rng(x).random((100, 3)) * 0.1 for x in range(6)
    ]
    boxes = [make_geom("box", (0.06, 0.06, 0.06), c.mean(0), np.eye(3)) for c in columns]
    prices = Prices(points=600, air=0, missed=0.05, blocked=0.01)
    points = np.concatenate(columns)
    offers = offered(boxes, points, np.zeros((0, 3)))
    options = {"budget": 2, "hard_budget": 6}
    assert len(choose(offers, 600, prices, may_miss=450, **options)) == 2
    assert len(choose(offers, 600, prices, may_miss=250, **options)) == 4
    assert len(choose(offers, 600, prices, may_miss=0, **options)) == 6
