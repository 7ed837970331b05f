"""Runs in a child process: a closed surface around an occupancy grid, and CoACD's convex parts of it."""

from __future__ import annotations

import numpy as np

# Dents that CoACD may leave, in clearances: what is four of them wide stays open, for the solid covers one at
# each side.
_CONCAVITY = 2.3
_MAY_GROW = 1.03  # in volume, for the sake of fewer hulls than allowed
_MOST_FACES = 4000  # CoACD's time grows with them: 100 s for the 25,000 of a cup's grid
_SMOOTH_CELLS = 0.7


def decompose(
    solid: np.ndarray,
    origin: np.ndarray,
    cell: float,
    clear_m: float,
    max_vertices: int,
    max_hulls: int,
    seed: int,
) -> list[np.ndarray]:
    """Return vertices (v, 3) of each convex part of an occupancy grid, largest first, at most `max_hulls`.

    Args:
        clear_m: how much the solid is thicker, everywhere, than what was seen.
    """
    from r2s.core.native import open3d

    open3d()  # before coacd: the other way round Open3D's import dies with std::bad_cast
    import coacd
    import trimesh

    vertices, faces = surface(solid, origin, cell)
    # Remeshing costs ten times the decomposition, and a closed isosurface does not need it.
    closed = trimesh.Trimesh(vertices, faces, process=False).is_watertight
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(vertices, faces),
        threshold=_CONCAVITY * clear_m,
        real_metric=True,
        preprocess_mode="off" if closed else "auto",
        preprocess_resolution=30,
        resolution=1000,
        mcts_iterations=30,
        mcts_nodes=8,
        mcts_max_depth=2,
        max_convex_hull=-1,
        decimate=True,
        max_ch_vertex=max_vertices,
        seed=seed,
    )
    found = [np.asarray(v, float) for v, _ in parts]
    hulls = merged(found, max_hulls, _MAY_GROW * sum(_volume(part) for part in found))
    sizes = [float(np.prod(np.ptp(h, axis=0))) for h in hulls]
    return [hulls[i] for i in np.argsort([-s for s in sizes], kind="stable")]


def merged(parts: list[np.ndarray], most: int, volume_m3: float) -> list[np.ndarray]:
    """Return the parts' vertices, two put into one hull as long as there are more than `most`, or all
    together keep within a volume.

    Always the two whose hull adds the least for its size, so that small openings stay: CoACD's own merging
    goes by the deepest dent, and closes a handle's hole before the dents of a rim.
    """
    parts = list(parts)
    volumes = [_volume(part) for part in parts]
    left = list(range(len(parts)))

    def added(i: int, j: int) -> tuple[float, float]:
        both = _volume(np.concatenate([parts[i], parts[j]]))
        more = both - volumes[i] - volumes[j]
        return more / both, more

    costs = {(i, j): added(i, j) for j in left for i in left if i < j}
    while costs:
        (i, j), (_, more) = min(costs.items(), key=lambda item: (item[1], item[0]))
        if len(left) <= most and sum(volumes[k] for k in left) + more > volume_m3:
            break
        left = [k for k in left if k not in (i, j)]
        costs = {pair: cost for pair, cost in costs.items() if not {i, j} & set(pair)}
        new = len(parts)
        parts.append(_corners(np.concatenate([parts[i], parts[j]])))
        volumes.append(_volume(parts[new]))
        costs |= {(k, new): added(k, new) for k in left}
        left.append(new)
    return [parts[k] for k in left]


def _volume(points: np.ndarray) -> float:
    from scipy.spatial import ConvexHull

    return float(ConvexHull(points).volume)


def _corners(points: np.ndarray) -> np.ndarray:
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


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
        if coarse.is_edge_manifold(allow_boundary_edges=False):
            mesh = o3d.t.geometry.TriangleMesh.from_legacy(coarse)
    vertices = mesh.vertex.positions.numpy().astype(float)
    faces = mesh.triangle.indices.numpy().astype(np.int32)
    return origin + (vertices - 2 + 0.5) * cell, faces
