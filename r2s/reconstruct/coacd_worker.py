"""Runs in a child process: a closed surface around an occupancy grid, and CoACD's convex parts of it."""

from __future__ import annotations

import numpy as np

# Dents that CoACD may leave, in cells: ever finer, until the hulls hold little that is not the thing, or
# more of them are needed than allowed. Coarse runs are cheap.
_CONCAVITY_CELLS = (6.0, 4.5, 3.5)
_MOST_FACES = 4000  # CoACD's time grows with them: 100 s for the 25,000 of a cup's grid
_SMOOTH_CELLS = 0.7


def decompose(
    solid: np.ndarray,
    origin: np.ndarray,
    cell: float,
    max_vertices: int,
    max_hulls: int,
    filled: float,
    seed: int,
) -> list[np.ndarray]:
    """Return vertices (v, 3) of each convex part of an occupancy grid, largest first, at most `max_hulls`.

    Args:
        filled: share of the hulls' volume that is solid above which they are fine enough.
    """
    from r2s.core.native import open3d

    open3d()  # before coacd: the other way round Open3D's import dies with std::bad_cast
    import coacd
    import trimesh
    from scipy.spatial import ConvexHull

    vertices, faces = surface(solid, origin, cell)
    # Remeshing costs ten times the decomposition, and a closed isosurface does not need it.
    closed = trimesh.Trimesh(vertices, faces, process=False).is_watertight
    coacd.set_log_level("error")
    parts: list = []
    for concavity in _CONCAVITY_CELLS:
        finer = coacd.run_coacd(
            coacd.Mesh(vertices, faces),
            threshold=concavity * cell,
            real_metric=True,
            preprocess_mode="off" if closed else "auto",
            preprocess_resolution=30,
            resolution=1000,
            mcts_iterations=60,
            mcts_nodes=10,
            mcts_max_depth=3,
            max_convex_hull=-1,
            decimate=True,
            max_ch_vertex=max_vertices,
            seed=seed,
        )
        if parts and len(finer) > max_hulls:
            break
        parts = finer
        volume = sum(ConvexHull(vertices).volume for vertices, _ in parts)
        if float(solid.sum()) * cell**3 >= filled * volume:
            break
    hulls = [np.asarray(v, float) for v, _ in parts]
    sizes = [float(np.prod(np.ptp(h, axis=0))) for h in hulls]
    order = np.argsort([-s for s in sizes], kind="stable")[:max_hulls]
    return [hulls[i] for i in order]


def surface(solid: np.ndarray, origin: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (v, 3) float64 and faces (f, 3) int32 of the closed surface of a grid of cells."""
    from scipy import ndimage

    from r2s.core.native import open3d

    o3d = open3d()
    field = ndimage.gaussian_filter(np.pad(solid.astype(np.float32), 2), _SMOOTH_CELLS)
    # Open3D wants (depth, height, width): the last axis is x.
    tensor = o3d.core.Tensor(np.ascontiguousarray(field.transpose(2, 1, 0)))
    mesh = o3d.t.geometry.TriangleMesh.create_isosurfaces(tensor, [0.5])
    if len(mesh.triangle.indices) > _MOST_FACES:
        coarse = mesh.to_legacy().simplify_quadric_decimation(_MOST_FACES)
        if coarse.is_watertight():
            mesh = o3d.t.geometry.TriangleMesh.from_legacy(coarse)
    vertices = mesh.vertex.positions.numpy().astype(float)
    faces = mesh.triangle.indices.numpy().astype(np.int32)
    return origin + (vertices - 2 + 0.5) * cell, faces
