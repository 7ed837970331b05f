"""Laws of settling: overlaps are lifted, what falls is fixed, and both are said."""

from __future__ import annotations

import pytest
from scene_bodies import TABLE_M, box, place, table, thing

from r2s.artifacts.geometry import Geom
from r2s.scene.settle import free_of_overlaps, settle
from r2s.scene.stage import Config, draft_twin
from r2s.scene.twin import home_stance


def twin_of(arm, *bodies):
    """A twin of a table and `bodies`, the robot standing 5 m away."""
    draft = draft_twin(place(table(), *bodies), arm, "reach", Config())
    return draft.at(home_stance(arm, (5.0, 5.0, 2.0)))


def test_a_small_overlap_is_lifted_out(arm):
    twin, notes = free_of_overlaps(twin_of(arm, thing("object_0", box(0.2, 0, above=-0.004))))
    z = twin.place.thing("object_0").geoms[0].position[2]
    assert z == pytest.approx(TABLE_M + 0.06, abs=3e-4)
    assert twin.place.movable == ("object_0",)
    assert any("lifted" in note for note in notes)


def test_a_deep_overlap_is_fixed_and_said(arm):
    one, other = thing("object_0", box(0.2, 0)), thing("object_1", box(0.23, 0))
    twin, notes = free_of_overlaps(twin_of(arm, one, other))
    assert len(twin.place.movable) == 1
    assert any("overlaps" in note and "fixed" in note for note in notes)


def test_what_stands_alone_stays_movable(arm):
    settled = settle(twin_of(arm, thing("object_0", box(0.2, 0))))
    assert settled.twin.place.movable == ("object_0",)
    assert settled.speed_m_s < 1e-3
    assert not settled.notes


def test_what_falls_over_is_fixed_and_said(arm):
    leaning = Geom(
        shape="box", size=(0.02, 0.02, 0.15), position=(0.2, 0.0, TABLE_M + 0.17),
        quaternion=(0.966, 0.259, 0.0, 0.0),
    )  # fmt: skip
    settled = settle(twin_of(arm, thing("object_0", leaning)))
    assert settled.twin.place.movable == ()
    assert "does not stand by itself" in " ".join(settled.notes)


def test_lifting_never_sinks_or_moves_sideways(arm):
    before = thing("object_0", box(0.2, 0.1, above=-0.003))
    twin, _ = free_of_overlaps(twin_of(arm, before))
    x, y, z = twin.place.thing("object_0").geoms[0].position
    assert (x, y) == before.geoms[0].position[:2]
    assert 0 <= z - before.geoms[0].position[2] <= 0.01
