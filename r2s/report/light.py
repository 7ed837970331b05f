"""From rays to colours, on the CPU: sun with shadows, sky, and occlusion in corners.

Open3D's Embree caster answers the rays; the rest is numpy. Things that stay are built once, so a
frame of a moving robot costs only its own triangles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from r2s.core.atlas import sampled
from r2s.core.native import open3d
from r2s.core.rigid import Array
from r2s.report.camera import Camera
from r2s.report.shapes import Surface

SUN = np.array([0.35, -0.45, 0.82])
SUN_STRENGTH, SKY_STRENGTH, CAMERA_STRENGTH = 0.95, 0.55, 0.22
OCCLUSION_RAYS, OCCLUSION_M = 6, 0.25
SHADOW_M = 1.5  # ceilings farther than this let the sun through
# Background, linear light: horizon to top.
LOW_SKY, HIGH_SKY = np.array([0.93, 0.94, 0.96]), np.array([0.74, 0.80, 0.88])
GRID_COLOR, GRID_M = 0.92, 0.5
LIFT_M = 1e-3  # rays from a surface start this far above it
BACKS = 6  # surfaces that a ray may meet from behind
FILLED_M = 0.06  # a filler shows where it is this much nearer than the rest


@dataclass(frozen=True, eq=False)
class Item:
    """A surface somewhere. `rotation` (3, 3) and `position` (3,) place it in the world.

    Attributes:
        color: linear reflectance 0..1.
        texture: (h, w, 3) uint8 sRGB in place of the colour, at `uv` (v, 2) one per corner of the surface,
            as in `r2s.core.atlas`.
        grid: draw a faint metric grid on it (floors).
    """

    surface: Surface
    rotation: Array
    position: Array
    color: Array
    grid: bool = False
    label: int = 0
    texture: np.ndarray | None = None
    uv: np.ndarray | None = None


@dataclass(eq=False)
class Layer:
    """Items in one ray caster.

    Attributes:
        one_sided: rays from behind pass: the back of a scanned wall was seen by nobody.
    """

    items: list[Item]
    one_sided: bool = False
    caster: Any = field(init=False)
    first: np.ndarray = field(init=False)
    normals: np.ndarray = field(init=False)
    uv: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        o3d = open3d()
        self.caster = o3d.t.geometry.RaycastingScene(nthreads=0)
        normals, counts = [np.zeros((0, 3), np.float32)], [0]
        uv = [np.zeros((0, 2), np.float32)]
        for item in self.items:
            vertices = (item.surface.vertices @ item.rotation.T + item.position).astype(np.float32)
            faces = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
            self.caster.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(faces))
            normals.append((item.surface.normals @ item.rotation.T).astype(np.float32))
            uv.append(np.zeros((len(vertices), 2), np.float32) if item.uv is None else item.uv)
            counts.append(len(faces))
        self.normals = np.concatenate(normals)
        self.first = np.cumsum(counts)
        self.uv = np.concatenate(uv)

    def cast(self, rays: np.ndarray) -> Hits:
        """Return what (n, 6) rays hit."""
        hits = self._cast(rays)
        for _ in range(BACKS if self.one_sided else 0):
            behind = np.einsum("ij,ij->i", hits.normal, rays[:, 3:]) > 0
            passing = np.flatnonzero(np.isfinite(hits.distance) & behind)
            if not len(passing):
                break
            gone = hits.distance[passing] + LIFT_M
            onward = rays[passing].copy()
            onward[:, :3] += gone[:, None] * onward[:, 3:]
            hits.replace(passing, self._cast(onward), gone)
        return hits

    def _cast(self, rays: np.ndarray) -> Hits:
        n = len(rays)
        if not self.items:
            nothing = np.zeros((n, 3), np.float32)
            return Hits(
                np.full(n, np.inf, np.float32), nothing, nothing, np.full(n, -1), nothing[:, 0] > 1
            )
        answer = self.caster.cast_rays(_tensor(rays))  # type: ignore[attr-defined]
        distance = answer["t_hit"].numpy()
        hit = np.isfinite(distance)
        item = np.where(hit, answer["geometry_ids"].numpy().astype(np.int64), 0)
        face = np.where(hit, answer["primitive_ids"].numpy().astype(np.int64), 0) + self.first[item]
        uv = answer["primitive_uvs"].numpy()
        u, v = uv[:, :1], uv[:, 1:]
        normal, at = (
            (1 - u - v) * of[3 * face] + u * of[3 * face + 1] + v * of[3 * face + 2]
            for of in (self.normals, self.uv)
        )
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        color = np.array([each.color for each in self.items], np.float32)[item]
        for texture, of in self._textures:
            mine = hit & of[item]
            color[mine] = to_linear(sampled(texture, at[mine]) / 255)
        grid = np.array([each.grid for each in self.items])[item] & hit
        label = np.array([each.label for each in self.items])[item]
        return Hits(distance, normal, color, np.where(hit, label, -1), grid)

    @property
    def _textures(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return each texture, and which items (i,) have it."""
        kinds = {id(item.texture): item.texture for item in self.items if item.texture is not None}
        return [
            (texture, np.array([item.texture is texture for item in self.items]))
            for texture in kinds.values()
        ]

    def blocked(self, rays: np.ndarray, far_m: float) -> np.ndarray:
        """Return (n,) bool: something is within `far_m` along the rays."""
        if not self.items or not len(rays):
            return np.zeros(len(rays), bool)
        return self.caster.test_occlusions(_tensor(rays), 0.0, far_m).numpy()  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Hits:
    """Per ray: distance [m] (inf: nothing), normal and colour (n, 3), label, on a gridded surface."""

    distance: np.ndarray
    normal: np.ndarray
    color: np.ndarray
    label: np.ndarray
    grid: np.ndarray

    def replace(self, at: np.ndarray, others: Hits, gone: np.ndarray) -> None:
        """Put in what rays `at` (k,) hit that had `gone` (k,) [m] already."""
        self.distance[at] = others.distance + gone
        for name in ("normal", "color", "label", "grid"):
            getattr(self, name)[at] = getattr(others, name)

    def nearer(self, other: Hits, lead_m: float = 0.0) -> Hits:
        """Return the nearer hits; these also where they are up to `lead_m` behind."""
        take = self.distance <= other.distance + lead_m
        pick = take[:, None]
        return Hits(
            np.where(take, self.distance, other.distance),
            np.where(pick, self.normal, other.normal),
            np.where(pick, self.color, other.color),
            np.where(take, self.label, other.label),
            np.where(take, self.grid, other.grid),
        )


