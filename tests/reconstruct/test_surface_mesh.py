"""The surface of a place, against closed forms, a known room and itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from r2s.reconstruct.implicit import implicit_surface
from r2s.reconstruct.surface import samples
from r2s.reconstruct.thinning import thinned

SAMPLES = Path(__file__).parents[2] / "samples"
RADIUS_M = 0.5


def ball(count: int = 20_000, sigma: float = 0.0, seed: int = 0):
    """Return points and outward normals of a sphere with noise along the normal."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals * (RADIUS_M + rng.normal(0, sigma, (count, 1))), normals


def volume(vertices, faces) -> float:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def open_edges(faces) -> int:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return int((np.unique(edges, axis=0, return_counts=True)[1] == 1).sum())


def test_a_sphere_is_closed_turned_outwards_and_in_its_place():
    points, normals = ball()
    vertices, faces = implicit_surface(points, normals, np.ones(len(points)), 0.02)
    assert open_edges(faces) == 0
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * RADIUS_M**3, rel=5e-3)
    radius = np.linalg.norm(samples(vertices, faces), axis=1)
    assert np.abs(radius - RADIUS_M).max() < 0.002


def test_noise_is_averaged_and_points_of_many_returns_count_more():
    points, normals = ball(60_000, sigma=0.01)
    off = np.abs(np.linalg.norm(points, axis=1) - RADIUS_M)
    plain = implicit_surface(points, normals, np.ones(len(points)), 0.03)
    weighted = implicit_surface(points, normals, np.where(off < 0.003, 50.0, 1.0), 0.03)
    error = [
        np.abs(np.linalg.norm(mesh[0], axis=1) - RADIUS_M).mean() for mesh in (plain, weighted)
    ]
    assert error[0] < 0.4 * off.mean()
    assert error[1] < 0.6 * error[0]


def test_nothing_is_made_up_where_there_are_no_points():
    points, normals = ball()
    half = points[:, 2] > 0
    vertices, _ = implicit_surface(points[half], normals[half], np.ones(half.sum()), 0.02)
    assert vertices[:, 2].min() > -0.04


def test_a_moved_cloud_has_the_moved_surface():
    points, normals = ball(5000)
    counts, shift = np.ones(len(points)), np.array([0.25, -0.5, 8.0])
    vertices, faces = implicit_surface(points, normals, counts, 0.05)
    moved, same = implicit_surface(points + shift, normals, counts, 0.05)
    assert abs(len(same) - len(faces)) < 0.01 * len(faces)
    assert volume(moved - shift, same) == pytest.approx(volume(vertices, faces), rel=1e-3)


def test_sparse_points_stay_within_the_budget():
    rng = np.random.default_rng(1)
    points = rng.uniform(-500, 500, (20_000, 3))
    vertices, _ = implicit_surface(points, rng.normal(size=points.shape), np.ones(20_000), 0.01)
    assert len(vertices) <= 530_000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_points_have_no_surface(count):
    points = np.arange(3.0 * count).reshape(-1, 3)
    _, faces = implicit_surface(points, np.ones_like(points), np.ones(count), 0.01)
    assert faces.shape == (0, 3) or faces.max() < 100


def test_a_thinned_mesh_keeps_its_place_and_the_limit():
    points, normals = ball()
    vertices, faces = implicit_surface(points, normals, np.ones(len(points)), 0.02)
    (few, kept), of = thinned(vertices, faces, 2000)
    assert 500 < len(kept) <= 2000
    assert of.shape == (len(vertices),) and of.max() == len(few) - 1
    assert volume(few, kept) == pytest.approx(4 / 3 * np.pi * RADIUS_M**3, rel=0.05)


def test_equal_vertices_become_one():
    vertices, faces = np.repeat(np.eye(3), 2, axis=0), np.array([[0, 2, 4], [1, 3, 5], [0, 1, 2]])
    (welded, kept), _ = thinned(vertices, faces, 10)
    assert welded.shape == (3, 3) and kept.shape == (1, 3)


def test_samples_are_even_over_the_area():
    vertices = np.array([[0, 0, 0], [3, 0, 0], [3, 1, 0], [0, 1, 0.0]])
    found = samples(vertices, np.array([[0, 1, 2], [0, 2, 3]]), 30_000)
    counts = np.histogram2d(found[:, 0], found[:, 1], bins=(6, 2), range=((0, 3), (0, 1)))[0]
    assert np.abs(counts / 2500 - 1).max() < 0.05


PROGRAM = """
import sys, hashlib
from pathlib import Path
from r2s.core.context import StageContext
from r2s.reconstruct import stage as reconstruct
from r2s.scan import stage as scan
context = StageContext(Path(sys.argv[2]), sources={"capture": Path(sys.argv[1])})
found = scan.run({}, scan.Config(voxel_m=0.02), context)
made = reconstruct.run({"scan": found}, reconstruct.Config(), context)
print(hashlib.sha256(b"".join(data for _, data in sorted(made.encode().files.items()))).hexdigest())
fit = made.info.surface
print(fit.accuracy_median_m, fit.completeness, fit.normal_consistency)
"""


def test_equal_bytes_across_threads_folders_and_locales(tmp_path):
    """Also the surface's own numbers are those that a good surface has."""
    ways = [("1", "C", "one"), ("2", "C.UTF-8", "an other")]
    said = []
    for threads, locale, folder in ways:
        place = tmp_path / folder
        place.mkdir()
        capture = place / "bench.pcd"
        capture.write_bytes((SAMPLES / "workbench.pcd").read_bytes())
        env = {
            **os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "LC_ALL": locale,
            "PYTHONHASHSEED": threads,
        }  # fmt: skip
        said.append(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(capture), str(place)],
                env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
            ).stdout
        )  # fmt: skip
    assert said[0] == said[1]
    accuracy, completeness, consistency = map(float, said[0].split()[1:])
    assert accuracy < 0.003 and completeness > 0.99 and consistency > 0.95
