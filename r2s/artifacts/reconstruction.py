"""A place as bodies with collision geometry and physics, and how well it explains its scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from r2s.artifacts.arrays import pack, pack_ragged, unpack, unpack_ragged
from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.edits import Edit, Found
from r2s.artifacts.geometry import Geom, Quat, Range, Vec3
from r2s.artifacts.pictures import NO_TEXTURE, TEXTURE_FILE, image_of, png_of
from r2s.core.heightfield import grid_heights, grid_mesh

# Of height fields: (rows, columns) float32 by index of the hull.
HEIGHTS_FILE = "heights.safetensors"
SURFACE_FILE = "surface.safetensors"
_PARTS = {"vertices": ("float32", 3), "faces": ("int32", 3), "uv": ("float32", 6)}


class Skin(NamedTuple):
    """A mesh with colours from the place's texture.

    Attributes:
        vertices, faces: (v, 3) float32 world, (f, 3) int32.
        uv: (f, 3, 2) float32 where its corners are in the texture, as in `Texture`; zero where there is none.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray


NO_SKIN = Skin(
    np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), np.empty((0, 3, 2), np.float32)
)


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
        surface: all of the place as it was scanned, whatever its bodies are.
        surface_bodies: (f,) int32: the body each face of it belongs to, -1 for none.
        visuals: per body a surface of its own, or none: of a movable one closed, with the sides that
            nobody saw; of open ground what of it was seen.
        texture: (h, w, 3) uint8 sRGB of all of them; (0, 0, 3) where the capture has no colours.
    """

    KIND: ClassVar[str] = "reconstruction"

    info: ReconstructionInfo
    hulls: tuple[tuple[np.ndarray, np.ndarray], ...]
    labels: np.ndarray
    visuals: tuple[Skin, ...]
    surface: Skin = NO_SKIN
    surface_bodies: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    texture: np.ndarray = field(default_factory=lambda: NO_TEXTURE.image)

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
            "labels.safetensors": pack(
                {"labels": self.labels, "surface_bodies": self.surface_bodies}
            ),
            "visuals.safetensors": _packed(self.visuals),
            SURFACE_FILE: _packed((self.surface,)),
        }
        if self.texture.size:
            files[TEXTURE_FILE] = png_of(self.texture)
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
        # Places made before there were surfaces have none, those made before textures have them bare.
        surface = _unpacked(files[SURFACE_FILE])[0] if SURFACE_FILE in files else NO_SKIN
        labels = unpack(files["labels.safetensors"])
        nobody = np.full(len(surface.faces), -1, np.int32)
        return cls(
            info=info,
            hulls=tuple(solids),  # type: ignore[arg-type]
            labels=labels["labels"],
            visuals=_unpacked(files["visuals.safetensors"]),
            surface=surface,
            surface_bodies=labels.get("surface_bodies", nobody),
            texture=image_of(files[TEXTURE_FILE]) if TEXTURE_FILE in files else NO_TEXTURE.image,
        )

    def skin(self, body: int) -> Skin:
        """Return a body's own surface, else its part of the place's."""
        if body < len(self.visuals) and len(self.visuals[body].faces):
            return self.visuals[body]
        mine = self.surface_bodies == body
        used, index = np.unique(self.surface.faces[mine], return_inverse=True)
        faces = index.reshape(-1, 3).astype(np.int32)
        return Skin(self.surface.vertices[used], faces, self.surface.uv[mine])


def _fields(info: ReconstructionInfo) -> dict[int, Geom]:
    """Return the height fields by the index of their mesh in the hulls."""
    return {
        geom.hull: geom for body in info.bodies for geom in body.geoms if geom.shape == "hfield"
    }


def _packed(skins: Sequence[Skin]) -> bytes:
    arrays = {}
    for name, (dtype, width) in _PARTS.items():
        arrays |= pack_ragged(name, [getattr(skin, name) for skin in skins], width, dtype)
    return pack(arrays)


def _unpacked(data: bytes) -> tuple[Skin, ...]:
    arrays = unpack(data)
    vertices, faces = (unpack_ragged(name, arrays) for name in ("vertices", "faces"))
    if "uv" in arrays:
        uv = [each.reshape(-1, 3, 2) for each in unpack_ragged("uv", arrays)]
    else:
        uv = [np.zeros((len(each), 3, 2), np.float32) for each in faces]
    return tuple(map(Skin, vertices, faces, uv))