def draw(
    layers: list[Layer],
    camera: Camera,
    size: tuple[int, int],
    *,
    fine: bool = True,
    marks: Layer | None = None,
    filler: Layer | None = None,
) -> np.ndarray:
    """Return (h, w, 3) uint8 sRGB.

    Args:
        size: width, height in pixels.
        filler: items that are seen only where nothing is about as near; they throw no shadow.
        fine: four rays per pixel and occlusion in corners; else one ray and hard shadows only.
        marks: items that are seen but throw no shadow.
    """
    width, height = size
    offsets = [(0.25, 0.4), (0.6, 0.15), (0.4, 0.85), (0.75, 0.6)] if fine else [(0.5, 0.5)]
    image = np.zeros((height * width, 3))
    for number, offset in enumerate(offsets):
        rays = camera.rays(width, height, offset).reshape(-1, 6)
        image += shade(layers, rays, occlusion=fine, seed=number, marks=marks, filler=filler)
    return to_srgb(image / len(offsets)).reshape(height, width, 3)


def shade(
    layers: list[Layer],
    rays: np.ndarray,
    *,
    occlusion: bool,
    seed: int,
    marks: Layer | None = None,
    filler: Layer | None = None,
) -> np.ndarray:
    """Return (n, 3) linear light along (n, 6) rays."""
    hits = cast([*layers, marks] if marks else layers, rays)
    if filler is not None:
        hits = hits.nearer(filler.cast(rays), FILLED_M)
    result = background(rays)
    seen = np.flatnonzero(np.isfinite(hits.distance))
    if not len(seen):
        return result
    direction = rays[seen, 3:]
    normal = hits.normal[seen]
    normal = np.where(np.einsum("ij,ij->i", normal, direction)[:, None] > 0, -normal, normal)
    point = rays[seen, :3] + direction * hits.distance[seen, None]
    start = point + LIFT_M * normal
    sun = (SUN / np.linalg.norm(SUN)).astype(np.float32)
    lit = np.clip(normal @ sun, 0, 1)
    facing = np.flatnonzero(lit > 0)
    to_sun = np.concatenate([start[facing], np.broadcast_to(sun, (len(facing), 3))], axis=1)
    lit[facing] *= ~_blocked(layers, to_sun, SHADOW_M)
    open_sky = 0.65 + 0.35 * normal[:, 2]
    if occlusion:
        open_sky = open_sky * (1 - _occlusion(layers, start, normal, seed))
    head = np.clip(-np.einsum("ij,ij->i", normal, direction), 0, 1)
    light = SUN_STRENGTH * lit + SKY_STRENGTH * open_sky + CAMERA_STRENGTH * head
    color = hits.color[seen] * light[:, None]
    gridded = hits.grid[seen]
    color[gridded] *= _grid(point[gridded], hits.distance[seen][gridded])[:, None]
    # What is far fades into the background, so that an endless floor has no edge.
    haze = np.clip((hits.distance[seen] - 6.0) / 8.0, 0, 1)[:, None] * gridded[:, None]
    result[seen] = (1 - haze) * color + haze * result[seen]
    return result


