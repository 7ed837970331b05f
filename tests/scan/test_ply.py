"""PLY: three encodings of one file are one capture; faces are optional; headers are checked."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import columns_of, pcd_bytes, ply_bytes, room_points

from r2s.core.errors import R2SError
from r2s.guard.limits import LIMITS
from r2s.scan.readers import read

ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]
RNG = np.random.default_rng(0)
UTM = np.array([515368.0, 4918340.0, 2300.0])
POINTS = RNG.normal(size=(90, 3)) + UTM
COLORS = RNG.integers(0, 256, (90, 3)).astype(np.uint8)
NORMALS = np.tile([[0.0, 0.6, 0.8]], (90, 1))
CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def write(folder, data: bytes):
    path = folder / "cloud.ply"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("extra", [False, True])
def test_every_encoding_gives_the_same_cloud(tmp_path, encoding, extra):
    data = ply_bytes(POINTS, encoding=encoding, colors=COLORS, normals=NORMALS, extra=extra)
    rows = read(write(tmp_path, data)).rows(slice(None))
    np.testing.assert_array_equal(rows.points, POINTS)  # double precision survives UTM
    np.testing.assert_array_equal(rows.colors, COLORS)
    np.testing.assert_allclose(rows.normals, NORMALS, atol=1e-7)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_faces_is_a_cloud(tmp_path, encoding):
    data = ply_bytes(POINTS, encoding=encoding, faces=np.empty((0, 3), int))
    capture = read(write(tmp_path, data))
    assert capture.mesh is None
    assert capture.count == len(POINTS)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_quads_become_the_cube_they_are(tmp_path, encoding):
    capture = read(write(tmp_path, ply_bytes(CUBE, encoding=encoding, faces=QUADS)))
    assert capture.mesh is not None
    assert capture.mesh.faces.shape == (12, 3)
    a, b, c = (capture.mesh.vertices[capture.mesh.faces[:, i]] for i in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(6.0)
    assert abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6) == pytest.approx(1.0)


LIES = {
    "2 G vertices": (b"element vertex 90", b"element vertex 2000000000", "R2S-SCAN-004"),
    "huge": (b"element vertex 90", b"element vertex 99999999999999999999", "R2S-SCAN-003"),
    "one more": (b"element vertex 90", b"element vertex 91", "R2S-SCAN-004"),
    "none": (b"element vertex 90", b"element vertex 0", "R2S-SCAN-005"),
    "no format": (b"format binary", b"forma binary", "R2S-SCAN-003"),
    "odd type": (b"property double z", b"property quad z", "R2S-SCAN-003"),
    "no z": (b"property double z", b"property double w", "R2S-SCAN-003"),
    "twice x": (b"property double y", b"property double x", "R2S-SCAN-003"),
    "no end": (b"end_header", b"end_haeder", "R2S-SCAN-003"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_caught(tmp_path, lie):
    old, new, code = LIES[lie]
    with pytest.raises(R2SError) as caught:
        read(write(tmp_path, ply_bytes(POINTS).replace(old, new)))
    assert caught.value.code == code
    assert caught.value.why and caught.value.remedy


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_cut_file_is_caught(tmp_path, encoding):
    data = ply_bytes(CUBE, encoding=encoding, faces=QUADS)
    with pytest.raises(R2SError):
        read(write(tmp_path, data[:-12]))


def test_a_face_that_names_no_vertex_is_caught(tmp_path):
    with pytest.raises(R2SError, match="malformed") as caught:
        read(write(tmp_path, ply_bytes(CUBE, faces=np.array([[0, 1, 99]]))))
    assert "vertex 99" in caught.value.why


def test_trimesh_reads_the_same_mesh(shared_data):
    import trimesh

    path = shared_data / "objects/chen_plate_holder/visual.ply"
    mesh = read(path).mesh
    theirs = trimesh.load_mesh(path, process=False)
    assert mesh is not None
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(theirs.area, rel=1e-6)


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_large_text_is_refused_before_it_fills_the_memory(tmp_path, kind):
    points = room_points(count=200)
    data = (
        ply_bytes(points, encoding="ascii")
        if kind == "ply"
        else pcd_bytes(columns_of(points), "ascii")
    )
    path = tmp_path / f"large.{kind}"
    path.write_bytes(data)
    with path.open("r+b") as stream:
        stream.truncate(LIMITS.text_bytes + 1)  # sparse: takes no room
    with pytest.raises(R2SError, match="text of 300 MiB") as caught:
        read(path)
    assert "binary" in caught.value.why
