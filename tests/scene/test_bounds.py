"""How large a place is when its floor is an endless plane."""

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Skin
from r2s.scene.environment import Environment, Thing
from r2s.scene.surfaces import surfaces


def test_an_endless_floor_is_as_large_as_what_was_seen_of_it():
    corners = np.float32([[-6, -4, 0], [6, -4, 0], [6, 4, 0], [-6, 4, 0]])
    seen = Skin(corners, np.int32([[0, 1, 2], [0, 2, 3]]), np.zeros((2, 3, 2), np.float32))
    plane = Geom(shape="plane", size=(0, 0, 0), position=(0, 0, 0))
    floor = Thing("floor", "floor", False, (plane,), 0.8, (0.5, 0.5, 0.5), visual=0)
    place = Environment((floor,), (), (seen,))
    np.testing.assert_allclose(place.bounds(), [corners.min(axis=0), corners.max(axis=0)])
    (found,) = surfaces(place)
    assert (found.low, found.high) == ((-6.0, -4.0), (6.0, 4.0))
