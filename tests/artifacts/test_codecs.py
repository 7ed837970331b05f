"""The codec law: decoding what was encoded gives the same artifact, and encoding it again the same bytes."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load

from r2s.artifacts.arrays import pack, pack_ragged, unpack, unpack_ragged
from r2s.artifacts.geometry import Geom, Range
from r2s.artifacts.pictures import Texture
from r2s.artifacts.randomization import Randomize
from r2s.artifacts.reconstruction import (
    NO_SKIN,
    Body,
    Reconstruction,
    ReconstructionInfo,
    Skin,
    TwinAudit,
)
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.artifacts.signal import Signal
from r2s.core.canonical import canonical_json
from r2s.core.heightfield import grid_mesh


def a_scan() -> Scan:
    rng = np.random.default_rng(0)
    info = ScanInfo(
        source_format="pcd", raw_points=10, dropped={"non_finite": 2}, unit="m",
        unit_evidence="said so", up_axis="+z", up_evidence="said so", up_confidence=1.0,
        noise_sigma_m=0.002, voxel_m=0.01, bounds_m=((0, 0, 0), (1, 1, 1)),
        T_world_source=tuple(map(tuple, np.eye(4).tolist())), viewpoints_source="file",
        viewpoint_evidence="VIEWPOINT",
    )  # fmt: skip
    return Scan(
        info=info,
        points=rng.random((8, 3), dtype=np.float32),
        normals=rng.random((8, 3), dtype=np.float32),
        colors=np.empty((0, 3), np.uint8),
        counts=np.ones(8, np.uint32),
        viewpoints=np.zeros((1, 3), np.float32),
        viewpoint_of=np.zeros(8, np.int32),
        mesh_vertices=np.eye(3, dtype=np.float32),
        mesh_faces=np.array([[0, 1, 2]], np.int32),
        texture=Texture(np.ones((1, 3, 2), np.float32), np.full((2, 3, 3), 7, np.uint8)),
    )


def a_reconstruction() -> Reconstruction:
    friction = Range(value=0.6, low=0.3, high=0.9, source="assumed")
    hull = (np.eye(4, 3, dtype=np.float32), np.array([[0, 1, 2], [0, 1, 3]], np.int32))
    body = Body(
        name="object_0", role="object", mobility="movable", fit="hulls", friction=friction,
        geoms=(Geom(shape="hull", size=(0, 0, 0), position=(0, 0, 1), hull=0),),
    )  # fmt: skip
    audit = TwinAudit(
        twin_median_m=0.001, twin_p95_m=None, unexplained_fraction=0.0, phantom_fraction=None,
        blocked_all=None, blocked_2cm=None, blocked_5cm=None, missed_2cm=0.0, rays=5,
    )  # fmt: skip
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    info = ReconstructionInfo(bodies=(body,), audit=audit, viewpoint_evidence="file")
    labels, bodies = np.array([0, -1], np.int32), np.array([0, -1], np.int32)
    skin = Skin(*hull, np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 3, 2))
    return Reconstruction(info, (hull, hull), labels, (NO_SKIN,), skin, bodies, image)


def a_terrain() -> Reconstruction:
    """A reconstruction whose first body is a height field, between two hulls."""
    plain = a_reconstruction()
    mesh = grid_mesh(np.arange(12, dtype=np.float32).reshape(3, 4), 2.0, 1.0)
    geom = Geom(shape="hfield", size=(2.0, 1.0, 1.0), position=(0, 0, 0), hull=1)
    ground = plain.info.bodies[0].model_copy(
        update={"name": "floor", "role": "floor", "mobility": "static", "geoms": (geom,)}
    )
    info = plain.info.model_copy(update={"bodies": (ground, *plain.info.bodies)})
    return replace(plain, info=info, hulls=(plain.hulls[0], mesh, plain.hulls[1]))


def test_a_height_field_is_kept_as_heights_and_comes_back_as_a_mesh():
    made = a_terrain()
    config, files = made.encode()
    assert load(files["heights.safetensors"])["1"].shape == (3, 4)
    assert "heights.safetensors" not in a_reconstruction().encode().files
    again = Reconstruction.decode(config, files)
    for one, other in zip(made.hulls, again.hulls, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    "artifact",
    [a_scan(), a_reconstruction(), a_terrain()],
    ids=["scan", "reconstruction", "terrain"],
)
def test_round_trip_is_the_identity_on_bytes(artifact):
    config, files = artifact.encode()
    again = type(artifact).decode(config, files).encode()
    assert canonical_json(again.config) == canonical_json(config)
    assert dict(again.files) == dict(files)


def test_a_body_without_a_surface_of_its_own_has_its_part_of_the_places():
    skin = a_reconstruction().skin(0)
    assert skin.faces.tolist() == [[0, 1, 2]] and len(skin.vertices) == 3
    assert skin.uv.shape == (1, 3, 2)


def test_a_reconstruction_keeps_its_hulls():
    before = a_reconstruction()
    after = Reconstruction.decode(*before.encode())
    assert after.info == before.info
    for (v, f), (w, g) in zip(before.hulls, after.hulls, strict=True):
        np.testing.assert_array_equal(v, w)
        np.testing.assert_array_equal(f, g)


def test_packing_does_not_depend_on_the_order_of_names():
    a, b = np.arange(3), np.arange(4.0)
    assert pack({"a": a, "b": b}) == pack({"b": b, "a": a})


def test_unpacked_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        unpack(pack({"a": np.arange(3)}))["a"][0] = 9


@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 2]])
def test_ragged_arrays_round_trip(lengths):
    parts = [np.full((n, 2), n, np.float32) for n in lengths]
    back = unpack_ragged("x", unpack(pack(pack_ragged("x", parts, 2, "float32"))))
    assert [p.tolist() for p in back] == [p.tolist() for p in parts]


def test_a_randomization_that_changes_nothing_cannot_be_built():
    with pytest.raises(ValidationError, match="changes nothing"):
        Randomize(name="x", target="geom", field="friction", operation="scale", low=1, high=1)


def test_a_derived_signal_says_how():
    with pytest.raises(ValidationError, match="derivation"):
        Signal(name="ee", elements=("x",), unit="m", kind="derived")


def test_unknown_fields_and_nan_are_refused():
    with pytest.raises(ValidationError):
        Range(value=1, low=0, high=2, source="table", color="red")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Range(value=float("nan"), low=0, high=2, source="table")
