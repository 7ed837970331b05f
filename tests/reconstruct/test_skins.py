"""Surfaces for pictures: closed where a thing moves, coloured as it was scanned, each face of one body."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import trimesh
from synthetic_places import box, capture, cylinder, gradient, looks

from r2s.artifacts.pictures import Texture
from r2s.artifacts.reconstruction import Reconstruction
from r2s.core.atlas import sampled, unwrap
from r2s.core.context import StageContext
from r2s.reconstruct import stage
from r2s.reconstruct.closed import _without_touching_edges, closed_surface
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.implicit import zero_surface
from r2s.reconstruct.parts import surface_samples
from r2s.reconstruct.solids import signed_distance

TABLE = box((0, 0, -0.02), (1.2, 0.8, 0.04))
# No primitive is two boxes at right angles.
ELL = [box((0.1, 0.1, 0.05), (0.24, 0.08, 0.10)), box((0.02, 0.2, 0.05), (0.08, 0.2, 0.10))]
CAN = cylinder((-0.3, -0.1, 0), 0.05, 0.16)
EYES = [(-0.9, -0.9, 0.9), (1.0, -0.8, 0.9), (0.9, 1.0, 0.8), (-0.9, 0.9, 0.9)]


def paint(at: np.ndarray) -> np.ndarray:
    """Colours (n, 3) uint8 that say where on the table a place is."""
    return np.rint(127 + 100 * np.clip(at, -1.2, 1.2)).astype(np.uint8)


@pytest.fixture(scope="module")
def twin(tmp_path_factory) -> Reconstruction:
    views = [(np.array(eye), looks(np.array(eye), (0, 0, 0.05), 0.5, 30_000)) for eye in EYES]
    scan = capture([TABLE, *ELL, CAN], views, voxel=0.006, sigma=0.0005)
    scan = replace(scan, colors=paint(scan.points))
    context = StageContext(tmp_path_factory.mktemp("twin"))
    return stage.run({"scan": scan}, stage.Config(), context)


def body(twin: Reconstruction, fit: str) -> int:
    return next(i for i, b in enumerate(twin.info.bodies) if b.fit == fit)


def test_what_moves_has_a_closed_surface(twin):
    for fit in ("hulls", "cylinder"):
        skin = twin.skin(body(twin, fit))
        mesh = trimesh.Trimesh(skin.vertices, skin.faces)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0


@pytest.mark.parametrize("seed", range(3))
def test_colliders_that_are_off_are_moved_onto_the_points(twin, seed):
    """The colliders of an L are 4 mm too large; two sides of it were seen."""
    rng = np.random.default_rng(seed)
    at = np.concatenate([surface_samples((geom,), (), 0.004) for geom in ELL])
    at = at[np.min([signed_distance(geom, (), at) for geom in ELL], axis=0) > -1e-6]
    at = at[(at[:, 0] < 0.1) | (at[:, 2] > 0.09)] + rng.normal(0, 3e-4, (1, 3))
    cloud = Cloud(
        at, gradient(ELL, at), np.zeros((0, 3), np.uint8), np.arange(len(at)), 0.004, 0.004, 0.0003,
        np.ones(len(at)),
    )  # fmt: skip
    fat = tuple(g.model_copy(update={"size": tuple(side + 0.004 for side in g.size)}) for g in ELL)
    vertices, faces = closed_surface(fat, (), cloud, np.arange(len(at)))
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight and mesh.is_winding_consistent
    off = np.abs(np.min([signed_distance(geom, (), vertices) for geom in ELL], axis=0))
    seen = (vertices[:, 0] < 0.07) & (np.abs(vertices[:, 2] - 0.05) < 0.03)
    assert np.median(off[seen]) < 0.0012
    unseen = (vertices[:, 0] > 0.13) & (np.abs(vertices[:, 2] - 0.05) < 0.02)
    assert np.median(off[unseen]) == pytest.approx(0.004, abs=0.001)
    assert mesh.volume == pytest.approx(0.0032, rel=0.08)  # of both boxes, 10 cm high


@pytest.mark.parametrize("seed", range(4))
def test_any_field_has_a_surface_whose_edges_have_two_faces(seed):
    rng = np.random.default_rng(seed)
    field = np.ones((9, 8, 7))
    field[1:-1, 1:-1, 1:-1] = rng.normal(size=(7, 6, 5))
    mesh = trimesh.Trimesh(*zero_surface(_without_touching_edges(field), np.zeros(3), 0.1))
    assert mesh.is_watertight and mesh.volume > 0


def test_colours_are_those_of_the_place(twin):
    for skin in (twin.surface, *map(twin.skin, range(len(twin.info.bodies)))):
        corners = skin.vertices[skin.faces]
        at, uv = corners.mean(axis=1), skin.uv.mean(axis=1)
        seen = at[:, 2] > -0.01
        off = np.abs(sampled(twin.texture, uv[seen]) - paint(at[seen]))
        assert np.median(off) < 2


def test_every_face_is_of_the_body_it_lies_on(twin):
    table = next(i for i, b in enumerate(twin.info.bodies) if b.role == "support")
    at = twin.surface.vertices[twin.surface.faces].mean(axis=1)
    top = (np.abs(at[:, 2]) < 0.003) & (np.abs(at[:, 0]) > 0.45)
    assert top.any() and (twin.surface_bodies[top] == table).all()
    high = at[:, 2] > 0.03
    assert set(twin.surface_bodies[high]) == {body(twin, "hulls"), body(twin, "cylinder")}


def test_encoded_and_decoded_they_are_the_same(twin):
    encoded = twin.encode()
    back = Reconstruction.decode(encoded.config, encoded.files)
    np.testing.assert_array_equal(back.texture, twin.texture)
    np.testing.assert_array_equal(back.surface_bodies, twin.surface_bodies)
    for one, other in zip(back.visuals, twin.visuals, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_place_made_before_textures_is_read_and_bare(twin):
    encoded = twin.encode()
    from r2s.artifacts.arrays import pack, unpack

    files = {name: data for name, data in encoded.files.items() if name != "texture.png"}
    for name in ("surface.safetensors", "visuals.safetensors"):
        arrays = {k: v for k, v in unpack(files[name]).items() if not k.startswith("uv")}
        files[name] = pack(arrays)
    files["labels.safetensors"] = pack({"labels": twin.labels})
    back = Reconstruction.decode(encoded.config, files)
    assert back.texture.size == 0 and (back.surface_bodies == -1).all()
    assert back.surface.uv.shape == (len(back.surface.faces), 3, 2)


def test_a_captured_texture_is_taken_over(reconstruct):
    """A box with a picture on it, as phones export rooms: the surface shows the picture."""
    mesh = trimesh.creation.box((2.0, 1.6, 0.04)).subdivide_loop(3)
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    corners = vertices[faces].astype(float)
    atlas = unwrap(corners, 0.01, 1024)
    image = atlas.painted(lambda f, w: paint(np.einsum("nk,nki->ni", w, corners[f])))
    views = [(np.array(eye), looks(np.array(eye), (0, 0, 0), 0.8, 20_000)) for eye in EYES]
    scan = capture([box((0, 0, 0), (2.0, 1.6, 0.04))], views, voxel=0.02)
    scan = replace(scan, mesh_vertices=vertices, mesh_faces=faces, texture=Texture(atlas.uv, image))
    made = reconstruct(scan)
    at = made.surface.vertices[made.surface.faces].mean(axis=1)
    off = np.abs(sampled(made.texture, made.surface.uv.mean(axis=1)) - paint(at))
    assert np.quantile(off, 0.99) < 3


def test_mujoco_reads_the_surfaces_of_a_scene_as_they_were_painted(twin):
    """Through the OBJ that a scene has: MuJoCo's rows of texels and its v start at the same edge."""
    from r2s.artifacts.pictures import png_of
    from r2s.scene.twin import obj_bytes

    xml = """<mujoco><asset><texture name="t" type="2d" file="t.png"/><material name="m" texture="t"/>
      <mesh name="s" file="s.obj" inertia="shell"/></asset>
      <worldbody><geom type="mesh" mesh="s" material="m" contype="0" conaffinity="0"/></worldbody></mujoco>"""
    skin = twin.skin(body(twin, "hulls"))
    model = mujoco.MjModel.from_xml_string(
        xml, {"t.png": png_of(twin.texture), "s.obj": obj_bytes(skin)}
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    vertices = model.mesh_vert @ data.geom_xmat[0].reshape(3, 3).T + data.geom_xpos[0]
    at = vertices[model.mesh_face].mean(axis=1)
    uv = model.mesh_texcoord[model.mesh_facetexcoord].mean(axis=1)
    rows = model.tex_data.reshape(model.tex_height[0], model.tex_width[0], -1)[..., :3]
    assert np.median(np.abs(sampled(rows, uv) - paint(at))) < 2
