"""The first, coarse look at a capture: what it is, before any point is placed in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.scan import scale as known_scale
from r2s.scan import units
from r2s.scan.capture import Capture, Rows
from r2s.scan.clean import Box, Cleaner, plausible_box
from r2s.scan.gravity import Camera
from r2s.scan.noise import range_noise
from r2s.scan.planes import Plane, find_planes
from r2s.scan.surface import facing, local_surface, scatter
from r2s.scan.viewpoints import Viewpoint, find_camera, find_viewpoint
from r2s.scan.voxels import Accumulator, Seen

# The coarse look uses voxels of this part of the diagonal.
CELLS_PER_DIAGONAL = 160
_NEIGHBORS = 14
_SCATTER_ROWS = 50_000


@dataclass(frozen=True)
class Look:
    """Facts of a capture; lengths in metres, source frame.

    Attributes:
        box: plausible box in file units.
        unit: unit and evidence; scale: metres per file unit (a known distance makes it any number).
        camera, viewpoint: see `viewpoints`.
        points: (n, 3) one per coarse voxel; voxel_m: its edge; area_m2: of the surface seen, about.
        low_m, high_m: (3,) bounds without the outermost 0.1 %.
        planes: largest first, normals towards the sensor where it is known.
        noise_sigma_m: range noise, see `noise`.
        finite: finite raw points, about.
    """

    box: Box
    unit: units.UnitChoice
    scale: float
    camera: Camera | None
    viewpoint: Viewpoint
    points: np.ndarray
    voxel_m: float
    low_m: np.ndarray
    high_m: np.ndarray
    planes: list[Plane]
    noise_sigma_m: float
    finite: int

    @property
    def diagonal_m(self) -> float:
        return float(np.linalg.norm(self.high_m - self.low_m))

    @property
    def area_m2(self) -> float:
        return len(self.points) * self.voxel_m**2

    @property
    def sensor_m(self) -> np.ndarray | None:
        """Sensor position (3,), or None where it is unknown."""
        position = self.viewpoint.position
        return None if position is None else position * self.scale


def take_a_look(
    capture: Capture, *, unit: units.Unit | None, seed: int, where: str,
    known: known_scale.Known | None = None,
) -> Look:  # fmt: skip
    """Return the coarse facts of a capture.

    Raises:
        R2SError: nothing usable in it, or its unit cannot be told.
    """
    box, sample = plausible_box(capture, where)
    low, high = np.quantile(sample, [0.001, 0.999], axis=0)
    camera = find_camera(capture, sample)
    viewpoint = find_viewpoint(capture, sample, camera)
    eye = np.zeros(3) if viewpoint.position is None else viewpoint.position
    if known is not None:
        scale, choice = known_scale.from_known_distance(known, sample, where)
    else:
        choice = units.choose_unit(
            given=unit, declared=capture.declared_unit, declared_by=capture.declared_by,
            extent=float(np.linalg.norm(high - low)), where=where,
            camera_range=float(np.median(np.linalg.norm(sample - eye, axis=1))) if camera else None,
            surveyed=capture.surveyed or units.on_a_map(low, high),
        )  # fmt: skip
        scale = units.METRES[choice.unit]
    units.check_extent(float(np.linalg.norm(high - low)) * scale, where=where)

    voxel = float(np.linalg.norm(high - low)) / CELLS_PER_DIAGONAL * scale
    cleaner, grid = Cleaner(box), Accumulator(voxel, box.center * scale)
    looked = 0
    for rows in capture.glance():
        looked += len(rows.points)
        rows = cleaner(rows)
        grid.add(rows.points * scale, None, None, seen(rows, capture))
    coarse = grid.finish(colors=False, normals=False)
    points = coarse.points

    raw = sample[:: max(1, len(sample) // _SCATTER_ROWS)] * scale
    surface = local_surface(points, _NEIGHBORS)
    sensor = None if viewpoint.position is None else viewpoint.position * scale
    normals = surface.normals if sensor is None else facing(points, surface.normals, sensor)
    if capture.viewpoints is not None and coarse.views is not None:
        normals = facing(points, surface.normals, capture.viewpoints[coarse.views] * scale)
    spread = scatter(raw, points, surface)
    planes = find_planes(points, normals, tolerance=max(2.5 * spread, 0.4 * voxel), seed=seed)
    if sensor is not None:
        planes = [_toward(plane, sensor) for plane in planes]
    elif capture.viewpoints is not None:
        planes = [_as_seen(plane, normals) for plane in planes]
    return Look(
        box, choice, scale, camera, viewpoint, points, voxel, low * scale, high * scale, planes,
        range_noise(sample * scale, seed), round(cleaner.finite * capture.count / max(looked, 1)),
    )  # fmt: skip


def seen(rows: Rows, capture: Capture) -> Seen | None:
    """Return which view saw the rows, and from how far [file units]."""
    if rows.views is None or capture.viewpoints is None:
        return None
    away = rows.points - capture.viewpoints[rows.views]
    return Seen(rows.views, np.linalg.norm(away, axis=1))


def _as_seen(plane: Plane, normals: np.ndarray) -> Plane:
    """Return the plane with its normal on the side from which most of it was seen."""
    if float((normals[plane.members] @ plane.normal).sum()) >= 0:
        return plane
    return replace(plane, normal=-plane.normal)


def _toward(plane: Plane, sensor: np.ndarray) -> Plane:
    if plane.normal @ sensor >= plane.offset:
        return plane
    return replace(plane, normal=-plane.normal)
