"""Range noise against surfaces whose noise is known: it is the sensor's, not the surface's shape."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import room_points

from r2s.scan.noise import range_noise


def sheet(sigma: float, height, *, count: int = 80_000, side_m: float = 4.0) -> np.ndarray:
    """Points (n, 3) of z = height(x, y) with noise `sigma` along z."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(-side_m / 2, side_m / 2, (count, 2))
    return np.column_stack([xy, height(*xy.T) + rng.normal(0, sigma, count)])


def flat(x, y):
    return 0.1 * x


@pytest.mark.parametrize("sigma", [0.0005, 0.002, 0.01])
def test_the_noise_of_a_plane_is_measured(sigma):
    assert range_noise(sheet(sigma, flat), 0) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize(
    "height",
    [
        lambda x, y: 0.06 * np.sin(x),  # a bowed wall, 12 cm from end to end
        lambda x, y: 0.05 * (x**2 + y**2),  # a dish
        lambda x, y: 0.04 * (x > 0.3) * (y > -0.2),  # two layers of a drifted registration
    ],
)
def test_bending_and_registration_do_not_count(height):
    bent = sheet(0.002, height)
    about_one_plane = np.std(bent[:, 2])
    assert about_one_plane > 0.01
    assert range_noise(bent, 0) == pytest.approx(0.002, rel=0.15)


def test_a_cylinder_measures_like_a_plane():
    rng = np.random.default_rng(5)
    angle, z = rng.uniform(0, 2 * np.pi, 40_000), rng.uniform(0, 0.3, 40_000)
    radius = 0.1 + rng.normal(0, 0.001, 40_000)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])
    assert range_noise(points, 0) == pytest.approx(0.001, rel=0.15)


def test_a_sparse_sweep_of_a_street_has_noise_too():
    """12 points a square metre: the nearest 60 of a point reach 1.2 m far."""
    near = sheet(0.02, flat, count=20_000, side_m=40.0)
    assert range_noise(near, 0) == pytest.approx(0.02, rel=0.15)
    relief = sheet(0.02, lambda x, y: 3 * np.sin(x / 9), count=20_000, side_m=900.0)
    assert range_noise(relief, 0) == 0.0  # patches of 10 m measure hills


def test_the_real_sweep_of_a_street(shared_data):
    from r2s.scan.readers import read

    points = read(shared_data / "scans/laser_csv/car_cloud400.csv").points
    assert 0.003 < range_noise(points, 0) < 0.03


def test_quantised_depth_counts():
    step = 0.02
    points = sheet(0.0, lambda x, y: np.round(0.4 * x / step) * step)
    assert range_noise(points, 0) == pytest.approx(step / np.sqrt(12), rel=0.4)


def test_the_noise_of_a_room_with_corners_is_its_rays_noise():
    # the rays meet the walls at an angle, so the noise across a wall is a little less
    assert 0.6 * 0.005 < range_noise(room_points(noise_m=0.005), 0) < 1.1 * 0.005


def test_noise_depends_on_the_seed_only_and_few_points_tell_nothing():
    points = sheet(0.002, flat, count=5000)
    assert range_noise(points, 7) == range_noise(points, 7)
    assert range_noise(points[:50], 0) == 0.0
