"""The surface of the place as it was scanned, and how well it fits the points."""

from __future__ import annotations

from typing import Literal

import numpy as np

from r2s.artifacts.reconstruction import SurfaceFit
from r2s.artifacts.scan import Scan
from r2s.core.native import open3d
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.implicit import Mesh, implicit_surface
from r2s.reconstruct.thinning import thinned

MOST_FACES = 300_000  # of a captured mesh; that of points has about half of it
_SAMPLES = 50_000
NEAR_VOXELS = 2.0  # a point this near to the surface is on it
# Steps of the two-dimensional golden ratio sequence: even samples without a random generator.
_PLASTIC = 1.32471795724474602596


def surface(scan: Scan, cloud: Cloud) -> tuple[Mesh, SurfaceFit | None]:
    """Return the captured mesh, or that of the points, and its fit; None where there is no surface."""
    vertices, faces = scan.mesh_vertices.astype(float), scan.mesh_faces
    if len(faces) > MOST_FACES:
        vertices, faces = thinned(vertices, faces, MOST_FACES)[0]
    elif not len(faces):
        # Cells finer than the points are apart have none in them, finer than noise an arbitrary one.
        cell_m = max(cloud.spacing_m, 2 * cloud.sigma_m)
        vertices, faces = implicit_surface(cloud.points, cloud.normals, cloud.counts, cell_m)
    found = vertices.astype(np.float32), faces
    source = "mesh" if len(scan.mesh_faces) else "points"
    return found, fit(found, cloud, source) if len(faces) else None


def fit(mesh: Mesh, cloud: Cloud, source: Literal["mesh", "points"]) -> SurfaceFit:
    """Compare a surface with the points it stands for. Definitions: docs/twin-metrics.md."""
    vertices, faces = mesh
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(faces.astype(np.uint32)))
    step = max(1, len(cloud.points) // _SAMPLES)
    points, normals = cloud.points[::step], cloud.normals[::step]
    nearest = scene.compute_closest_points(o3d.core.Tensor(points.astype(np.float32)))
    away = np.linalg.norm(nearest["points"].numpy() - points, axis=1)
    along = np.einsum("ij,ij->i", nearest["primitive_normals"].numpy(), normals)
    # Nothing is known of how a surface turns where there is none.
    on = away < NEAR_VOXELS * cloud.voxel_m
    off = _off(samples(vertices.astype(float), faces), cloud)
    return SurfaceFit(
        source=source,
        vertices=len(vertices),
        faces=len(faces),
        accuracy_median_m=float(np.median(off)),
        accuracy_p95_m=float(np.quantile(off, 0.95)),
        completeness=float(on.mean()),
        normal_consistency=float(np.abs(along[on]).mean()) if on.any() else None,
    )


def samples(vertices: np.ndarray, faces: np.ndarray, count: int = _SAMPLES) -> np.ndarray:
    """Return (count, 3) points spread evenly over a mesh's area; equal meshes give equal points."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    turn = np.arange(1, count + 1)
    face = np.searchsorted(area, (turn - 0.5) / count * area[-1])
    u, v = turn / _PLASTIC % 1, turn / _PLASTIC**2 % 1
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u)[:, None], np.where(folded, 1 - v, v)[:, None]
    return a[face] + u * (b - a)[face] + v * (c - a)[face]


def _off(places: np.ndarray, cloud: Cloud) -> np.ndarray:
    """Return (n,) distances [m] of places from the nearest point's disc, as wide as its spacing."""
    from scipy.spatial import KDTree

    distance, index = KDTree(cloud.points).query(places, workers=-1)
    along = np.abs(np.einsum("ij,ij->i", places - cloud.points[index], cloud.normals[index]))
    aside = np.sqrt(np.maximum(distance**2 - along**2, 0))
    return np.hypot(along, np.maximum(aside - cloud.spacing_m, 0))
