"""A cloud as registration sees it: two resolutions with normals, some of its rays, and its sensor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from r2s.scan.capture import Capture
from r2s.scan.clean import plausible_box
from r2s.scan.gravity import Camera
from r2s.scan.surface import facing, local_surface
from r2s.scan.viewpoints import find_camera, find_viewpoint
from r2s.scan.voxels import Accumulator

if TYPE_CHECKING:
    from scipy.spatial import KDTree

# Voxels of shapes that are matched are this part of a cloud's diagonal; surfaces are fitted in finer ones.
CELLS_PER_DIAGONAL, FINE_PER_COARSE = 64, 4
_SAMPLE_ROWS = 250_000
_NEIGHBORS = 12


@dataclass(frozen=True)
class Sample:
    """What is read of a cloud: points (n, 3) file units, and where its sensor was (None: unknown)."""

    name: str
    points: np.ndarray
    eye: np.ndarray | None
    camera: Camera | None

    @property
    def diagonal(self) -> float:
        low, high = np.quantile(self.points, [0.01, 0.99], axis=0)
        return float(np.linalg.norm(high - low))


@dataclass(frozen=True)
class Level:
    """Points (n, 3), one per voxel of edge `voxel`, with unit normals towards the sensor, or the middle."""

    points: np.ndarray
    normals: np.ndarray
    voxel: float

    @cached_property
    def tree(self) -> KDTree:
        """Neighbour search in the points."""
        from scipy.spatial import KDTree

        return KDTree(self.points)


@dataclass(frozen=True)
class View:
    """A cloud, file units, moved by `-origin`, which all views of a set share.

    Attributes:
        coarse, fine: for matching and for fitting.
        rays: (n, 3) raw points, lines of sight from `eye`.
        eye: (3,) sensor, or None.
    """

    name: str
    coarse: Level
    fine: Level
    rays: np.ndarray
    eye: np.ndarray | None


def sample_of(capture: Capture, name: str, where: str) -> Sample:
    """Return the sample of a cloud.

    Raises:
        R2SError: nothing in it is usable.
    """
    _, all_points = plausible_box(capture, where)
    camera = find_camera(capture, all_points)
    eye = find_viewpoint(capture, all_points, camera).position
    points = all_points[:: max(1, len(all_points) // _SAMPLE_ROWS)]
    return Sample(name, points, eye, camera)


def view_of(sample: Sample, origin: np.ndarray, voxel: float) -> View:
    """Return the view of a sample with coarse voxels of edge `voxel` [file units]."""
    points = sample.points - origin
    eye = None if sample.eye is None else sample.eye - origin
    return View(
        sample.name, _level(points, eye, voxel), _level(points, eye, voxel / FINE_PER_COARSE),
        points, eye,
    )  # fmt: skip


def _level(points: np.ndarray, eye: np.ndarray | None, voxel: float) -> Level:
    grid = Accumulator(voxel, np.median(points, axis=0))
    grid.add(points, None, None)
    kept = grid.finish(colors=False, normals=False).points
    surface = local_surface(kept, _NEIGHBORS)
    toward = np.median(kept, axis=0) if eye is None else eye
    return Level(kept, facing(kept, surface.normals, toward), voxel)
