"""Atlases: a colour painted at a place on the mesh is found again at that place, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from r2s.core.atlas import sampled, unwrap


def triangles(count: int, seed: int = 0) -> np.ndarray:
    """Triangles (n, 3, 3) of many sizes, slivers and points among them."""
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(count, 3, 3)) * rng.uniform(0.001, 1, (count, 1, 1)) ** 2
    corners[::7, 2] = corners[::7, 1] + 1e-4
    corners[::11] = corners[::11, :1]
    return corners + rng.uniform(-2, 2, (count, 1, 3))


def places_on(corners: np.ndarray, count: int = 20_000):
    rng = np.random.default_rng(1)
    face = rng.integers(0, len(corners), count)
    # Corners and edges too: that is where filtering reaches farthest.
    weights = rng.dirichlet([0.3, 0.3, 0.3], count)
    return face, weights, np.einsum("nk,nki->ni", weights, corners[face])


@pytest.mark.parametrize("count", [1, 2, 3, 400])
def test_a_colour_that_changes_slowly_is_found_where_it_was_painted(count):
    corners = triangles(count)
    atlas = unwrap(corners, 0.01, 2048)

    def color(face, weights):
        at = np.einsum("nk,nki->ni", weights, corners[face])
        return np.rint(128 + 40 * np.clip(at, -3, 3)).astype(np.uint8)

    image = atlas.painted(color)
    face, weights, at = places_on(corners)
    uv = np.einsum("nk,nki->ni", weights, atlas.uv[face])
    assert uv.min() >= 0 and uv.max() <= 1
    np.testing.assert_allclose(sampled(image, uv), 128 + 40 * np.clip(at, -3, 3), atol=2.5)


def test_filtering_never_reaches_another_triangle():
    corners = triangles(300)
    atlas = unwrap(corners, 0.02, 2048)
    image = atlas.painted(
        lambda face, _: np.repeat(face[:, None] % 251, 3, axis=1).astype(np.uint8)
    )
    face, weights, _ = places_on(corners)
    uv = np.einsum("nk,nki->ni", weights, atlas.uv[face])
    np.testing.assert_allclose(sampled(image, uv)[:, 0], face % 251, atol=0.05)


def test_the_picture_keeps_its_side_and_texels_grow():
    corners = triangles(2000)
    fine, coarse = unwrap(corners, 0.002, 4096), unwrap(corners, 0.002, 512)
    assert max(fine.width, fine.height) <= 4096 and max(coarse.width, coarse.height) <= 512
    assert coarse.texel_m > fine.texel_m >= 0.002


def test_a_picture_too_small_for_the_smallest_patches_grows():
    atlas = unwrap(triangles(5000), 0.01, 64)
    assert 4 * 4 * 2500 <= atlas.width * atlas.height < 300**2


@pytest.mark.parametrize("count", [1, 7, 30, 64, 200, 520, 1000])
def test_every_count_of_triangles_ends(count):
    for side in (16, 64):
        atlas = unwrap(triangles(count), 1e-9, side)
        assert atlas.uv.max() <= 1 and len(np.unique(atlas.uv.mean(axis=1), axis=0)) == count


def test_most_of_the_picture_is_used():
    rng = np.random.default_rng(3)
    corners = rng.normal(size=(3000, 3, 3))
    atlas = unwrap(corners, 0.02, 8192)
    area = np.linalg.norm(np.cross(*(corners[:, 1:] - corners[:, :1]).swapaxes(0, 1)), axis=1).sum()
    assert area / 2 / atlas.texel_m**2 > 0.35 * atlas.width * atlas.height


def test_no_triangle_has_a_picture_too():
    atlas = unwrap(np.zeros((0, 3, 3)), 0.01, 256)
    assert atlas.uv.shape == (0, 3, 2) and atlas.painted(lambda f, w: f).shape[2] == 3