def cast(layers: list[Layer], rays: np.ndarray) -> Hits:
    """Return the nearest hits over all layers."""
    hits = layers[0].cast(rays)
    for layer in layers[1:]:
        hits = hits.nearer(layer.cast(rays))
    return hits


def background(rays: np.ndarray) -> np.ndarray:
    """Return (n, 3) linear light of the sky."""
    up = np.clip(0.5 + 0.9 * rays[:, 5:6], 0, 1)
    return (LOW_SKY + (HIGH_SKY - LOW_SKY) * up).astype(np.float64)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return uint8 sRGB of linear light, bright values rolled off."""
    value = np.clip(linear, 0, None)
    value = np.where(value > 0.8, 0.8 + 0.2 * np.tanh((value - 0.8) / 0.2), value)
    curve = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(curve, 0, 1)).astype(np.uint8)


def to_linear(srgb: Array | tuple[float, ...]) -> Array:
    """Return linear light of sRGB values 0..1."""
    value = np.asarray(srgb, np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _occlusion(layers: list[Layer], start: np.ndarray, normal: np.ndarray, seed: int) -> np.ndarray:
    """Return (n,) share of the hemisphere closed within `OCCLUSION_M`, cosine weighted, 0..0.85."""
    closed = np.zeros(len(start))
    for index in range(OCCLUSION_RAYS):
        # The same directions for every pixel: soft steps instead of noise.
        height = 1 - 2 * ((index + 0.5 + 0.25 * seed) / OCCLUSION_RAYS % 1)
        turn = 2.399963 * (index + OCCLUSION_RAYS * seed)
        flat = np.sqrt(max(0.0, 1 - height**2))
        ball = np.array([flat * np.cos(turn), flat * np.sin(turn), height])
        direction = normal + 0.98 * ball  # cosine weighted (Lambert's construction)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        rays = np.concatenate([start, direction], axis=1).astype(np.float32)
        closed += _blocked(layers, rays, OCCLUSION_M)
    return 0.85 * closed / OCCLUSION_RAYS


def _blocked(layers: list[Layer], rays: np.ndarray, far_m: float) -> np.ndarray:
    blocked = np.zeros(len(rays), bool)
    for layer in layers:
        blocked |= layer.blocked(rays, far_m)
    return blocked


def _grid(point: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return (n,) factors that darken lines every half metre, about a pixel wide."""
    offset = np.abs((point[:, :2] / GRID_M + 0.5) % 1 - 0.5) * GRID_M
    width = 0.0012 + 0.0012 * distance
    line = np.clip(1 - offset.min(axis=1) / width, 0, 1)
    return 1 - (1 - GRID_COLOR) * line * np.clip(2 - distance / 6, 0, 1)


def _tensor(rays: np.ndarray):
    return open3d().core.Tensor(np.ascontiguousarray(rays, np.float32))
