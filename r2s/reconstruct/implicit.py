"""The zero surface of a cloud's distance field, as triangles: what Poisson's method is used for, locally.

The field is implicit moving least squares (Shen, O'Brien, Shewchuk 2004; Kolluri 2005): at x, the mean of
the neighbours' plane distances n_i . (x - p_i), weighted by closeness and by how many raw points each
stands for. It is evaluated at the corners of the lattice cells around the points only, so nothing is made
up where there are none, and extracted by naive surface nets (Gibson 1998): one vertex per cell the field
changes sign in. Beside Poisson it is nearer to the truth and faster, about as full, and no thread count
changes a bit of it: docs/twin-metrics.md has the numbers.
"""

from __future__ import annotations

from itertools import product

import numpy as np

_NEIGHBORS = 8
_WIDTH_CELLS = 0.8  # of the weights
_CELLS, _CORNERS = 80_000, 530_000  # of the lattice, at most: 10 us each on one core
_REACH_CELLS = 1.5  # a vertex keeps this near to a point; beyond, the surface would be guessed
_CHUNK = 50_000
_BITS = 21  # of a lattice coordinate in a key
_MASK = (1 << _BITS) - 1
_STEPS = (1 << 2 * _BITS, 1 << _BITS, 1)  # in a key, along x, y, z
_CUBE = np.array(list(product((0, 1), repeat=3)))  # corner 4 x + 2 y + z of a cell
_EDGES = tuple((a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4))
# A vertex has all the cells around it if every cell next to one with points is there.
_AROUND = np.array(list(product((-1, 0, 1, 2), repeat=3)))

Mesh = tuple[np.ndarray, np.ndarray]


def implicit_surface(
    points: np.ndarray, normals: np.ndarray, counts: np.ndarray, cell_m: float
) -> Mesh:
    """Return vertices (v, 3) float64 and faces (f, 3) int32 of the surface that points lie on.

    Faces turn counter-clockwise seen from where the normals point.

    Args:
        points, normals: (n, 3); normals of one side of the surface.
        counts: (n,) raw points each is the mean of: noise leaves voxels of few beside those of many.
        cell_m: lattice step; made larger until `_CELLS` and `_CORNERS` are kept.
    """
    from scipy.spatial import KDTree

    if not len(points):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    origin, cell_m, corners, of = _lattice(points, cell_m)
    points, normals, counts = _means(points, normals, counts, of)
    tree = KDTree(points)
    field = plane_distances(
        origin + _unkeyed(corners) * cell_m, tree, points, normals, counts, cell_m
    )

    def near(vertices: np.ndarray) -> np.ndarray:
        return tree.query(vertices, distance_upper_bound=_REACH_CELLS * cell_m)[0] < np.inf

    return _zero_surface(corners, field, origin, cell_m, near)


def zero_surface(field: np.ndarray, origin: np.ndarray, cell_m: float) -> Mesh:
    """Return vertices (v, 3) and faces (f, 3) where a field (nx, ny, nz) on a grid of nodes is zero.

    Closed where the field is positive all around; faces turn towards where it is.
    """
    nodes = np.stack(np.meshgrid(*map(np.arange, field.shape), indexing="ij"), axis=-1)
    return _zero_surface(_keys(nodes.reshape(-1, 3)), field.ravel(), origin, cell_m, None)


def _zero_surface(corners, field, origin, cell_m: float, kept) -> Mesh:
    """Return the surface between lattice corners with sorted keys (c,); of vertices only those `kept`."""
    cube = np.stack([_find(corners, corners + _keys(step)) for step in _CUBE], axis=1)
    crossed = np.flatnonzero(_crossed(cube, field < 0))
    offsets = _net(field[cube[crossed]])
    vertices = origin + (_unkeyed(corners[crossed]) + offsets) * cell_m
    wanted = np.ones(len(vertices), bool) if kept is None else kept(vertices)
    vertex_of = np.full(len(corners), -1)
    vertex_of[crossed[wanted]] = np.arange(wanted.sum())
    vertices = vertices[wanted]
    return _used(vertices, _faces(vertices, corners, cube, field < 0, vertex_of))


def _lattice(points: np.ndarray, cell_m: float):
    """Return origin (3,), cell [m], sorted keys (c,) of corners, and the cell (n,) each point is in."""
    cell_m = max(cell_m, float(np.ptp(points, axis=0).max()) / (_MASK - 8))
    while True:
        origin = points.min(axis=0) - 3 * cell_m
        lattice = np.floor((points - origin) / cell_m).astype(np.int64)
        cells, of = np.unique(_keys(lattice), return_inverse=True)
        crowd = len(cells) / _CELLS
        if crowd <= 1:
            corners = np.unique(np.concatenate([cells + _keys(step) for step in _AROUND]))
            # Sparse points have far more corners a cell than a surface.
            crowd = len(corners) / _CORNERS
            if crowd <= 1:
                return origin, cell_m, corners, of.ravel()
        cell_m *= 1.02 * float(np.sqrt(crowd))


