"""What others do with the same scan: one mesh, CoACD of the whole room as obj2mjcf runs it, CoACD per
cluster.

Runs in the benchmark's own process; the mesh is Poisson's of the scan, trimmed where it has no points.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import clusters
from r2s.reconstruct.hulls import convex_hull
from r2s.reconstruct.solids import make_geom

POISSON_DEPTH, FACES = 8, 20_000
TRIM_VOXELS = 3.0
CLUSTER_CONCAVITY_M = 0.05


def poisson(
    points: np.ndarray, normals: np.ndarray, voxel_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces of the trimmed Poisson surface, decimated."""
    from scipy.spatial import KDTree

    from r2s.core.native import open3d

    o3d = open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.normals = o3d.utility.Vector3dVector(normals)
    mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        cloud, depth=POISSON_DEPTH, n_threads=1
    )
    away, _ = KDTree(points).query(np.asarray(mesh.vertices))
    mesh.remove_vertices_by_mask(away > TRIM_VOXELS * voxel_m)
    mesh = mesh.simplify_quadric_decimation(FACES)
    return np.asarray(mesh.vertices), np.asarray(mesh.triangles)


def one_mesh(vertices: np.ndarray, faces: np.ndarray) -> list[np.ndarray]:
    """The mesh as MuJoCo collides it: its hull."""
    return [vertices]


def whole_room(vertices: np.ndarray, faces: np.ndarray) -> list[np.ndarray]:
    """CoACD with the settings obj2mjcf passes by default: threshold 0.05 of the mesh's size, remeshed
    first."""
    return _coacd(vertices, faces, threshold=0.05, real_metric=False)


def per_cluster(
    points: np.ndarray, normals: np.ndarray, voxel_m: float, shell: np.ndarray
) -> list[np.ndarray]:
    """CoACD of each cluster off the shell, 5 cm of concavity; clusters too flat or small become one hull."""
    rest = np.flatnonzero(~shell)
    parts: list[np.ndarray] = []
    for group in clusters(points[rest], 3.0 * voxel_m, 30):
        index = rest[group]
        if len(index) < 300:
            parts.append(points[index])
            continue
        vertices, faces = poisson(points[index], normals[index], voxel_m)
        parts += (
            _coacd(vertices, faces, threshold=CLUSTER_CONCAVITY_M, real_metric=True)
            if len(faces)
            else []
        )
    return parts


def _coacd(
    vertices: np.ndarray, faces: np.ndarray, *, threshold: float, real_metric: bool
) -> list[np.ndarray]:
    import coacd

    coacd.set_log_level("error")
    mesh = coacd.Mesh(vertices, faces)
    found = coacd.run_coacd(
        mesh, threshold=threshold, real_metric=real_metric, max_ch_vertex=32, decimate=True, seed=1
    )
    return [np.asarray(v, float) for v, _ in found]


def as_hulls(parts: list[np.ndarray]) -> tuple[list[Geom], tuple]:
    """Return hull geoms of point sets; flat ones collide with nothing and are left out."""
    hulls = [h for part in parts if (h := convex_hull(part, 64)) is not None]
    return [make_geom("hull", (), np.zeros(3), np.eye(3), k) for k in range(len(hulls))], tuple(
        hulls
    )


def compare(
    scan, reconstruction, T_truth_world: np.ndarray, truth, surface: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Return name, parts, seconds and occupancy of each way, on one scan."""
    import room_truth

    points = np.asarray(scan.points, float) @ T_truth_world[:3, :3].T + T_truth_world[:3, 3]
    normals = np.asarray(scan.normals, float) @ T_truth_world[:3, :3].T
    voxel = scan.info.voxel_m
    bodies = reconstruction.info.bodies
    shell_ids = [k for k, b in enumerate(bodies) if b.role in ("floor", "wall", "ceiling")]
    shell = np.isin(reconstruction.labels, shell_ids)
    clock = time.perf_counter()
    vertices, faces = poisson(points, normals, voxel)
    meshing = time.perf_counter() - clock
    rows = []
    for name, make in (
        ("one mesh (its hull)", lambda: one_mesh(vertices, faces)),
        ("CoACD whole room, as obj2mjcf", lambda: whole_room(vertices, faces)),
        (
            "CoACD per cluster, 5 cm, + shell planes",
            lambda: per_cluster(points, normals, voxel, shell),
        ),
    ):
        clock = time.perf_counter()
        geoms, hulls = as_hulls(make())
        seconds = meshing + time.perf_counter() - clock
        if "shell" in name:  # r2s's own shell, so that only the furniture is compared
            twin = room_truth.moved(reconstruction, T_truth_world)
            geoms += [
                g
                for g, b in zip(twin.geoms, twin.owner, strict=True)
                if b.role in ("floor", "wall", "ceiling")
            ]
        rows.append({"way": name, "geoms": len(geoms), "seconds": seconds,
                     **room_truth.occupancy(truth, geoms, hulls, surface, seed)})  # fmt: skip
    return rows
