"""A thing's closed surface: as it was measured where it was seen, else as its colliders say."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.implicit import Mesh, plane_distances, zero_surface
from r2s.reconstruct.solids import Hull, signed_distance, triangles
from r2s.reconstruct.thinning import thinned

_CELLS = 48  # along the longest side
_MARGIN = 3  # cells of air around, so that nothing is cut
_MEASURED_CELLS = 3.0  # points this near say where the surface is ...
_BELIEVED_CELLS = 2.5  # ... where it is this near to that of the colliders


def closed_surface(
    geoms: tuple[Geom, ...], hulls: tuple[Hull, ...], cloud: Cloud, points: np.ndarray
) -> Mesh:
    """Return vertices (v, 3) world and faces (f, 3), outward, without a border.

    A primitive that explains a thing is its surface. Of several colliders the union is, moved onto the
    points where there are some: the zero of a field that goes from the one's distance to the other's.

    Args:
        points: indices of the cloud's points that are the thing's.
    """
    if len(geoms) == 1 and geoms[0].shape != "hull":
        vertices, faces = triangles(geoms[0], hulls)
        return thinned(vertices, faces, len(faces))[0]  # its poles are points
    corners = np.concatenate([triangles(geom, hulls)[0] for geom in geoms])
    low, high = corners.min(axis=0), corners.max(axis=0)
    cell = max(float((high - low).max()) / _CELLS, 0.5 * cloud.spacing_m)
    shape = np.ceil((high - low) / cell).astype(int) + 2 * _MARGIN + 1
    origin = low - _MARGIN * cell
    nodes = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    nodes = origin + nodes * cell
    field = np.min([signed_distance(geom, hulls, nodes) for geom in geoms], axis=0)
    field = _measured(field, nodes, cell, cloud, points).reshape(shape)
    return zero_surface(_without_touching_edges(field), origin, cell)


def _without_touching_edges(field: np.ndarray) -> np.ndarray:
    """Return a field (nx, ny, nz) whose solid never meets itself along an edge only, filled where it did.

    Where the signs of four neighbours in a plane stand like on a chess board, four faces would share
    an edge.
    """
    field = field.copy()
    while True:
        solid = field < 0
        touching = np.zeros_like(solid)
        for axes in ((0, 1), (0, 2), (1, 2)):
            a, b, c, d = (_shifted(solid, axes, step) for step in ((0, 0), (0, 1), (1, 1), (1, 0)))
            for step, crossed in (((0, 0), (b & d) & ~(a | c)), ((0, 1), (a & c) & ~(b | d))):
                _shifted(touching, axes, step)[crossed] = True
        if not touching.any():
            return field
        field[touching] = -1e-3 * np.abs(field[touching]) - 1e-12


def _shifted(grid: np.ndarray, axes: tuple[int, int], step: tuple[int, int]) -> np.ndarray:
    """Return the view of a grid without its last or first layer along two axes."""
    cut = [slice(None)] * 3
    for axis, by in zip(axes, step, strict=True):
        cut[axis] = slice(by, grid.shape[axis] - 1 + by)
    return grid[tuple(cut)]


def _measured(field: np.ndarray, nodes: np.ndarray, cell: float, cloud: Cloud, index: np.ndarray):
    """Return distances (n,) of nodes (n, 3) moved towards those that the points say."""
    from scipy.spatial import KDTree

    near = np.flatnonzero(np.abs(field) < _BELIEVED_CELLS * cell)
    if not len(index) or not len(near):
        return field
    points, normals, counts = cloud.points[index], cloud.normals[index], cloud.counts[index]
    tree = KDTree(points)
    reach = _MEASURED_CELLS * cell
    distance = tree.query(nodes[near], distance_upper_bound=reach)[0]
    near, distance = near[np.isfinite(distance)], distance[np.isfinite(distance)]
    width = max(cell, cloud.spacing_m)
    said = plane_distances(nodes[near], tree, points, normals, counts, width)
    trust = np.clip(2 * (1 - distance / reach), 0, 1)
    trust *= np.clip(2 * (1 - np.abs(field[near]) / (_BELIEVED_CELLS * cell)), 0, 1)
    field = field.copy()
    field[near] += trust * (said - field[near])
    return field
