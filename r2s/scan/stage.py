"""The scan stage: a stranger's capture in, a `Scan` in metres with z up out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.core.rigid import apply
from r2s.guard.preflight import shown
from r2s.scan import gravity, units
from r2s.scan.capture import Capture
from r2s.scan.clean import Cleaner, plausible_box
from r2s.scan.frame import find_ground, world_from_source
from r2s.scan.planes import find_planes
from r2s.scan.readers import read
from r2s.scan.surface import facing, local_surface, noise_sigma, stray
from r2s.scan.viewpoints import Viewpoint, find_camera, find_viewpoint
from r2s.scan.voxels import Accumulator, Voxels, choose_voxel

STAGE_VERSION = 1
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "bitwise"
TOOLS = ("numpy", "scipy", "trimesh")

# The coarse look (gravity, units, noise) uses voxels of this part of the diagonal.
COARSE = 256
NEIGHBORS = 20


class Config(Frozen):
    """What a user may say about a capture; what is left out is found from the data."""

    unit: units.Unit | None = Field(
        None, description="unit of the file (m mm cm ft us-ft in); default: from evidence"
    )
    up: str | None = Field(
        None, description="up in the file: +x -x +y -y +z -z or x,y,z; default: from evidence"
    )
    voxel_m: float | None = Field(
        None, gt=0, le=1, description="voxel edge in metres; default: from density and extent"
    )
    crop: tuple[float, float, float, float, float, float] | None = Field(
        None, description="keep this world box only: xmin ymin zmin xmax ymax zmax, metres"
    )
    outlier_strength: float = Field(
        3.5, ge=0, description="stray points beyond this many robust deviations go; 0 keeps all"
    )


def source_files(role: str, path: Path) -> list[Path]:
    """Return every file the capture consists of."""
    return [path]


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Scan:
    """Read, clean, scale, level and voxelise the capture `context.sources["capture"]`."""
    started = time.perf_counter()
    path = context.sources["capture"]
    where = shown(path)
    context.progress("reading", 0, 1)
    capture = read(path)
    box, sample = plausible_box(capture, where)
    low, high = np.quantile(sample, [0.001, 0.999], axis=0)
    diagonal = float(np.linalg.norm(high - low))

    camera = find_camera(capture, sample)
    viewpoint = find_viewpoint(capture, sample, camera)
    unit = units.choose_unit(
        given=config.unit, declared=capture.declared_unit, declared_by=capture.declared_by,
        extent=diagonal, where=where,
        camera_range=float(np.median(np.linalg.norm(sample, axis=1))) if camera else None,
    )  # fmt: skip
    scale = units.METRES[unit.unit]

    context.stop_if_cancelled()
    cleaner = Cleaner(box)
    coarse = _voxelize(capture, cleaner, diagonal / COARSE, np.eye(4), scale=1.0, context=context, label="looking", plain=True)  # fmt: skip
    surface = local_surface(coarse.points, 14)
    sigma = noise_sigma(sample[:: max(1, len(sample) // 50_000)], coarse.points, surface)
    tolerance = max(2.5 * sigma, 0.4 * diagonal / COARSE)
    normals = surface.normals if viewpoint.position is None else facing(coarse.points, surface.normals, viewpoint.position)  # fmt: skip
    planes = find_planes(coarse.points, normals, tolerance=tolerance, seed=context.seed)
    planes = [_toward(p, coarse.points, viewpoint) for p in planes]
    up = gravity.find_up(
        planes, given=config.up, declared=capture.declared_up, declared_by=capture.declared_by,
        camera=camera, extent=high - low,
    )  # fmt: skip

    area_m2 = len(coarse.points) * (diagonal / COARSE * scale) ** 2
    ground = find_ground(planes, up.direction, coarse.points @ up.direction * scale, area_m2, room=True)  # fmt: skip
    sensor_m = None if viewpoint.position is None else viewpoint.position * scale
    T_world_source = world_from_source(
        up.direction, ground.height_m, camera=camera, sensor_m=sensor_m,
        low_m=low * scale, high_m=high * scale,
    )  # fmt: skip
    voxel_m = config.voxel_m or choose_voxel(
        area=area_m2, diagonal=diagonal * scale, points=cleaner.finite
    )

    context.stop_if_cancelled()
    cleaner = Cleaner(box)
    fine = _voxelize(capture, cleaner, voxel_m, T_world_source, scale=scale, context=context, label="voxels", crop=config.crop)  # fmt: skip
    if len(fine.points) < 50:
        raise R2SError(
            "R2S-SCAN-012", f"only {len(fine.points)} voxels are left", where=where,
            why=f"voxels of {voxel_m} m" + (f" inside the crop {config.crop}" if config.crop else ""),
            remedy=f"r2s scan '{where}' --voxel-m {voxel_m / 10:.3g}" + (" without --crop" if config.crop else ""),
        )  # fmt: skip
    sensor_world = None if sensor_m is None else apply(T_world_source, sensor_m[None])[0]
    context.progress("normals", 0, 1)
    surface = local_surface(fine.points, NEIGHBORS)
    kept = np.ones(len(fine.points), dtype=bool)
    if config.outlier_strength > 0:
        kept = ~stray(fine.points, surface.spacing, sensor_world, config.outlier_strength)
    dropped = dict(cleaner.dropped)
    dropped["outlier"] += int(fine.counts[~kept].sum())
    points = fine.points[kept]
    normals = surface.normals[kept]
    if sensor_world is not None:
        normals = facing(points, normals, sensor_world)
    else:
        normals = _plausible_side(points, normals, None if fine.normals is None else fine.normals[kept])  # fmt: skip

    info = ScanInfo(
        source_format=capture.format,
        raw_points=cleaner.finite,
        dropped={reason: n for reason, n in dropped.items() if n},
        unit=unit.unit,
        unit_evidence=unit.evidence,
        up_axis=up.name,
        up_evidence=f"{up.evidence}; {ground.evidence}",
        up_confidence=round(up.confidence, 3),
        noise_sigma_m=float(f"{sigma * scale:.4g}"),
        voxel_m=voxel_m,
        bounds_m=(_triple(points.min(axis=0)), _triple(points.max(axis=0))),
        T_world_source=tuple(tuple(float(v) for v in row) for row in T_world_source),
        viewpoints_source=viewpoint.source,
        viewpoint_evidence=viewpoint.evidence,
        organized=capture.organized,
        warnings=(),
    )
    context.facts["seconds"] = time.perf_counter() - started
    known = sensor_world is not None
    return Scan(
        info=info,
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        colors=np.empty((0, 3), np.uint8) if fine.colors is None else fine.colors[kept],
        counts=fine.counts[kept].astype(np.uint32),
        viewpoints=np.asarray([sensor_world] if known else np.empty((0, 3)), dtype=np.float32),
        viewpoint_of=np.full(len(points), 0 if known else -1, dtype=np.int32),
        mesh_vertices=np.empty((0, 3), np.float32),
        mesh_faces=np.empty((0, 3), np.int32),
    )


def _voxelize(
    capture: Capture, cleaner: Cleaner, voxel: float, T: np.ndarray, *, scale: float,
    context: StageContext, label: str, plain: bool = False, crop: tuple[float, ...] | None = None,
) -> Voxels:  # fmt: skip
    """Stream the capture through the cleaner into voxels of the frame T maps to."""
    grid = Accumulator(voxel, apply(T, cleaner.box.center[None] * scale)[0])
    colors, normals = capture.has_colors and not plain, capture.has_normals and not plain
    done = 0
    for rows in capture.blocks():
        done += len(rows.points)
        rows = cleaner(rows)
        points = apply(T, rows.points * scale)
        inside = slice(None)
        if crop is not None:
            inside = np.all((points >= crop[:3]) & (points <= crop[3:]), axis=1)
        grid.add(
            points[inside],
            rows.colors[inside] if colors and rows.colors is not None else None,
            (rows.normals @ T[:3, :3].T)[inside] if normals and rows.normals is not None else None,
        )
        context.progress(label, done, capture.count)
        context.stop_if_cancelled()
    return grid.finish(colors=colors, normals=normals)


def _toward(plane, points: np.ndarray, viewpoint: Viewpoint):
    """Return the plane with its normal towards the sensor, where that is known."""
    from dataclasses import replace

    if viewpoint.position is None:
        return plane
    if plane.normal @ viewpoint.position < plane.offset:
        return replace(plane, normal=-plane.normal, offset=-plane.offset)
    return plane


def _plausible_side(
    points: np.ndarray, normals: np.ndarray, given: np.ndarray | None
) -> np.ndarray:
    """Turn normals to the file's own where it has some, else to the middle of the capture."""
    if given is not None:
        away = np.einsum("ij,ij->i", normals, given) < 0
        return np.where(away[:, None], -normals, normals)
    return facing(points, normals, np.median(points, axis=0))


def _triple(v: np.ndarray) -> tuple[float, float, float]:
    return tuple(float(np.float32(x)) for x in v)  # type: ignore[return-value]
