"""Laws of pictures: geometry lands where a pinhole camera puts it, lit from above, the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report_samples import HALF, cube_points, cube_reconstruction, cube_scan

from r2s.core.atlas import unwrap
from r2s.report import shapes
from r2s.report.camera import Camera, look_at_points
from r2s.report.light import FILLED_M, Item, Layer, cast, draw, to_linear, to_srgb
from r2s.report.overlay import render_overlay
from r2s.report.render import clear_view, render_scan, write_gif, write_png

SIZE = (120, 90)
CAMERA = Camera((1.0, -1.2, 0.9), (0.0, 0.0, 0.0))


def box(half: float = HALF, at=(0.0, 0.0, 0.0), color=(0.8, 0.1, 0.1), **more) -> Item:
    surface = shapes.primitive("box", (half, half, half))
    return Item(surface, np.eye(3), np.array(at), to_linear(color), **more)


def test_rays_and_projection_are_inverse():
    width, height = SIZE
    rays = CAMERA.rays(width, height)
    points = rays[..., :3] + 1.7 * rays[..., 3:]
    pixels, depth = CAMERA.project(points.reshape(-1, 3), width, height)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    np.testing.assert_allclose(pixels, np.stack([x.ravel(), y.ravel()], axis=1), atol=1e-3)
    assert (depth > 0).all()


def test_up_in_the_world_is_up_in_the_picture():
    pixels, _ = CAMERA.project(np.array([[0, 0, 0.1], [0, 0, -0.1]]), *SIZE)
    assert pixels[0, 1] < pixels[1, 1]


def test_a_camera_that_looks_at_points_has_them_all_in_the_picture():
    points = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 0.3, 0.2]
    camera = look_at_points(points, np.array([0.5, -1.0, 0.7]), SIZE[0] / SIZE[1], fill=0.9)
    pixels, depth = camera.project(points, *SIZE)
    assert (depth > 0).all()
    gap = np.abs(pixels - np.array(SIZE) / 2) / (np.array(SIZE) / 2)
    assert gap.max() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "size", "volume"),
    [
        ("box", (0.1, 0.2, 0.3), 8 * 0.1 * 0.2 * 0.3),
        ("sphere", (0.2, 0.0, 0.0), 4 / 3 * np.pi * 0.2**3),
        ("cylinder", (0.1, 0.2, 0.0), np.pi * 0.01 * 0.4),
        ("capsule", (0.1, 0.2, 0.0), np.pi * 0.01 * 0.4 + 4 / 3 * np.pi * 0.001),
    ],
)
def test_primitives_are_closed_outward_and_of_their_volume(kind, size, volume):
    corners = shapes.primitive(kind, size).vertices.reshape(-1, 3, 3).astype(float)
    signed = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert signed == pytest.approx(volume, rel=0.03)


def test_normals_of_round_things_are_round():
    surface = shapes.primitive("sphere", (0.2, 0.0, 0.0))
    outward = surface.vertices / np.linalg.norm(surface.vertices, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", outward, surface.normals).min() > 0.99


def test_a_hull_is_wound_outward():
    points = np.random.default_rng(1).normal(size=(40, 3))
    corners = shapes.hull(points).vertices.reshape(-1, 3, 3).astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = corners.mean(axis=1) - points.mean(axis=0)
    assert (np.einsum("ij,ij->i", normal, middle) > 0).all()


def test_rays_hit_a_box_where_it_is():
    rays = np.array([[0, -1, 0, 0, 1, 0], [0, -1, 0.2, 0, 1, 0]], np.float32)
    hits = cast([Layer([box()])], rays)
    assert hits.distance[0] == pytest.approx(0.9, abs=1e-6)
    assert np.isinf(hits.distance[1])
    np.testing.assert_allclose(hits.normal[0], [0, -1, 0], atol=1e-6)


def test_the_nearer_of_two_layers_is_seen():
    rays = np.array([[0, -1, 0, 0, 1, 0]], np.float32)
    layers = [Layer([box(label=1)]), Layer([box(at=(0, -0.3, 0), label=2)])]
    assert cast(layers, rays).label[0] == 2
    assert cast(layers[::-1], rays).label[0] == 2


def test_a_texture_is_seen_where_it_was_painted():
    """A box painted with where it is: the picture of each place has that place's colour."""
    plain = box()
    corners = plain.surface.vertices.reshape(-1, 3, 3).astype(float)
    atlas = unwrap(corners, 0.01, 512)

    def paint(face, weights):
        at = np.einsum("nk,nki->ni", weights, corners[face])
        return np.rint(127 + 120 * at / HALF).astype(np.uint8)

    painted = replace(plain, texture=atlas.painted(paint), uv=atlas.uv.reshape(-1, 2))
    rays = CAMERA.rays(*SIZE).reshape(-1, 6)
    hits = Layer([box(at=(9, 9, 9)), painted]).cast(rays)
    seen = np.isfinite(hits.distance)
    at = rays[seen, :3] + hits.distance[seen, None] * rays[seen, 3:]
    assert seen.sum() > 200
    np.testing.assert_allclose(
        hits.color[seen], to_linear((127 + 120 * at / HALF) / 255), atol=0.03
    )


