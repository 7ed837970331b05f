"""Laws of layout edits: each changes what it says, and finds its body again in another scan."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_places import box, capture, cylinder, looks, sphere

from r2s.artifacts.edits import Edit
from r2s.artifacts.reconstruction import Reconstruction
from r2s.core.context import StageContext
from r2s.core.errors import UsageError
from r2s.engine import edits as files
from r2s.reconstruct import stage

TABLE = box((0, 0, -0.02), (1.2, 0.8, 0.04))
CRATE = box((0.15, 0.2, 0.06), (0.20, 0.12, 0.12), yaw=0.4)
CAN = cylinder((-0.25, -0.1, 0), 0.05, 0.16)
BALL = sphere((0.3, -0.15, 0), 0.06)
EYES = [(-0.9, -0.9, 0.9), (1.0, -0.8, 0.9), (0.9, 1.0, 0.8), (-0.9, 0.9, 0.9)]


def scan(*things):
    views = [(np.array(eye), looks(np.array(eye), (0, 0, 0.05), 0.5, 16_000)) for eye in EYES]
    return capture([TABLE, *things], views, voxel=0.01, sigma=0.001)


@pytest.fixture(scope="module")
def place():
    return scan(CRATE, CAN, BALL)


@pytest.fixture(scope="module")
def twin(place, tmp_path_factory) -> Reconstruction:
    context = StageContext(tmp_path_factory.mktemp("twin"))
    return stage.run({"scan": place}, stage.Config(), context)


def named(twin, fit: str) -> str:
    return next(b.name for b in twin.info.bodies if b.role == "object" and b.fit == fit)


def body(twin, name: str):
    return next(b for b in twin.info.bodies if b.name == name)


def test_a_table_of_edits_does_what_it_says(reconstruct, place, twin):
    crate, can, ball = (named(twin, fit) for fit in ("box", "cylinder", "sphere"))
    said = files.pinned(
        [
            Edit(body=crate, name="parcel", label="cardboard box", material="cardboard"),
            Edit(body=can, mobility="static", friction=[0.2, 0.4]),
            Edit(body=ball, drop=True),
            Edit(body="parcel", mass_kg=0.7),
        ],
        twin.info,
    )
    result = reconstruct(place, edits=said)
    parcel, before = body(result, "parcel"), body(twin, crate)
    assert parcel.found_as == (crate,) and parcel.label == "cardboard box"
    assert parcel.mass_kg.model_dump() == {"value": 0.7, "low": 0.7, "high": 0.7, "source": "user"}
    ratio = np.array(parcel.inertia_kg_m2[:3]) / before.inertia_kg_m2[:3]
    assert ratio == pytest.approx(0.7 / before.mass_kg.value, rel=1e-9)  # inertia follows the mass
    assert parcel.friction.source == "table" and parcel.friction.value == 0.45
    held = body(result, can)
    assert held.mobility == "static"
    assert (held.friction.low, held.friction.high, held.friction.source) == (0.2, 0.4, "user")
    assert ball not in {b.name for b in result.info.bodies}
    assert result.info.audit.missed_2cm < 0.01  # what was dropped is not missed
    assert result.info.edits == tuple(said)
    assert {found.name for found in result.info.found} == {b.name for b in twin.info.bodies}
    again = Reconstruction.decode(*_codec(result))
    assert again.info == result.info
    assert files.pinned(files.load_text(files.template("x", result.info)), result.info) == said


def _codec(result):
    encoded = result.encode()
    return encoded.config, encoded.files


def test_merging_and_splitting_keep_the_points(reconstruct, place, twin):
    crate, can = named(twin, "box"), named(twin, "cylinder")
    merged = reconstruct(place, edits=[Edit(body=crate, name="both", merge=[can])])
    both = body(merged, "both")
    assert (
        set(both.found_as) == {crate, can} and len(merged.info.bodies) == len(twin.info.bodies) - 1
    )
    index = [b.name for b in merged.info.bodies].index("both")
    names = [b.name for b in twin.info.bodies]
    own = np.isin(twin.labels, [names.index(crate), names.index(can)])
    assert np.array_equal(merged.labels == index, own)
    split = reconstruct(
        place, edits=[Edit(body=crate, split={"axis": "x", "at": float(CRATE.position[0])})]
    )
    left, right = body(split, f"{crate}_0"), body(split, f"{crate}_1")
    assert left.com_m[0] < CRATE.position[0] < right.com_m[0]
    whole = body(twin, crate).volume_m3
    assert left.volume_m3 + right.volume_m3 == pytest.approx(whole, rel=0.3)


def test_edits_find_their_bodies_in_a_new_scan(reconstruct, place, twin):
    crate, can = named(twin, "box"), named(twin, "cylinder")
    said = files.pinned([Edit(body=crate, name="parcel"), Edit(body=can, drop=True)], twin.info)
    # The ball is gone and the parcel moved by 3 cm: the numbers count anew, the can is not there.
    moved = box(np.add(CRATE.position, (0.03, 0, 0)), (0.20, 0.12, 0.12), yaw=0.4)
    other = reconstruct(scan(moved), edits=said)
    assert body(other, "parcel").com_m == pytest.approx(
        np.add(CRATE.position, (0.03, 0, 0)), abs=0.01
    )
    (warning,) = [text for text in other.info.warnings if "matches nothing" in text]
    assert can in warning and "parcel (" in warning


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        ([{"body": "objct_0", "drop": True}], "R2S-LAYOUT-004", "no body 'objct_0'"),
        (
            [{"body": "object_0", "drop": True}, {"body": "object_0", "name": "x"}],
            "R2S-LAYOUT-005",
            "edit 1 dropped it",
        ),
        ([{"body": "object_0", "name": "object_1"}], "R2S-LAYOUT-005", "another body is called"),
        (
            [{"body": "object_0", "mass_kg": 1}, {"body": "object_0", "mass_kg": 2}],
            "R2S-LAYOUT-005",
            "edit 1 sets its mass_kg",
        ),
        (
            [{"body": "object_0", "split": {"axis": "x", "at": 9}}],
            "R2S-LAYOUT-006",
            "cannot be done",
        ),
        ([{"body": "object_0", "merge": ["object_0"]}], "R2S-LAYOUT-005", "with itself"),
    ],
)
def test_edits_that_cannot_be_are_told(said, code, text, twin, place):
    from r2s.reconstruct import edits

    part_like = _parts(twin)
    with pytest.raises(UsageError, match=text) as caught:
        edits.edited(part_like, [Edit.model_validate(e) for e in said], *_surroundings(place))
    assert caught.value.code == code


def _parts(twin):
    from r2s.reconstruct.layout import Draft
    from r2s.reconstruct.parts import Part

    parts = [
        Part(b.role, b.fit, b.geoms, np.flatnonzero(twin.labels == i), b.mobility, name=b.name)
        for i, b in enumerate(twin.info.bodies)
    ]
    return Draft(np.zeros(len(twin.labels), bool), parts, [])


def _surroundings(place):
    from r2s.reconstruct.cloud import working_cloud
    from r2s.reconstruct.freespace import FreeSpace
    from r2s.reconstruct.rays import Rays

    nothing = Rays(np.zeros((0, 3)), np.zeros(0, np.int64), "")
    return working_cloud(place), nothing, FreeSpace(np.zeros(3), 0.1, np.zeros((1, 1, 1), bool)), 0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("a: b", "R2S-LAYOUT-003", "no list"),
        ("", "R2S-LAYOUT-003", "empty"),
        ("- [", "R2S-LAYOUT-002", "not YAML"),
        ("- 3", "R2S-LAYOUT-003", "no mapping"),
        ("- {body: a, mas: 3}", "R2S-LAYOUT-003", "no field 'mas'"),
        ("- {body: a}", "R2S-LAYOUT-003", "changes nothing"),
        ("- {body: a, drop: true, name: b}", "R2S-LAYOUT-003", "dropped cannot be changed"),
        ("- {body: a, mass_kg: -1}", "R2S-LAYOUT-003", "positive"),
        ("- {body: a, mass_kg: [2, 1]}", "R2S-LAYOUT-003", "low <= high"),
        ("- {body: a, material: unobtainium}", "R2S-LAYOUT-003", "material"),
        ("- {body: a, name: Mug 1}", "R2S-LAYOUT-003", "name"),
    ],
)
def test_bad_files_are_told_with_the_edit_and_the_remedy(text, code, said, tmp_path):
    path = tmp_path / "edit.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        files.load(path)
    assert caught.value.code == code and caught.value.remedy


def test_a_weighed_mass_says_that_it_was_measured(tmp_path):
    path = tmp_path / "edit.yaml"
    path.write_text("- {body: a, mass_kg: {value: 0.3, low: 0.29, high: 0.31, source: measured}}")
    (edit,) = files.load(path)
    assert edit.mass_kg is not None
    assert (edit.mass_kg.source, edit.mass_kg.low, edit.mass_kg.high) == ("measured", 0.29, 0.31)
