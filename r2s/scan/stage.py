"""The scan stage: a stranger's capture in, a `Scan` in metres with z up out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.pictures import NO_TEXTURE
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.core.context import StageContext
from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import apply
from r2s.guard.preflight import shown
from r2s.scan import gravity, units
from r2s.scan.capture import BLACK, Capture, Doubt
from r2s.scan.clean import LEAST_POINTS, Cleaner
from r2s.scan.frame import Ground, Walls, find_ground, find_walls, world_from_source
from r2s.scan.interior import find_eyes
from r2s.scan.look import Look, seen, take_a_look
from r2s.scan.readers import companions, read_all
from r2s.scan.readers.asked import Asked
from r2s.scan.scale import Known
from r2s.scan.scale import check as check_known_distance
from r2s.scan.surface import facing, local_surface, oriented, stray
from r2s.scan.voxels import Accumulator, Seen, Voxels, choose_voxel

STAGE_VERSION = 5
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "bitwise"
TOOLS = (
    "numpy", "scipy", "trimesh", "open3d-cpu", "open3d", "lazrs", "laspy", "lzfse", "pye57", "pillow",
    "rosbags", "ouster-sdk", "usd-core",
)  # fmt: skip

NEIGHBORS = 20
# Below this confidence the user is told to look at which way is up.
SURE = 0.5


class Config(Frozen):
    """What a user may say about a capture; what is left out is found from the data."""

    unit: units.Unit | tuple[units.Unit, ...] | None = Field(
        None,
        description="unit of the files (m mm cm ft us-ft in), or of each of several clouds: mm,m,m; "
        "default: from evidence",
    )
    known_distance: Known | None = Field(
        None,
        description="x1,y1,z1,x2,y2,z2,metres: two points of the file and the metres between them",
    )
    up: str | None = Field(
        None, description="up in the file: +x -x +y -y +z -z or x,y,z; default: from evidence"
    )
    yaw: float = Field(
        0.0,
        ge=-360,
        le=360,
        description="turn the world about z, degrees; minus `walls_yaw_deg` lays x along the walls",
    )
    voxel_m: float | None = Field(
        None, gt=0, le=1, description="voxel edge in metres; default: from density and extent"
    )
    crop: tuple[float, float, float, float, float, float] | None = Field(
        None, description="keep this world box only: xmin ymin zmin xmax ymax zmax, metres"
    )
    outlier_strength: float = Field(
        4.0, ge=0, description="stray points beyond this many robust deviations go; 0 keeps all"
    )

    intrinsics: tuple[float, float, float, float] | None = Field(
        None, description="fx,fy,cx,cy of the depth pictures in pixels; default: from the folder"
    )
    depth_per_m: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="stored depth of one metre; default: the layout's (1000 for mm)",
    )
    depth_max_m: float | None = Field(
        None, gt=0, le=100, description="drop depth beyond this, metres; default: 4, phones 5"
    )

    topic: str | None = Field(
        None, description="point cloud topic of a ROS recording; default: the only one"
    )
    frame: str | None = Field(
        None,
        description="frame of a ROS recording to put clouds together in; default: map, world, odom",
    )
    message: int | None = Field(
        None, ge=0, description="read this one cloud of the topic only, counted from 0"
    )

    registered: bool = Field(
        False, description="several clouds are in one frame already: do not move them"
    )

    @property
    def asked(self) -> Asked:
        """What of this the readers need."""
        return Asked(
            self.intrinsics, self.depth_per_m, self.depth_max_m, self.topic, self.frame, self.message,
            self.registered, self.unit,
        )  # fmt: skip

    @property
    def first_unit(self) -> units.Unit | None:
        """The user's word on the unit that the capture is read in: the first cloud's."""
        return self.unit[0] if isinstance(self.unit, tuple) else self.unit

    @field_validator("unit")
    @classmethod
    def _some_unit(cls, unit: units.Unit | tuple[units.Unit, ...] | None) -> object:
        if unit == ():
            raise ValueError("name a unit, or one for each cloud")
        return unit

    @field_validator("crop")
    @classmethod
    def _a_box(cls, crop: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if crop is not None and not all(a < b for a, b in zip(crop[:3], crop[3:], strict=True)):
            raise ValueError("crop is xmin ymin zmin xmax ymax zmax, each min below its max")
        return crop


def source_files(role: str, path: Path, config: Config) -> list[Path]:
    """Return every file the capture consists of.

    An OBJ has materials and textures beside it; a folder has the files its manifests name, and a folder
    that is no capture is refused here, before all it holds is hashed.
    """
    return companions(path) if path.is_dir() else [path, *companions(path)]


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Scan:
    """Read, clean, scale, level and voxelise the capture, one source or several clouds.

    Sources: `capture`, and further overlapping clouds in the order of their roles.
    """
    paths = [context.sources[role] for role in sorted(context.sources)]
    try:
        return _run(paths, config, context)
    except R2SError as error:
        if len(paths) > 1:  # a command to paste names them all
            every = " ".join(f"'{shown(path)}'" for path in paths)
            error.remedy = error.remedy.replace(
                f"r2s scan '{shown(paths[0])}' -", f"r2s scan {every} -"
            )
        raise


def _run(paths: Sequence[Path], config: Config, context: StageContext) -> Scan:
    started = time.perf_counter()
    where = shown(paths[0])
    if config.up is not None:
        gravity.parse_up(config.up)  # a wrong word is told before the work
    if config.known_distance is not None:
        check_known_distance(config.known_distance, config.first_unit)
    context.progress("reading", 0)

    def told(done: float, total: float) -> None:
        context.progress("reading", done, total)
        context.stop_if_cancelled()

    capture = read_all(paths, config.asked, told)
    context.stop_if_cancelled()
    context.progress("looking", 0)
    look = take_a_look(
        capture, unit=config.first_unit, known=config.known_distance, seed=context.seed, where=where
    )
    placed = _place(capture, look, config, where)
    context.stop_if_cancelled()
    voxel_m = config.voxel_m or choose_voxel(
        area=look.area_m2, diagonal=look.diagonal_m, points=look.finite
    )
    _check_span(voxel_m, look, where)
    cleaner = Cleaner(look.box)
    voxels = _voxelize(
        capture, cleaner, voxel_m, placed.T_world_source, look.scale, config, context
    )
    if len(voxels.points) < LEAST_POINTS:
        raise _nothing_left(len(voxels.points), voxel_m, config, where)
    context.progress("normals", 0)
    scan = _surfaced(capture, look, placed, voxels, voxel_m, cleaner, config)
    context.facts["seconds"] = time.perf_counter() - started
    return scan


class _Placed(NamedTuple):
    """Where the capture is in the world."""

    up: gravity.Up
    ground: Ground
    T_world_source: np.ndarray
    walls: Walls | None


def _place(capture: Capture, look: Look, config: Config, where: str) -> _Placed:
    up = gravity.find_up(
        look.planes, given=config.up, declared=capture.declared_up, declared_by=capture.declared_by,
        camera=look.camera, extent=look.high_m - look.low_m, is_mesh=capture.mesh is not None,
        sensor_known=look.sensor_m is not None, may_be_y_up=capture.may_be_y_up,
        plumb=capture.plumb, measured=capture.up_is_measured, where=where,
    )  # fmt: skip
    ground = find_ground(look.planes, up.direction, look.points, look.area_m2, look.sensor_m)
    # One camera's view gets its line of sight as x; cameras with poses keep the axes of their frame.
    alone = look.camera if capture.axes is None else None
    T_world_source = world_from_source(
        up.direction, ground.height_m, camera=alone, sensor_m=look.sensor_m,
        low_m=look.low_m, high_m=look.high_m, yaw_deg=config.yaw,
    )  # fmt: skip
    return _Placed(up, ground, T_world_source, find_walls(look.planes, T_world_source))


def _voxelize(
    capture: Capture, cleaner: Cleaner, voxel_m: float, T: np.ndarray, scale: float, config: Config,
    context: StageContext,
) -> Voxels:  # fmt: skip
    """Stream the capture through the cleaner into voxels of the world frame."""
    grid = Accumulator(voxel_m, apply(T, cleaner.box.center[None] * scale)[0])
    done = 0
    for rows in capture.blocks():
        done += len(rows.points)
        rows = cleaner(rows)
        points = apply(T, rows.points * scale)
        looked = seen(rows, capture)
        inside = np.ones(len(points), dtype=bool)
        if config.crop is not None:
            inside = np.all((points >= config.crop[:3]) & (points <= config.crop[3:]), axis=1)
        grid.add(
            points[inside],
            None if rows.colors is None else rows.colors[inside],
            None if rows.normals is None else (rows.normals @ T[:3, :3].T)[inside],
            None if looked is None else Seen(looked.views[inside], looked.ranges[inside]),
        )
        context.progress("voxels", done, capture.count, occupied=grid.occupied)
        context.stop_if_cancelled()
    return grid.finish(colors=capture.has_colors, normals=capture.has_normals)


def _surfaced(
    capture: Capture, look: Look, placed: _Placed, voxels: Voxels, voxel_m: float, cleaner: Cleaner,
    config: Config,
) -> Scan:  # fmt: skip
    """Drop stray voxels, give the others normals and viewpoints, and say what is known."""
    T = placed.T_world_source
    sensor = None if look.sensor_m is None else apply(T, look.sensor_m[None])[0]
    surface = local_surface(voxels.points, NEIGHBORS)
    kept = np.ones(len(voxels.points), dtype=bool)
    if config.outlier_strength > 0 and capture.mesh is None:
        kept = ~stray(voxels.points, surface.spacing, sensor, config.outlier_strength)
    points = voxels.points[kept]
    given = None if voxels.normals is None else voxels.normals[kept]
    normals = oriented(points, surface.normals[kept], given)
    vertices, faces = np.empty((0, 3)), np.empty((0, 3), np.int32)
    viewpoints, viewpoint_of = np.empty((0, 3)), np.full(len(points), -1, np.int32)
    source, evidence = look.viewpoint.source, look.viewpoint.evidence
    if sensor is not None:
        viewpoints, viewpoint_of = sensor[None], np.zeros(len(points), np.int32)
        normals = facing(points, normals, sensor)
    if capture.viewpoints is not None and voxels.views is not None:
        viewpoint_of = voxels.views[kept].astype(np.int32)
        viewpoints = apply(T, capture.viewpoints * look.scale)
        normals = facing(points, normals, viewpoints[viewpoint_of])
    if capture.mesh is not None:
        vertices = apply(T, capture.mesh.vertices * look.scale)
        faces = capture.mesh.faces.astype(np.int32)
        viewpoints, viewpoint_of, evidence = find_eyes(vertices, faces, points)
        source = "estimated" if len(viewpoints) else "unknown"
        known = viewpoint_of >= 0
        normals[known] = facing(points[known], normals[known], viewpoints[viewpoint_of[known]])
    dropped = dict(cleaner.dropped)
    dropped["outlier"] += int(voxels.counts[~kept].sum())
    colors = np.empty((0, 3), np.uint8) if voxels.colors is None else voxels.colors[kept]
    black = len(colors) > 0 and not colors.any()
    dress = None if capture.mesh is None else capture.mesh.texture
    points = points.astype(np.float32)
    info = ScanInfo(
        source_format=capture.format,
        raw_points=cleaner.finite,
        dropped={reason: count for reason, count in dropped.items() if count},
        unit=look.unit.unit,
        unit_evidence=look.unit.evidence,
        up_axis=placed.up.name,
        up_evidence=f"{placed.up.evidence}; {placed.ground.evidence}",
        up_confidence=round(placed.up.confidence, 3),
        floor_tilt_deg=None if placed.ground.tilt_deg is None else round(placed.ground.tilt_deg, 3),
        walls_yaw_deg=round(placed.walls.yaw_deg, 2) if placed.walls else None,
        walls_yaw_confidence=round(placed.walls.confidence, 3) if placed.walls else 0.0,
        noise_sigma_m=float(f"{look.noise_sigma_m:.3g}"),
        voxel_m=voxel_m,
        bounds_m=(_triple(points.min(axis=0)), _triple(points.max(axis=0))),
        T_world_source=tuple(tuple(float(v) for v in row) for row in T),
        viewpoints_source=source,
        viewpoint_evidence=evidence,
        organized=capture.organized,
        notes=tuple(fact for fact in capture.facts if not isinstance(fact, Doubt)),
        warnings=(*_warnings(capture, look, placed, dropped, cleaner.finite), *[BLACK] * black),
    )
    return Scan(
        info=info,
        points=points,
        normals=normals.astype(np.float32),
        colors=colors[:0] if black else colors,
        counts=voxels.counts[kept].astype(np.uint32),
        viewpoints=np.asarray(viewpoints, dtype=np.float32),
        viewpoint_of=viewpoint_of,
        mesh_vertices=vertices.astype(np.float32),
        mesh_faces=faces,
        texture=dress if dress is not None and not black else NO_TEXTURE,
    )


def _warnings(
    capture: Capture, look: Look, placed: _Placed, dropped: Mapping[str, int], finite: int
) -> tuple[str, ...]:
    found: list[str] = [fact for fact in capture.facts if isinstance(fact, Doubt)]
    if placed.up.confidence < SURE:
        found.append(
            f"up is {placed.up.name} with little evidence: look at it, and say --up if it is wrong"
        )
    if dropped["outlier"] > 0.05 * finite:
        found.append(
            f"{100 * dropped['outlier'] / finite:.0f} % of the points were dropped as outliers; "
            "--outlier-strength 0 keeps the stray ones"
        )
    if look.noise_sigma_m == 0 and capture.mesh is None:
        found.append(
            "the range noise is not known: no flat patch is narrow enough to measure it; 1 cm is taken"
        )
    return tuple(found)


def _check_span(voxel_m: float, look: Look, where: str) -> None:
    from r2s.scan.voxels import MAX_SPAN

    least = float((look.box.high - look.box.low).max()) * look.scale / MAX_SPAN
    if voxel_m < least:
        raise UsageError(
            "R2S-SCAN-014", f"voxels of {voxel_m:g} m are too small for this capture", where=where,
            why=f"an axis has room for {MAX_SPAN:,} voxels, so the least here is {least:.2g} m",
            remedy=f"r2s scan '{where}' --voxel-m {max(least * 2, 1e-6):.2g}",
        )  # fmt: skip


def _nothing_left(count: int, voxel_m: float, config: Config, where: str) -> R2SError:
    crop = f" inside the crop {config.crop}" if config.crop else ""
    return R2SError(
        "R2S-SCAN-012", f"only {count} voxels are left", where=where,
        why=f"voxels have an edge of {voxel_m:g} m{crop}, and no surface is found in so few",
        remedy=f"r2s scan '{where}'" + ("" if config.crop else f" --voxel-m {voxel_m / 10:.3g}"),
    )  # fmt: skip


def _triple(v: np.ndarray) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
