"""Doors and windows of analytic rooms, found by rays, kept open by the colliders."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_places import all_around, box, capture, room

from r2s.core.rigid import quat_to_matrix
from r2s.reconstruct.shell import without
from r2s.reconstruct.solids import nearest_distance

DOOR = (-0.45, 0.35)  # y of its jambs, in the +x wall; 2.0 m high
SILL, LINTEL, WINDOW = 0.9, 1.8, (-0.2, 1.0)  # heights and x of the window in the +y wall


def place():
    """A room with a door to the east, a window to the north, and something to see behind both."""
    geoms = room(door=DOOR)
    north = geoms.pop(3)
    y, t, wide, height = north.position[1], 0.2, 2 * north.size[0], 2.5
    low, high = WINDOW
    left, right = low + wide / 2, wide / 2 - high
    pieces = [
        box((-wide / 2 + left / 2, y, height / 2), (left, t, height)),
        box((wide / 2 - right / 2, y, height / 2), (right, t, height)),
        box(((low + high) / 2, y, SILL / 2), (high - low, t, SILL)),
        box(((low + high) / 2, y, (LINTEL + height) / 2), (high - low, t, height - LINTEL)),
        box((0, y + 1.5, 1.0), (6.0, 0.2, 5.0)),
    ]
    return geoms + pieces


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    from r2s.core.context import StageContext
    from r2s.reconstruct import stage

    eyes = ((-0.6, -0.4, 1.3), (0.5, -0.9, 1.3))
    scan = capture(place(), [(eye, all_around(45_000)) for eye in eyes], voxel=0.04, sigma=0.003)
    folder = tmp_path_factory.mktemp("twin")
    return stage.run({"scan": scan}, stage.Config(), StageContext(folder))


def openings(twin, kind):
    return [each for each in twin.info.openings if each.kind == kind]


def test_the_door_is_found_where_it_is(twin):
    (door,) = openings(twin, "door")
    assert door.center_m == pytest.approx((2.0, sum(DOOR) / 2, 1.0), abs=0.06)
    assert door.size_m == pytest.approx((DOOR[1] - DOOR[0], 2.0), abs=0.08)
    assert door.sill_m == 0.0
    normal = quat_to_matrix(door.quaternion)[:, 2]
    assert normal == pytest.approx((-1, 0, 0), abs=0.02)  # towards the room it was seen from
    wall = next(body for body in twin.info.bodies if body.name == door.wall)
    assert wall.role == "wall" and all(geom.shape == "box" for geom in wall.geoms)


def test_the_window_has_its_sill(twin):
    (window,) = openings(twin, "window")
    assert window.center_m == pytest.approx((sum(WINDOW) / 2, 1.5, (SILL + LINTEL) / 2), abs=0.06)
    assert window.size_m == pytest.approx((WINDOW[1] - WINDOW[0], LINTEL - SILL), abs=0.08)
    assert window.sill_m == pytest.approx(SILL, abs=0.06)
    assert "rays went through" in window.evidence


def test_both_stay_open_and_the_wall_beside_them_closed(twin):
    geoms = [geom for body in twin.info.bodies for geom in body.geoms]
    y, z = np.meshgrid(np.linspace(DOOR[0] + 0.08, DOOR[1] - 0.08, 12), np.linspace(0.08, 1.9, 20))
    for x in (1.9, 2.02, 2.1, 2.18, 2.4):  # before, in and behind the wall
        passage = np.column_stack([np.full(y.size, x), y.ravel(), z.ravel()])
        assert (nearest_distance(geoms, twin.hulls, passage, 1.0)[0] > 0).all()
    x, z = np.meshgrid(np.linspace(WINDOW[0] + 0.08, WINDOW[1] - 0.08, 12), np.linspace(1, 1.7, 8))
    for y in (1.4, 1.52, 1.6, 1.68):
        passage = np.column_stack([x.ravel(), np.full(x.size, y), z.ravel()])
        assert (nearest_distance(geoms, twin.hulls, passage, 1.0)[0] > 0).all()
    beside = np.array([[2.03, 0.9, 1.0], [2.03, -0.83, 1.13], [2.03, 0.0, 2.25], [0.4, 1.55, 0.5]])
    assert (nearest_distance(geoms, twin.hulls, beside, 1.0)[0] <= 0).all()
    assert all(each.clear_fraction > 0.95 for each in twin.info.openings)


def test_a_closed_room_a_niche_and_a_piece_of_furniture_have_none(reconstruct):
    niche = room()
    east = niche.pop()
    x = east.position[0]
    niche += [  # 0.25 m deep: rays go behind the wall's plane, and end there
        box((x, -1.0, 1.25), (0.2, 1.4, 2.5)),
        box((x, 1.0, 1.25), (0.2, 1.4, 2.5)),
        box((x, 0.0, 2.3), (0.2, 0.6, 0.4)),
        box((x + 0.25, 0.0, 1.25), (0.2, 1.0, 2.5)),
    ]
    shelf = [box((-0.5, 1.0, 0.6), (0.1, 0.6, 1.2)), box((0.6, 1.0, 0.6), (0.1, 0.6, 1.2))]
    views = [((x, y, 1.4), all_around(30_000)) for x, y in ((-1.2, -0.8), (1.0, -0.7))]
    result = reconstruct(capture([*niche, *shelf], views, voxel=0.04, sigma=0.003))
    assert result.info.openings == ()


def test_a_rectangle_without_holes_keeps_its_area():
    rng = np.random.default_rng(5)
    whole = (np.zeros(2), np.array([2.0, 1.0]))
    assert without(whole, []) == [whole]
    for _ in range(50):
        a, b = np.sort(rng.uniform(-0.5, 2.5, (2, 2)), axis=0)
        pieces = without(whole, [(a, b)])
        overlap = np.prod(np.maximum(np.minimum(b, whole[1]) - np.maximum(a, 0), 0))
        area = sum(float(np.prod(high - low)) for low, high in pieces)
        assert area == pytest.approx(2.0 - overlap, abs=0.04)  # but for slivers
        probes = rng.uniform((0, 0), (2, 1), (200, 2))
        covered = sum(np.all((probes > low) & (probes < high), axis=1) for low, high in pieces)
        assert (np.asarray(covered) <= 1).all()
        assert not np.asarray(covered)[np.all((probes > a) & (probes < b), axis=1)].any()


def test_no_clutter_is_put_across_an_opening():
    """What drift leaves in front of a wall is a slab as large as the wall, its door included."""
    from r2s.reconstruct.cloud import Cloud
    from r2s.reconstruct.freespace import FreeSpace
    from r2s.reconstruct.layout import _clear_of
    from r2s.reconstruct.openings import Hole, passages
    from r2s.reconstruct.selection import Sorted

    upright = np.eye(4)  # a wall in the plane y = 0, its frame's y up and z along the world's -y
    upright[:3, :3] = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    hole = Hole(upright, np.array([-0.4, 0.0]), np.array([0.4, 2.0]), True, 500, 0)
    jambs = np.array([[x, 0.0, z] for x in (-0.42, 0.42) for z in np.arange(0, 2, 0.02)])
    none = np.zeros((len(jambs), 3))
    cloud = Cloud(
        jambs, none, none[:0], np.arange(len(jambs)), 0.02, 0.02, 0.003, np.ones(len(jambs))
    )
    free = FreeSpace(np.array([-2.0, -1.0, -0.1]), 0.05, np.ones((80, 40, 50), bool))
    clear = [Sorted(passages([hole], cloud, free))]

    def slab(x, y, wide):
        return box((x, y, 1.0), (wide, 0.03, 2.0))

    for y in np.linspace(-0.38, 0.38, 60):
        assert _clear_of([slab(0.0, y, 2.4)], clear) == []
        assert len(_clear_of([slab(0.9, y, 0.9)], clear)) == 1  # from the jamb on it may stand
    closed = FreeSpace(free.origin, free.cell_m, np.zeros_like(free.grid))
    assert len(_clear_of([slab(0.0, 0.1, 2.4)], [Sorted(passages([hole], cloud, closed))])) == 1
