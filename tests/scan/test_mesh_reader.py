"""Meshes as captures: sampled evenly, the same every time, whatever the container."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from r2s.core.errors import R2SError
from r2s.scan.capture import Mesh
from r2s.scan.readers import companions, read
from r2s.scan.readers.mesh import face_normals, sample_faces, weld


@pytest.fixture
def box() -> trimesh.Trimesh:
    return trimesh.creation.box(extents=(2.0, 1.0, 0.5))


@pytest.mark.parametrize("suffix", ["glb", "obj", "stl", "ply"])
def test_every_container_gives_the_same_box(tmp_path, box, suffix):
    path = tmp_path / f"box.{suffix}"
    box.export(path)
    capture = read(path)
    assert capture.mesh is not None
    assert capture.mesh.vertices.shape == (8, 3)  # welded: STL repeats each corner
    assert capture.mesh.faces.shape == (12, 3)
    rows = capture.rows(slice(None))
    half = np.array([1.0, 0.5, 0.25])
    inside = np.abs(rows.points) <= half + 1e-6
    on_side = np.isclose(np.abs(rows.points), half, atol=1e-6)
    assert inside.all() and on_side.any(axis=1).all()
    assert rows.normals is not None  # outward, as the winding says
    assert (np.einsum("ij,ij->i", rows.normals, rows.points) > 0).all()


def test_samples_are_even_by_area():
    cube = trimesh.creation.box(extents=(3.0, 1.0, 1.0))
    mesh = Mesh(np.asarray(cube.vertices, float), np.asarray(cube.faces))
    face, weights = sample_faces(mesh)
    counts = np.bincount(face, minlength=12)
    areas = np.asarray(cube.area_faces)
    np.testing.assert_allclose(counts / len(face), areas / areas.sum(), atol=2 / len(face))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    # Low discrepancy: the mean over a face is its centroid, far closer than random samples come.
    for i in range(12):
        np.testing.assert_allclose(weights[face == i].mean(axis=0), 1 / 3, atol=2e-3)


def test_glb_is_metres_and_y_up_and_honours_transforms(tmp_path, box):
    scene = trimesh.Scene()
    scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    mirror = np.diag([-1.0, 1, 1, 1])
    scene.add_geometry(
        box, transform=mirror @ trimesh.transformations.translation_matrix([5, 0, 0])
    )
    scene.export(tmp_path / "two.glb")
    capture = read(tmp_path / "two.glb")
    assert (capture.declared_unit, capture.declared_up) == ("m", "+y")
    rows = capture.rows(slice(None))
    np.testing.assert_allclose(
        [rows.points[:, 0].min(), rows.points[:, 0].max()], [-6, 6], atol=1e-5
    )
    centers = np.where(rows.points[:, :1] > 0, [[5.0, 0, 0]], [[-5.0, 0, 0]])
    assert rows.normals is not None
    assert (np.einsum("ij,ij->i", rows.normals, rows.points - centers) > 0).all()


def test_weld_merges_equal_corners_only():
    soup = trimesh.creation.icosphere(subdivisions=2).triangles.reshape(-1, 3)
    mesh, kept = weld(Mesh(soup, np.arange(len(soup)).reshape(-1, 3)))
    assert len(mesh.vertices) == 162 and kept.all()
    area = np.linalg.norm(face_normals(mesh), axis=1)
    np.testing.assert_allclose(area, 1)


def test_texture_gives_colours_and_companions(shared_data):
    path = shared_data / "objects/chen_blue_cup/textured.obj"
    names = {p.name for p in companions(path)}
    assert names == {"textured.mtl", "texture_map.jpg"}
    colors = read(path).rows(slice(20_000)).colors
    assert colors is not None
    red, _, blue = colors.mean(axis=0)
    assert blue > red + 10  # it is a blue cup


def test_files_outside_the_folder_are_not_read(tmp_path, box):
    secret = tmp_path / "secret.mtl"
    secret.write_text("newmtl a\nmap_Kd ../picture.png\n")
    folder = tmp_path / "scan"
    folder.mkdir()
    (folder / "a.obj").write_text(
        "mtllib ../secret.mtl\nmtllib /etc/passwd\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl a\nf 1 2 3\n"
    )
    assert companions(folder / "a.obj") == []
    assert read(folder / "a.obj").mesh is not None


def painted(box, uv, image=None, factor=None) -> trimesh.Scene:
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, baseColorFactor=factor)
    uv = np.resize(np.asarray(uv, float), (len(box.vertices), 2))
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return trimesh.Scene(box)


@pytest.mark.parametrize("uv", [[np.nan, 0, 1], [1e30, -1e30, 5], [np.inf, 0, 0.5], [0.5]])
def test_senseless_places_on_a_picture_make_no_large_texture(tmp_path, box, uv):
    painted(box, uv, Image.new("RGB", (8, 8), (9, 200, 9))).export(tmp_path / "a.glb")
    capture = read(tmp_path / "a.glb")
    assert capture.mesh is not None and capture.mesh.texture is not None
    assert max(capture.mesh.texture.image.shape) < 200  # not all that may be
    assert (capture.rows(slice(None)).colors == (9, 200, 9)).all()


def test_a_material_gives_the_colour_it_states_and_no_other(tmp_path, box):
    painted(box, [0, 1], factor=[0.5, 0.2, 0.0, 1.0]).export(tmp_path / "a.glb")
    colors = read(tmp_path / "a.glb").rows(slice(9)).colors
    np.testing.assert_allclose(colors, [[188, 124, 0]] * 9, atol=1)  # glTF states linear light
    painted(box, [0, 1]).export(tmp_path / "b.glb")
    assert not read(tmp_path / "b.glb").has_colors


BROKEN = {
    "nan": "v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "no area": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
    "collapsed": "v 0 0 0\nv 1 0 0\nf 1 2 2\nf 1 1 1\n",
    "index": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_meshes_are_told(tmp_path, case):
    path = tmp_path / "a.obj"
    path.write_text(BROKEN[case])
    with pytest.raises(R2SError) as caught:
        read(path)
    assert caught.value.code.startswith(("R2S-SCAN-", "R2S-CHILD-004"))
    assert "a.obj" in caught.value.where


def test_formats_of_later_issues_are_refused_by_name(shared_data):
    expected = {
        "iphone_depth_frame/image.jpg": "JPEG",
        "ouster_os1": "folder",
    }
    for name, word in expected.items():
        with pytest.raises(R2SError, match=word) as caught:
            read(shared_data / "scans" / name)
        assert name.rsplit("/", 1)[-1] in caught.value.where
        assert caught.value.remedy


def test_a_picture_named_pcd_is_refused_as_a_picture(tmp_path, shared_data):
    path = tmp_path / "scan.pcd"
    path.write_bytes((shared_data / "scans/iphone_depth_frame/arkit_depth.png").read_bytes())
    with pytest.raises(R2SError, match=r"PNG picture, although it is named \.pcd"):
        read(path)


@pytest.fixture
def glb(tmp_path, box):
    path = tmp_path / "box.glb"
    trimesh.Scene(box).export(path)
    return path


@pytest.mark.parametrize("share", [0.005, 0.1, 0.5, 0.99])
def test_a_cut_glb_is_truncated_not_parsed(glb, share):
    data = glb.read_bytes()
    glb.write_bytes(data[: max(int(share * len(data)), 8)])
    with pytest.raises(R2SError, match="truncated") as caught:
        read(glb)
    assert caught.value.code == "R2S-SCAN-004"


def test_a_glb_whose_views_end_after_its_data_is_truncated(glb):
    data = bytearray(glb.read_bytes())
    at = 20 + int.from_bytes(data[12:16], "little")
    kept = data[: at + 8 + 16]
    kept[at : at + 4] = (16).to_bytes(4, "little")
    kept[8:12] = len(kept).to_bytes(4, "little")
    glb.write_bytes(kept)
    with pytest.raises(R2SError, match="its data should be"):
        read(glb)


def test_a_glb_without_json_first_is_malformed(glb):
    data = bytearray(glb.read_bytes())
    data[16:20] = b"BIN\0"
    glb.write_bytes(data)
    with pytest.raises(R2SError, match="first chunk is not JSON"):
        read(glb)
