"""Meshes with fewer triangles, by vertex clustering: even ones, which distance fields and pictures like."""

from __future__ import annotations

import numpy as np

Mesh = tuple[np.ndarray, np.ndarray]
_GROWTH = 1.05  # of the cells beyond what the count of faces asks for


def thinned(vertices: np.ndarray, faces: np.ndarray, most_faces: int) -> tuple[Mesh, np.ndarray]:
    """Return a mesh of at most `most_faces`, and for each vertex (v,) the one it went into, or -1.

    The vertices in a lattice cell become their mean (Rossignac and Borrel 1993); cells grow until the
    faces are few enough. A mesh that is small enough is only rid of equal vertices, of faces without area
    and of loose vertices.
    """
    into = _groups(vertices, 0.0)
    mesh, of = _merged(vertices, faces, into)
    cell_m = 0.0
    while len(mesh[1]) > most_faces:
        least = cell_m or 0.5 * _edge(*mesh)
        cell_m = least * _GROWTH * float(np.sqrt(len(mesh[1]) / most_faces))
        mesh, of = _merged(vertices, faces, _groups(vertices, cell_m))
    return mesh, of


def _groups(vertices: np.ndarray, cell_m: float) -> np.ndarray:
    keys = np.floor(vertices / cell_m).astype(np.int64) if cell_m else vertices
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel()


def _edge(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Return the length of an edge as an even mesh of this area would have it [m]."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    return max(float(np.sqrt(2.3 * area / max(len(faces), 1))), 1e-9)  # 4 / sqrt(3)


def _merged(vertices: np.ndarray, faces: np.ndarray, group: np.ndarray) -> tuple[Mesh, np.ndarray]:
    size = np.bincount(group)
    means = np.stack([np.bincount(group, axis) for axis in vertices.T], axis=1) / size[:, None]
    a, b, c = group[faces].T
    kept = group[faces][(a != b) & (b != c) & (c != a)]
    # Rotated to their least vertex, so that a face made twice is one.
    start = np.argmin(kept, axis=1)[:, None]
    kept = np.unique(np.take_along_axis(kept, (start + np.arange(3)) % 3, 1), axis=0)
    used, index = np.unique(kept, return_inverse=True)
    of = np.full(len(size), -1)
    of[used] = np.arange(len(used))
    return (means[used], index.reshape(-1, 3).astype(np.int32)), of[group]
