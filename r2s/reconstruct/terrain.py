"""Ground without a plane becomes a height field, and what stands on it gets level places to stand on.

The field is the surface that lies nearest the ground points and bends least (a thin plate with a little
tension, in least squares), so noise is averaged and what nobody saw is bridged smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.heightfield import grid_mesh, surface_at
from r2s.core.rigid import rotation_between, transform
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.footprint import rasterize
from r2s.reconstruct.ground import Ground, cell_edge, find_ground
from r2s.reconstruct.levels import UP, Level
from r2s.reconstruct.parts import Part
from r2s.reconstruct.planes import Plane
from r2s.reconstruct.solids import make_geom

# Smaller ground is what one robot stands on: a plane will do.
LEAST_AREA_M2, LEAST_WIDTH_M = 40.0, 5.0
# Of the seen area that is ground; a furnished room and a street among houses have less.
_LEAST_SHARE = 0.85
_MOST_STEPS = 0.05
_OFF_PLANE_M = 0.08  # half of a floor, and of a street with its kerbs, is nearer to its plane
BASE_M = 1.0  # how deep the solid goes below its lowest node
_COARSER = (8, 4, 2)  # cells of the grids on which it is found which points are ground
_STIFF, _TENSION = 0.1, 0.001  # weight of a bend, of a slope [per cell], against that of a point
_ABOVE, _BELOW = 2.5, 6.0  # noise sigmas: grass is above the ground, and nothing is below


@dataclass(frozen=True)
class Terrain:
    """Attributes:
    part: the floor, one height field.
    nodes: (v, 3) its nodes, in the frame at `origin` (3,).
    cell_m: distance of its nodes.
    notes: sentences for the user.
    """

    part: Part
    nodes: np.ndarray
    origin: np.ndarray
    cell_m: float
    notes: tuple[str, ...]

    def above(self, points: np.ndarray) -> np.ndarray:
        """Return heights (n,) of (n, 3) world points over the ground."""
        return points[:, 2] - self.origin[2] - self._at(points)[0]

    def place(self, points: np.ndarray) -> Level:
        """Return the ground under (n, 3) points as a small level surface that leans as it does."""
        middle = points.mean(0)
        height, normal = self._at(np.concatenate([points, middle[None]]))
        plane_normal = normal[:-1].mean(0)
        plane_normal /= np.linalg.norm(plane_normal)
        foot = np.array([*middle[:2], self.origin[2] + height[-1]])
        frame = transform(rotation_between(UP, plane_normal), foot)
        local = (points - foot) @ frame[:3, :3]
        return Level(
            Plane(plane_normal, float(plane_normal @ foot)), frame, np.zeros(0, np.int64),
            rasterize(local[:, :2], self.cell_m), True,
        )  # fmt: skip

    def _at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return surface_at(self.nodes, points[:, :2] - self.origin[:2])


def find_terrain(cloud: Cloud, mode: str, most_cells: int) -> Terrain | None:
    """Return the height field of a place whose ground is no plane (`auto`), or of any (`terrain`)."""
    ground = find_ground(cloud) if mode in ("auto", "terrain") else None
    if ground is None or not (mode == "terrain" or is_terrain(ground, cloud)):
        return None
    return terrain(cloud, ground, most_cells)


def is_terrain(ground: Ground, cloud: Cloud) -> bool:
    """Return whether the ground is large, whole, and no plane."""
    return (
        ground.area_m2 >= LEAST_AREA_M2
        and ground.width_m >= LEAST_WIDTH_M
        and ground.share >= _LEAST_SHARE
        and ground.steps <= _MOST_STEPS
        and ground.off_plane_m >= max(_OFF_PLANE_M, cloud.merge_m)
    )


def terrain(cloud: Cloud, ground: Ground, most_cells: int) -> Terrain:
    """Return the height field of the ground, at most `most_cells` by `most_cells`."""
    points = cloud.points[ground.points]
    low, extent = points[:, :2].min(0), np.ptp(points[:, :2], axis=0)
    cell = cell_edge(points[:, :2], 2 * cloud.voxel_m, most_cells - 1)
    own = np.ones(len(points), bool)
    for coarser in _COARSER:  # what is no ground shows over a coarse ground first
        heights = _bent_least(points[own], low, extent, cell * coarser)
        off = points[:, 2] - _weights(points, low, cell * coarser, heights.shape) @ heights.ravel()
        sigma = max(1.4826 * float(np.median(np.abs(off))), cloud.tolerance_m / _ABOVE)
        own = (off < _ABOVE * sigma) & (off > -_BELOW * sigma)
    heights = _bent_least(points[own], low, extent, cell)
    off = points[own, 2] - _weights(points[own], low, cell, heights.shape) @ heights.ravel()
    bottom = float(heights.min())
    columns, rows = heights.shape[1], heights.shape[0]
    half = np.array([columns - 1, rows - 1]) * cell / 2
    origin = np.array([*(low + half), bottom])
    nodes, faces = grid_mesh((heights - bottom).astype(np.float32), half[0], half[1])
    geom = make_geom("hfield", (half[0], half[1], BASE_M), origin, np.eye(3), hull=0)
    seen = np.unique(np.floor((points[own, :2] - low) / cell).astype(np.int64), axis=0)
    unseen = 1 - len(seen) / ((columns - 1) * (rows - 1))
    noise = float(np.sqrt(np.mean(off**2)))
    notes = (
        f"the ground is no plane (half of its {ground.area_m2:.3g} m2 is over {ground.off_plane_m:.2g} m "
        f"from the best one): it is a height field of {columns} x {rows} nodes, {cell:.2g} m apart, and "
        f"its points are {noise:.2g} m (rms) from it",
        f"{100 * unseen:.0f} % of the height field's cells hold no point: they are interpolated",
    )
    part = Part(
        "floor", "hfield", (geom,), ground.points[own], hulls=((nodes, faces),),
        assumed_fraction=unseen,
    )  # fmt: skip
    return Terrain(part, nodes, origin, cell, notes)


def _bent_least(points: np.ndarray, low: np.ndarray, extent: np.ndarray, cell: float) -> np.ndarray:
    """Return heights (rows, columns) of the stiff sheet of nodes that lies nearest the points (n, 3)."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    columns, rows = (int(np.ceil(side / cell - 1e-9)) + 1 for side in np.maximum(extent, cell))
    W = _weights(points, low, cell, (rows, columns))
    one_x, one_y = sparse.identity(columns), sparse.identity(rows)
    bend_x, bend_y = (_differences(n, (1, -2, 1)) for n in (columns, rows))
    slope_x, slope_y = (_differences(n, (-1, 1)) for n in (columns, rows))
    A = W.T @ W
    for D, weight in (
        (sparse.kron(one_y, bend_x), _STIFF),
        (sparse.kron(bend_y, one_x), _STIFF),
        (sparse.kron(slope_y, slope_x), 2 * _STIFF),
        (sparse.kron(one_y, slope_x), _TENSION),
        (sparse.kron(slope_y, one_x), _TENSION),
    ):
        A = A + weight * (D.T @ D)
    # Conjugate gradients need thousands of steps to bridge a hole; this takes 2 s of 256 x 256 nodes.
    solver = splu(A.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solver.solve(W.T @ points[:, 2]).reshape(rows, columns)


def _weights(points: np.ndarray, low: np.ndarray, cell: float, shape: tuple[int, int]):
    """Return (n, nodes) sparse: the shares of the corners of each point's triangle."""
    from scipy import sparse

    rows, columns = shape
    at = (points[:, :2] - low) / cell
    i, j = np.clip(at.astype(np.int64), 0, (columns - 2, rows - 2)).T
    a, b = (at - np.column_stack([i, j])).T
    corner = j * columns + i
    third = np.where(a >= b, corner + 1, corner + columns)
    share = np.column_stack([1 - np.maximum(a, b), np.abs(a - b), np.minimum(a, b)])
    nodes = np.column_stack([corner, third, corner + columns + 1])
    index = np.repeat(np.arange(len(points)), 3)
    return sparse.csr_matrix((share.ravel(), (index, nodes.ravel())), (len(points), rows * columns))


def _differences(count: int, stencil: tuple[int, ...]):
    """Return the sparse (count - len + 1, count) matrix of finite differences along a row of nodes."""
    from scipy import sparse

    rows = max(count - len(stencil) + 1, 0)
    first = np.repeat(np.arange(rows), len(stencil))
    column = first + np.tile(np.arange(len(stencil)), rows)
    return sparse.csr_matrix(
        (np.tile(np.array(stencil, float), rows), (first, column)), (rows, count)
    )
