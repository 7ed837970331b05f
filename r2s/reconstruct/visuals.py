"""Surfaces for pictures: whose what of the place's surface is, and the ones that bodies have themselves."""

from __future__ import annotations

import numpy as np

from r2s.reconstruct.closed import closed_surface
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import rasterize
from r2s.reconstruct.implicit import Mesh
from r2s.reconstruct.parts import Part
from r2s.reconstruct.solids import triangles

_BRIDGED_CELLS = 3  # of a height field: narrower gaps between its points are ground that was seen
_NEAR_M = 0.05  # a face this near to a body's point is the body's


def own_surfaces(parts: list[Part], cloud: Cloud) -> list[Mesh]:
    """Return per part vertices (v, 3) world and faces (f, 3), empty where the place's surface shows it."""
    nothing = np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    found = []
    for part in parts:
        field = next((geom for geom in part.geoms if geom.shape == "hfield"), None)
        if field is not None:
            found.append(_seen_ground(*triangles(field, part.hulls), cloud.points[part.points]))
        elif part.mobility == "movable" and part.geoms:
            found.append(closed_surface(part.geoms, part.hulls, cloud, part.points))
        else:
            found.append(nothing)
    return found


def owners(surface: Mesh, labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return (f,) int32: the part that each face of the surface is of, -1 for none.

    Args:
        labels: (n,) part of each of the points (n, 3), -1 for none.
    """
    from scipy.spatial import KDTree

    vertices, faces = surface
    of = np.flatnonzero(labels >= 0)
    found = np.full(len(faces), -1, np.int32)
    if len(of) and len(faces):
        distance, index = KDTree(points[of]).query(
            vertices[faces].mean(axis=1), distance_upper_bound=_NEAR_M, workers=-1
        )
        near = np.isfinite(distance)
        found[near] = labels[of[np.asarray(index)[near]]]
    return found


def _seen_ground(
    vertices: np.ndarray, faces: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what of a height field has points (n, 3) near, or all around at some distance."""
    cell = float(vertices[1, 0] - vertices[0, 0])
    area = rasterize(points[:, :2], cell, close_cells=_BRIDGED_CELLS, fill=False)
    seen = area.contains(vertices[faces].mean(axis=1)[:, :2])
    used, index = np.unique(faces[seen], return_inverse=True)
    return vertices[used], index.reshape(-1, 3)
