"""A real labeler, installed into a folder of its own: heard, in the key, and harmless when it fails."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from r2s.reconstruct import stage
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.labels import labelled, versions
from r2s.reconstruct.parts import Part
from r2s.reconstruct.solids import make_geom

GOOD = """
def label(things):
    for thing in things:
        assert thing.points.shape == (4, 3) and thing.colors.shape == (4, 3)
        thing.points[:] = 0
    return {t.name: "box of tea" for t in things if max(t.size_m) < 0.2}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`install(source)`: put a distribution with one labeler where Python finds it."""

    def put(source: str, name: str = "tea") -> None:
        (tmp_path / f"{name}_labeler.py").write_text(source)
        info = tmp_path / f"{name}_labeler-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-labeler\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(f"[r2s.labelers]\n{name} = {name}_labeler:label\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    yield put
    for name in [name for name in sys.modules if name.endswith("_labeler")]:
        del sys.modules[name]


def parts() -> tuple[list[Part], Cloud]:
    points = np.random.default_rng(0).random((8, 3))
    cloud = Cloud(
        points, points, np.full((8, 3), 9, np.uint8), np.arange(8), 0.01, 0.01, 0.001, np.ones(8)
    )
    small = make_geom("box", (0.05, 0.05, 0.05), np.zeros(3), np.eye(3))
    large = make_geom("box", (0.5, 0.5, 0.5), np.zeros(3), np.eye(3))
    return [
        Part("object", "box", (small,), np.arange(4), "movable", name="object_0"),
        Part("clutter", "boxes", (large,), np.arange(4, 8), name="clutter_0"),
    ], cloud


def test_without_labelers_nothing_is_said_and_the_key_is_as_ever():
    found, warnings = labelled(*parts())
    assert [part.label for part in found] == ["", ""] and warnings == []
    assert stage.facets(stage.Config()) == {}


def test_a_labeler_is_heard_and_is_in_the_key(install):
    install(GOOD)
    given, cloud = parts()
    before = cloud.points.copy()
    found, warnings = labelled(given, cloud)
    assert [part.label for part in found] == ["box of tea", ""] and warnings == []
    assert np.array_equal(cloud.points, before)  # what it gets is its own
    assert versions() == "tea (tea-labeler 1.2)"
    assert stage.facets(stage.Config()) == {"labelers": "tea (tea-labeler 1.2)"}
    assert stage.facets(stage.Config(labels=False)) == {}


def test_what_a_person_says_stays(install):
    from dataclasses import replace

    install(GOOD)
    given, cloud = parts()
    given[0] = replace(given[0], label="my mug")
    assert labelled(given, cloud)[0][0].label == "my mug"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def label(things): raise ValueError('no model\\nhere')", "ValueError: no model here"),
        ("import absent_package_of_nobody", "ModuleNotFoundError"),
        ("label = 3", "TypeError"),
        ("def label(things): return {'object_9': 'x'}", "no body 'object_9'"),
        ("def label(things): return {'object_0': 3}", "no text"),
        ("def label(things): return 3", "TypeError"),
    ],
)
def test_a_labeler_that_fails_is_told_of_and_changes_nothing(install, source, said):
    install(source)
    given, cloud = parts()
    found, (warning,) = labelled(given, cloud)
    assert found == given and "labeler tea" in warning and said in warning
