"""A cleaned capture: points in the world frame (metres, z up), with the evidence for units and axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np

from r2s.artifacts.arrays import pack, unpack
from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.pictures import NO_TEXTURE, TEXTURE_FILE, Texture, image_of, png_of

Matrix4 = tuple[tuple[float, ...], ...]


class ScanInfo(Frozen):
    """What is known about a capture beside its points.

    Attributes:
        source_format: reader that read it (`pcd`, `ply`, `glb`, ...).
        raw_points: finite points in the file before cleaning and voxelisation.
        dropped: raw points removed, by reason (`non_finite`, `origin`, `outlier`, `duplicate`).
        unit: unit the file was in; the points here are metres whatever it says.
        unit_evidence: one sentence: why.
        up_axis: direction of up in the source frame, for example `+z` or `(-0.01, -0.82, -0.57)`.
        up_evidence, up_confidence: one sentence, and 0..1.
        floor_tilt_deg: how much the plane at z = 0 leans, where there is one.
        walls_yaw_deg, walls_yaw_confidence: turn about z from the world's axes to those of the walls, in
            [-45, 45), None without walls; and 0..1, how much of them stands at right angles.
        noise_sigma_m: range noise: median over small flat patches of the raw points [m].
        voxel_m: edge of the voxels the points were averaged in [m].
        T_world_source: maps source coordinates (already in metres, unshifted) to the world frame.
        viewpoints_source: `file`, `estimated` (and how, in `viewpoint_evidence`) or `unknown`.
        organized: (height, width) of an organised cloud, else None.
        notes: what was found and done while reading, in sentences.
        warnings: what the user should look at, in sentences.
    """

    source_format: str
    raw_points: int
    dropped: dict[str, int]
    unit: Literal["m", "mm", "cm", "ft", "us-ft", "in"]
    unit_evidence: str
    up_axis: str
    up_evidence: str
    up_confidence: float
    noise_sigma_m: float
    voxel_m: float
    bounds_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    T_world_source: Matrix4
    viewpoints_source: Literal["file", "estimated", "unknown"]
    viewpoint_evidence: str
    organized: tuple[int, int] | None = None
    floor_tilt_deg: float | None = None
    walls_yaw_deg: float | None = None
    walls_yaw_confidence: float = 0.0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Scan:
    """Points of a capture, one per occupied voxel, sorted by voxel so that equal scans are equal bytes.

    Attributes:
        info: see `ScanInfo`.
        points: (n, 3) float32, metres, world frame: mean of the raw points in each voxel.
        normals: (n, 3) float32, unit, world frame, towards the viewpoint where one is known.
        colors: (n, 3) uint8 sRGB, or (0, 3) where the capture has none.
        counts: (n,) uint32: raw points in each voxel.
        viewpoints: (m, 3) float32, metres, world frame: sensor positions (m may be 0).
        viewpoint_of: (n,) int32 index into `viewpoints`, -1 where unknown.
        mesh_vertices, mesh_faces: (v, 3) float32 and (f, 3) int32, world frame, metres: the surface of
            a mesh capture, else empty.
        texture: the colours of that surface; empty where it has none.
    """

    KIND: ClassVar[str] = "scan"

    info: ScanInfo
    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    counts: np.ndarray
    viewpoints: np.ndarray
    viewpoint_of: np.ndarray
    mesh_vertices: np.ndarray
    mesh_faces: np.ndarray
    texture: Texture = NO_TEXTURE

    def encode(self) -> Encoded:
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: of for name, of in named.items() if name not in ("info", "texture")}
        files = {}
        if self.texture.image.size:
            arrays["mesh_uv"] = self.texture.uv
            files[TEXTURE_FILE] = png_of(self.texture.image)
        files["points.safetensors"] = pack(arrays)
        return Encoded(self.info.model_dump(mode="json"), files)

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        arrays = unpack(files["points.safetensors"])
        texture = NO_TEXTURE
        if TEXTURE_FILE in files:
            texture = Texture(arrays.pop("mesh_uv"), image_of(files[TEXTURE_FILE]))
        return cls(info=ScanInfo.model_validate(config), texture=texture, **arrays)
