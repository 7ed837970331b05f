"""A place as bodies with collision geometry and physics, and how well it explains its scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from r2s.artifacts.arrays import pack, pack_ragged, unpack, unpack_ragged
from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.edits import Edit, Found
from r2s.artifacts.geometry import Geom, Quat, Range, Vec3
from r2s.core.heightfield import grid_heights, grid_mesh

# Of height fields: (rows, columns) float32 by index of the hull.
HEIGHTS_FILE = "heights.safetensors"
# vertices (v, 3) float32 world, faces (f, 3) int32, colors (v, 3) uint8
Colored = tuple[np.ndarray, np.ndarray, np.ndarray]
SURFACE_FILE = "surface.safetensors"
_PARTS = {"vertices": "float32", "faces": "int32", "colors": "uint8"}
NO_SURFACE: Colored = tuple(np.empty((0, 3), dtype) for dtype in _PARTS.values())  # type: ignore[assignment]


class Body(Frozen):
    """One thing in the place.

    Attributes:
        name: unique, lower case, stable under re-runs (`floor`, `wall_0`, `table_0`, `object_3`).
        role: `floor`, `ceiling`, `wall`, `support` (things stand on it), `object`, or `clutter`
            (static shape nobody names).
        mobility: `static` or `movable`. Movable bodies become free bodies of the scene.
        geoms: its colliders, world frame.
        parent: name of the body that supports it, or "".
        fit: what explained it: `plane`, `box`, `cylinder`, `sphere`, `capsule`, `boxes`, `hulls`, `hfield`.
        volume_m3, mass_kg, friction: volume, mass and sliding friction with their ranges.
        com_m: centre of mass, world frame.
        inertia_kg_m2: (ixx, iyy, izz, ixy, ixz, iyz) about the centre of mass, world axes.
        assumed_fraction: share of the surface no ray ever saw (closed by assumption), 0..1.
        color: (r, g, b) 0..1, mean of its scan points.
        position_m, yaw_rad, size_m: the smallest upright box around it: its middle, its turn about the
            vertical, its sides; a plane has a position and no size.
        label, material: what it is and what of, where a person or a labeler says so; else "".
        found_as: names of the found bodies it was made of, where edits changed it.
    """

    name: str
    role: Literal["floor", "ceiling", "wall", "support", "object", "clutter"]
    mobility: Literal["static", "movable"]
    geoms: tuple[Geom, ...]
    parent: str = ""
    fit: str
    volume_m3: float = 0.0
    mass_kg: Range | None = None
    friction: Range
    com_m: Vec3 = (0.0, 0.0, 0.0)
    inertia_kg_m2: tuple[float, float, float, float, float, float] = (0, 0, 0, 0, 0, 0)
    assumed_fraction: float = 0.0
    color: Vec3 = (0.7, 0.7, 0.7)
    position_m: Vec3 = (0.0, 0.0, 0.0)
    yaw_rad: float = 0.0
    size_m: Vec3 = (0.0, 0.0, 0.0)
    label: str = ""
    material: str = ""
    found_as: tuple[str, ...] = ()


class Opening(Frozen):
    """A door or a window: a rectangle of a wall without returns, through which rays went on.

    Attributes:
        name: `door_0`, `window_1`, most rays first.
        kind: `door` when it reaches the floor, else `window`.
        wall: name of the wall it is in.
        center_m, quaternion: its middle on the wall, and the wall's frame (x across, y up, z the normal,
            towards the side the wall was seen from); world frame.
        size_m: (width, height).
        sill_m: height of its lower edge over the floor.
        clear_fraction: share of it through which no collider stands, 0.4 m before and behind the wall.
        evidence: what was seen, in words.
    """

    name: str
    kind: Literal["door", "window"]
    wall: str
    center_m: Vec3
    quaternion: Quat
    size_m: tuple[float, float]
    sill_m: float
    clear_fraction: float
    evidence: str


class TwinAudit(Frozen):
    """How the collision geometry compares with what the sensor saw. Definitions: docs/twin-metrics.md.

    `None` means that it could not be measured (no rays, no free space), never zero.
    """

    twin_median_m: float | None
    twin_p95_m: float | None
    unexplained_fraction: float
    phantom_fraction: float | None
    blocked_all: float | None
    blocked_2cm: float | None
    blocked_5cm: float | None
    missed_2cm: float
    rays: int
    truth: bool = False
    worst_body: str = ""
    worst_blocked_5cm: float = 0.0
    worst_missed_m: Vec3 | None = None
    worst_missed_near: str = ""
    hausdorff_scan_to_twin_m: float | None = None
    hausdorff_twin_to_scan_m: float | None = None
    geoms: int = 0
    vertices: int = 0
    predicted_steps_per_s: float | None = None


class SurfaceFit(Frozen):
    """How the surface of the place compares with the scan. Definitions: docs/twin-metrics.md.

    Attributes:
        source: `mesh`: the captured one; `points`: made from them.
    """

    source: Literal["mesh", "points"]
    vertices: int
    faces: int
    accuracy_median_m: float
    accuracy_p95_m: float
    completeness: float
    normal_consistency: float | None


class ReconstructionInfo(Frozen):
    """What is known of a place.

    Attributes:
        surface: how its surface fits the scan; None: there is none.
        edits: what a person changed, in order; `found`: the bodies before that ((): there are no edits).
    """

    bodies: tuple[Body, ...]
    audit: TwinAudit
    viewpoint_evidence: str
    openings: tuple[Opening, ...] = ()
    edits: tuple[Edit, ...] = ()
    found: tuple[Found, ...] = ()
    warnings: tuple[str, ...] = ()
    surface: SurfaceFit | None = None

    def before_edits(self) -> tuple[Found, ...]:
        """Return the bodies as they were found, before edits."""
        return self.found or tuple(
            Found(name=body.name, role=body.role, center_m=body.position_m) for body in self.bodies
        )


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Bodies, their convex hulls, and which scan point belongs to which body.

    Attributes:
        info: see `ReconstructionInfo`.
        hulls: per hull (vertices (v, 3) float32 metres in the geom's frame, faces (f, 3) int32); of a
            height field its mesh (`r2s.core.heightfield`), of which the file keeps the heights.
        labels: (n,) int32: index of the body each scan point belongs to, -1 for none.
        visuals: per body, a surface for pictures; may be empty.
        surface: all of the place as it was scanned, whatever its bodies are.
    """

    KIND: ClassVar[str] = "reconstruction"

    info: ReconstructionInfo
    hulls: tuple[tuple[np.ndarray, np.ndarray], ...]
    labels: np.ndarray
    visuals: tuple[Colored, ...]
    surface: Colored = NO_SURFACE

    def encode(self) -> Encoded:
        fields = _fields(self.info)
        nothing = (np.empty((0, 3)), np.empty((0, 3)))
        kept = [nothing if i in fields else hull for i, hull in enumerate(self.hulls)]
        hulls = {
            **pack_ragged("vertices", [v for v, _ in kept], 3, "float32"),
            **pack_ragged("faces", [f for _, f in kept], 3, "int32"),
        }
        files = {
            "hulls.safetensors": pack(hulls),
            "labels.safetensors": pack({"labels": self.labels}),
            "visuals.safetensors": _packed(self.visuals),
            SURFACE_FILE: _packed((self.surface,)),
        }
        if fields:
            heights = {str(i): grid_heights(self.hulls[i][0]) for i in fields}
            files[HEIGHTS_FILE] = pack(heights)
        return Encoded(self.info.model_dump(mode="json"), files)

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        hulls = unpack(files["hulls.safetensors"])
        info = ReconstructionInfo.model_validate(config)
        solids = list(zip(*(unpack_ragged(p, hulls) for p in ("vertices", "faces")), strict=True))
        if fields := _fields(info):
            heights = unpack(files[HEIGHTS_FILE])
            for index, geom in fields.items():
                solids[index] = grid_mesh(heights[str(index)], *geom.size[:2])
        return cls(
            info=info,
            hulls=tuple(solids),  # type: ignore[arg-type]
            labels=unpack(files["labels.safetensors"])["labels"],
            visuals=_unpacked(unpack(files["visuals.safetensors"])),
            # Places made before there were surfaces have none.
            surface=_unpacked(unpack(files[SURFACE_FILE]))[0]
            if SURFACE_FILE in files
            else NO_SURFACE,
        )


def _fields(info: ReconstructionInfo) -> dict[int, Geom]:
    """Return the height fields by the index of their mesh in the hulls."""
    return {
        geom.hull: geom for body in info.bodies for geom in body.geoms if geom.shape == "hfield"
    }


def _packed(meshes: Sequence[Colored]) -> bytes:
    arrays = {}
    for index, (name, dtype) in enumerate(_PARTS.items()):
        arrays |= pack_ragged(name, [mesh[index] for mesh in meshes], 3, dtype)
    return pack(arrays)


def _unpacked(arrays: Mapping[str, np.ndarray]) -> tuple[Colored, ...]:
    return tuple(zip(*(unpack_ragged(part, arrays) for part in _PARTS), strict=True))  # type: ignore[arg-type]