def _keys(lattice: np.ndarray) -> np.ndarray:
    return lattice @ np.array(_STEPS)


def _unkeyed(keys: np.ndarray) -> np.ndarray:
    return np.stack([keys >> 2 * _BITS, keys >> _BITS & _MASK, keys & _MASK], axis=1)


def _find(sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the index of each wanted key, -1 where there is none."""
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == wanted, at, -1)


def _means(points, normals, counts, of: np.ndarray):
    """Return one point, normal and count per cell: the means of those in it, which averages noise."""
    columns = [np.bincount(of, counts * values) for values in (*points.T, *normals.T)]
    total, weight = np.stack(columns, axis=1), np.bincount(of, counts)
    turned = total[:, 3:] / np.maximum(np.linalg.norm(total[:, 3:], axis=1, keepdims=True), 1e-12)
    return total[:, :3] / weight[:, None], turned, weight


def plane_distances(x: np.ndarray, tree, points, normals, counts, cell_m: float) -> np.ndarray:
    """Return (n,) signed distances [m] of x (n, 3), positive where the normals point.

    tree: scipy's KDTree of the points (m, 3), which have normals (m, 3) and counts (m,).
    """
    field = np.empty(len(x))
    k = min(_NEIGHBORS, len(points))
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        distance, index = (
            np.reshape(found, (-1, k)) for found in tree.query(x[part], k=k, workers=-1)
        )
        # Relative to the nearest: far from the points all weights would vanish.
        weight = np.exp((distance[:, :1] ** 2 - distance**2) / (_WIDTH_CELLS * cell_m) ** 2)
        weight *= counts[index]
        along = np.einsum("nkj,nkj->nk", normals[index], x[part, None] - points[index])
        field[part] = (weight * along).sum(axis=1) / weight.sum(axis=1)
    return field


def _crossed(cube: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return (n,) whether a cell has all its corners and the surface between them."""
    corners = inside[cube]
    return np.all(cube >= 0, axis=1) & np.any(corners, axis=1) & ~np.all(corners, axis=1)


def _net(values: np.ndarray) -> np.ndarray:
    """Return (c, 3) in 0..1: the mean of the points where the field (c, 8) is zero on a cell's edges."""
    total, count = np.zeros((len(values), 3)), np.zeros((len(values), 1))
    for a, b in _EDGES:
        fa, fb = values[:, a], values[:, b]
        crossed = (fa < 0) != (fb < 0)
        share = np.divide(fa, fa - fb, out=np.zeros_like(fa), where=crossed)[:, None]
        total += crossed[:, None] * (_CUBE[a] + share * (_CUBE[b] - _CUBE[a]))
        count += crossed[:, None]
    return total / count


def _faces(vertices, corners, cube, inside, vertex_of: np.ndarray) -> np.ndarray:
    """Return (f, 3): two triangles across each lattice edge that the surface crosses."""
    faces = [np.zeros((0, 3), np.int64)]
    for axis in range(3):
        end = cube[:, (4, 2, 1)[axis]]
        edge = np.flatnonzero((end >= 0) & (inside != inside[end]))
        u, v = _STEPS[(axis + 1) % 3], _STEPS[(axis + 2) % 3]
        key = corners[edge]
        around = [_find(corners, key - back) for back in (0, u, u + v, v)]
        quads = np.stack([np.where(c >= 0, vertex_of[c], -1) for c in around], axis=1)
        whole = (quads >= 0).all(axis=1)
        quads, flipped = quads[whole], ~inside[edge[whole]]
        quads[flipped] = quads[flipped][:, ::-1]
        one, other = (
            np.linalg.norm(vertices[quads[:, i]] - vertices[quads[:, i + 2]], axis=1)
            for i in (0, 1)
        )
        start = (one > other).astype(int)[:, None]  # cut along the shorter diagonal
        a, b, c, d = (np.take_along_axis(quads, (start + i) % 4, 1)[:, 0] for i in range(4))
        faces += [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]
    return np.concatenate(faces)


def _used(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """Return the mesh without vertices that no face has."""
    used, index = np.unique(faces, return_inverse=True)
    return vertices[used], index.reshape(-1, 3).astype(np.int32)
