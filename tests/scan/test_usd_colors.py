"""Pictures of USD scenes: at their places on the mesh; none from elsewhere, none that is a bomb."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from usd_files import QUARTERS, picture_bytes, textured_usda, usdz_bytes

pytest.importorskip("pxr", reason="usd-core is not installed")

from r2s.core.atlas import sampled
from r2s.scan.readers import read

# The middles of the square's quarters and of the triangle.
PLACES = np.array([(0.5, 1.5, 0), (1.5, 1.5, 0), (0.5, 0.5, 0), (1.5, 0.5, 0), (4.0, 0.7, 0)])
PLAIN = (255, 188, 0)  # of linear (1, 0.5, 0)


def package(folder, scene: str, pictures: dict[str, bytes] | None = None):
    path = folder / "scene.usdz"
    if pictures is None:
        pictures = {"tex/a.png": picture_bytes()}
    path.write_bytes(usdz_bytes({"scene.usda": scene, **pictures}))
    return path


def colors_at(capture) -> np.ndarray:
    """Return the colours (5, 3) of the points nearest to `PLACES`."""
    rows = capture.rows(slice(None))
    return np.array([rows.colors[np.argmin(abs(rows.points - p).sum(axis=1))] for p in PLACES])


TOP_LEFT_FIRST = [*QUARTERS.reshape(4, 3), PLAIN]


@pytest.mark.parametrize("st", ["faceVarying", "vertex"])
def test_a_picture_is_where_the_scene_says(tmp_path, st):
    capture = read(package(tmp_path, textured_usda(st=st)))
    assert not capture.facts
    np.testing.assert_array_equal(colors_at(capture), TOP_LEFT_FIRST)
    # The texture says the same as the points.
    mesh = capture.mesh
    assert mesh is not None and mesh.texture is not None
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    drawn = sampled(mesh.texture.image, mesh.texture.uv.mean(axis=1))
    tent = middles[:, 0] > 2
    assert tent.sum() == 1 and len(tent) == 3
    np.testing.assert_allclose(drawn[tent], [PLAIN], atol=1)


def test_a_scene_in_a_folder_takes_pictures_of_that_folder_only(tmp_path):
    folder = tmp_path / "scan"
    (folder / "tex").mkdir(parents=True)
    (folder / "tex" / "a.png").write_bytes(picture_bytes())
    (tmp_path / "secret.png").write_bytes(picture_bytes())
    (folder / "a.usda").write_text(textured_usda())
    np.testing.assert_array_equal(colors_at(read(folder / "a.usda")), TOP_LEFT_FIRST)
    for file in ("../secret.png", str(tmp_path / "secret.png")):
        (folder / "b.usda").write_text(textured_usda(file=file))
        (said,) = read(folder / "b.usda").facts
        assert "secret.png" in said and "could not be read" in said
    (tmp_path / "other.usdz").write_bytes(
        usdz_bytes({"a.usda": "#usda 1.0\n", "a.png": picture_bytes()})
    )
    scene = textured_usda(file=str(tmp_path / "other.usdz") + "[a.png]")
    assert "other.usdz" in read(package(folder, scene)).facts[0]


def test_a_picture_may_be_turned_and_repeated(tmp_path):
    turned = "float inputs:rotation = 90\nfloat2 inputs:translation = (1, 0)"
    found = colors_at(read(package(tmp_path, textured_usda(moved=turned))))
    red, green, blue, white = QUARTERS.reshape(4, 3)
    # (u, v) -> (1 - v, u): the upper left quarter shows the lower left one of the picture.
    np.testing.assert_array_equal(found[:4], [blue, red, white, green])
    twice = textured_usda(moved="float2 inputs:scale = (2, 2)")
    rows = read(package(tmp_path, twice)).rows(slice(None))
    np.testing.assert_array_equal(
        rows.colors[np.argmin(abs(rows.points - (0.25, 1.75, 0)).sum(axis=1))], red
    )


def bomb() -> bytes:
    """Return the start of a PNG that says it is 60,000 x 60,000."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + body + bytes(64)


BAD = {"missing": {}, "cut": picture_bytes()[:60], "bomb": bomb(), "no picture": b"hello"}


@pytest.mark.parametrize("case", BAD)
def test_without_its_picture_the_rest_is_read_and_told(tmp_path, case):
    pictures = {"tex/a.png": BAD[case]} if BAD[case] else {}
    capture = read(package(tmp_path, textured_usda(), pictures))
    (said,) = capture.facts
    assert "tex/a.png" in said
    np.testing.assert_array_equal(colors_at(capture)[4], PLAIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(0, 0), (1, 0)", "(nan, 0), (1e38, -1e38)"),
        ("(0, 0), (1, 0)", "(1, 0)"),
        ("[1]", "[9, -3]"),
    ],
)
def test_lies_about_places_and_parts_do_no_harm(tmp_path, old, new):
    scene = textured_usda()
    assert old in scene
    capture = read(package(tmp_path, scene.replace(old, new)))
    assert capture.mesh is not None and len(capture.mesh.faces) == 3
