"""A part: one body before it has a name, a mass and its place in the artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from r2s.artifacts.geometry import Geom, Range, Vec3
from r2s.artifacts.reconstruction import Body
from r2s.core.rectangle import min_rectangle
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.physical import mean_color, physical
from r2s.reconstruct.solids import Hull, sample_inside, signed_distance, triangles

Role = Literal["floor", "ceiling", "wall", "support", "object", "clutter"]
_NUMBERED = {"floor": "floor", "ceiling": "ceiling", "wall": "wall", "support": "table"}


@dataclass(frozen=True)
class Part:
    """Attributes:
    role, mobility, fit, parent: as in `Body`; `parent` is an index into the parts, or -1.
    geoms: colliders; hull geoms index into `hulls`, this part's own.
    points: indices into the cloud of the points it explains.
    name, label, material, found_as: as in `Body`.
    mass_kg, friction: what a person says of it, None where nobody did.
    """

    role: Role
    fit: str
    geoms: tuple[Geom, ...]
    points: np.ndarray
    mobility: Literal["static", "movable"] = "static"
    parent: int = -1
    hulls: tuple[Hull, ...] = ()
    assumed_fraction: float = 0.0
    notes: tuple[str, ...] = field(default=())
    name: str = ""
    label: str = ""
    material: str = ""
    mass_kg: Range | None = None
    friction: Range | None = None
    found_as: tuple[str, ...] = ()


def surface_samples(
    geoms: tuple[Geom, ...], hulls: tuple[Hull, ...], spacing_m: float
) -> np.ndarray:
    """Return (k, 3) points spread evenly over the outer surface of glued solids."""
    samples = []
    for geom in geoms:
        vertices, faces = triangles(geom, hulls)
        if geom.shape == "hfield":  # its nodes are spread evenly
            samples.append(vertices)
            continue
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        longest = np.sqrt(
            np.max([((b - a) ** 2).sum(1), ((c - a) ** 2).sum(1), ((c - b) ** 2).sum(1)])
        )
        steps = int(np.clip(np.ceil(longest / spacing_m), 1, 60))
        u, v = np.meshgrid(np.arange(steps), np.arange(steps), indexing="ij")
        # midpoints of a square grid folded onto the triangle: even in each triangle, weight its area
        u, v = (u.ravel() + 0.5) / steps, (v.ravel() + 0.5) / steps
        keep = u + v <= 1
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        use = np.flatnonzero(area > 0)
        per = max(1, int(keep.sum()))
        want = np.maximum(1, np.minimum(per, np.ceil(area[use] / spacing_m**2))).astype(int)
        uv = np.column_stack([u[keep], v[keep]])
        for face, count in zip(use, want, strict=True):
            pick = uv[np.linspace(0, per - 1, count).astype(int)]
            samples.append(
                a[face] + pick[:, :1] * (b[face] - a[face]) + pick[:, 1:] * (c[face] - a[face])
            )
    points = np.concatenate(samples) if samples else np.zeros((0, 3))
    if len(geoms) > 1:
        for geom in geoms:
            points = points[signed_distance(geom, hulls, points) > -1e-6]
    return points


def assumed_fraction(
    geoms: tuple[Geom, ...], hulls: tuple[Hull, ...], points: np.ndarray, near_m: float
) -> float:
    """Return the share of the outer surface that has no scan point within `near_m`."""
    from scipy.spatial import KDTree

    samples = surface_samples(geoms, hulls, max(near_m, 0.01))
    if not len(samples) or not len(points):
        return 1.0
    distance, _ = KDTree(points).query(samples, distance_upper_bound=near_m)
    return float(np.isinf(distance).mean())


def named(parts: list[Part]) -> list[Part]:
    """Return the parts with names that number each kind: `floor`, `wall_0`, `table_0`, `object_3`."""
    counters: dict[str, int] = {}
    floors = sum(part.role == "floor" for part in parts)
    result = []
    for part in parts:
        stem = _NUMBERED.get(part.role, part.role)
        number = counters.get(stem, 0)
        counters[stem] = number + 1
        alone = stem == "ceiling" or (stem == "floor" and floors == 1)
        result.append(replace(part, name=stem if alone and number == 0 else f"{stem}_{number}"))
    return result


def upright_box(geoms: tuple[Geom, ...], hulls: Sequence[Hull]) -> tuple[Vec3, float, Vec3]:
    """Return middle, turn about the vertical [rad] and sides of the smallest upright box around geoms.

    Planes have a position only.
    """
    bounded = [triangles(geom, hulls)[0] for geom in geoms if geom.shape != "plane"]
    if not bounded:
        return (geoms[0].position if geoms else (0.0, 0.0, 0.0)), 0.0, (0.0, 0.0, 0.0)
    vertices = np.concatenate(bounded)
    centre, yaw, half = min_rectangle(vertices[:, :2])
    low, high = float(vertices[:, 2].min()), float(vertices[:, 2].max())
    middle = (float(centre[0]), float(centre[1]), (low + high) / 2)
    return middle, float(yaw), (2 * float(half[0]), 2 * float(half[1]), high - low)


def bodies(parts: list[Part], cloud: Cloud) -> tuple[list[Body], list[Hull]]:
    """Give named parts physics, and gather their hulls into one list."""
    names = [part.name for part in parts]
    hulls: list[Hull] = []
    result = []
    for part, name in zip(parts, names, strict=True):
        shifted = tuple(
            geom.model_copy(update={"hull": geom.hull + len(hulls)}) if geom.hull >= 0 else geom
            for geom in part.geoms
        )
        facts = physical(part, cloud.tolerance_m)
        position, yaw, size = upright_box(part.geoms, part.hulls)
        colors = cloud.colors[part.points] if len(cloud.colors) else cloud.colors
        result.append(
            Body(
                name=name,
                role=part.role,
                mobility=part.mobility,
                geoms=shifted,
                parent=names[part.parent] if part.parent >= 0 else "",
                fit=part.fit,
                volume_m3=facts.volume_m3,
                mass_kg=facts.mass_kg,
                friction=facts.friction,
                com_m=facts.com_m,
                inertia_kg_m2=facts.inertia_kg_m2,
                assumed_fraction=part.assumed_fraction,
                color=mean_color(colors),
                position_m=position,
                yaw_rad=yaw,
                size_m=size,
                label=part.label,
                material=part.material,
                found_as=part.found_as,
            )
        )
        hulls.extend(part.hulls)
    return result, hulls


def all_geoms(parts: list[Part]) -> tuple[list[Geom], list[Hull], np.ndarray]:
    """Return every geom with its hull index into the returned hulls, and its part's index (g,)."""
    geoms, hulls, owner = [], [], []
    for index, part in enumerate(parts):
        for geom in part.geoms:
            moved = (
                geom.model_copy(update={"hull": geom.hull + len(hulls)}) if geom.hull >= 0 else geom
            )
            geoms.append(moved)
            owner.append(index)
        hulls.extend(part.hulls)
    return geoms, hulls, np.array(owner, int)


__all__ = [
    "Part",
    "all_geoms",
    "assumed_fraction",
    "bodies",
    "replace",
    "sample_inside",
    "surface_samples",
]