def test_a_scanned_surface_is_seen_from_its_own_side_only():
    rays = np.array([[0, -1, 0, 0, 1, 0]], np.float32)
    hits = Layer([box()], one_sided=True).cast(rays)
    assert hits.distance[0] == pytest.approx(0.9, abs=1e-6)
    inside_out = box()
    turned = shapes.Surface(inside_out.surface.vertices, -inside_out.surface.normals)
    hits = Layer([replace(inside_out, surface=turned)], one_sided=True).cast(rays)
    assert hits.distance[0] == pytest.approx(1.1, abs=1e-3)  # the far side, from within


def test_a_filler_shows_only_where_nothing_is_as_near():
    rays = np.array([[0, -1, 0, 0, 1, 0], [0.3, -1, 0, 0, 1, 0]], np.float32)
    layers = [Layer([box(label=1)])]
    filler = Layer([box(at=(0, -0.02, 0), label=2), box(at=(0.3, 0, 0), label=2)])
    hits = cast(layers, rays).nearer(filler.cast(rays), FILLED_M)
    assert hits.label.tolist() == [1, 2]


def test_pictures_are_the_same_every_time():
    layers = [Layer([box(), box(at=(0.3, 0, 0), color=(0.1, 0.2, 0.9))])]
    np.testing.assert_array_equal(draw(layers, CAMERA, SIZE), draw(layers, CAMERA, SIZE))


def test_tops_are_brighter_than_undersides_and_shadows_darken_the_floor():
    floor = Item(
        shapes.primitive("plane", (2, 2, 0)), np.eye(3), np.array([0, 0, -HALF]), np.full(3, 0.5)
    )
    from_above = Camera((0.0, -0.01, 2.0), (0.0, 0.0, 0.0))
    lit = draw([Layer([floor])], from_above, SIZE, fine=False).astype(int)
    shaded = draw([Layer([floor, box()])], from_above, SIZE, fine=False).astype(int)
    darker = (lit - shaded).max(axis=2) > 40
    beside = darker.copy()
    beside[38:52, 53:67] = False  # the box itself
    assert beside.sum() > 20


def test_srgb_and_linear_are_inverse():
    values = np.linspace(0, 0.9, 10)
    dim = values[to_linear(values) < 0.8]
    np.testing.assert_allclose(to_srgb(to_linear(dim)) / 255, dim, atol=1 / 255)


def test_what_hides_the_target_is_cut_away():
    wall = box(half=0.3, at=(0.6, -0.72, 0.54))
    free = clear_view(CAMERA, [Layer([box()])])
    cut = clear_view(CAMERA, [Layer([box(), wall])])
    assert free == pytest.approx(0.01)
    gap = np.linalg.norm(CAMERA.position)
    assert 0.3 < cut < gap


def test_a_scan_is_drawn_in_its_colour_on_its_side_of_the_picture():
    image = render_scan(cube_scan(), size=SIZE).astype(int)
    red = (image[..., 0] - image[..., 1]) > 40
    assert 0.2 < red.mean() < 0.9


def test_the_overlay_covers_what_the_scan_shows():
    scan, twin = cube_scan(), cube_reconstruction()
    plain = render_scan(scan, size=SIZE, camera=CAMERA).astype(int)
    over = render_overlay(scan, twin, size=SIZE, camera=CAMERA).astype(int)
    pixels, _ = CAMERA.project(cube_points(0.02)[0], *SIZE)
    x, y = pixels.astype(int).T
    assert np.abs(over - plain)[y, x].max(axis=1).mean() > 15
    np.testing.assert_array_equal(over[:5], plain[:5])


def test_files_hold_the_picture(tmp_path):
    frames = [np.full((20, 30, 3), shade, np.uint8) for shade in (0, 120, 250)]
    write_png(frames[1], tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), frames[1])
    write_gif(frames, tmp_path / "a.gif", rate_hz=10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3
        assert gif.info["duration"] == 100
