"""Surfaces, sample points and distances of shapes and colliders, whatever kind they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Mesh, Shape
from r2s.robot.meshes import convex_hull

ROUND_SEGMENTS = 24


@dataclass(frozen=True, eq=False)
class Collider:
    """A convex collider in MuJoCo's conventions, in the body frame; `mesh` for hulls only."""

    kind: Literal["sphere", "capsule", "box", "cylinder", "ellipsoid", "hull"]
    size: tuple[float, float, float]
    T_body_geom: Array
    mesh: Mesh | None = None
    friction: tuple[float, float, float] | None = None

    @cached_property
    def surface(self) -> Mesh:
        """Return its surface in the body frame; round ones as polyhedra inside."""
        if self.kind == "hull":
            assert self.mesh is not None
            return Mesh("hull", rigid.apply(self.T_body_geom, self.mesh.vertices), self.mesh.faces)
        return surface_mesh(Shape(self.kind, self.T_body_geom, self.size))

    @cached_property
    def _planes(self) -> tuple[Array, Array]:
        return half_spaces(self.surface)

    def surface_points(self, count: int) -> Array:
        """Return about `count` points spread evenly over its surface, body frame."""
        if self.kind not in ("sphere", "capsule"):
            return surface_samples(self.surface, count)
        radius, half = self.size[0], self.size[1] if self.kind == "capsule" else 0.0
        # Archimedes: slices of equal height have equal area, on the ball as on the barrel.
        step = np.arange(count) + 0.5
        height = (2 * step / count - 1) * (half + radius)
        away = np.sqrt(np.maximum(radius**2 - np.maximum(np.abs(height) - half, 0) ** 2, 0))
        turn = np.pi * (1 + 5**0.5) * step
        local = np.stack([away * np.cos(turn), away * np.sin(turn), height], axis=1)
        return rigid.apply(self.T_body_geom, local)

    def distance(self, points: Array) -> Array:
        """Return (n,) signed distances of (n, 3) body-frame points; a lower bound outside hulls."""
        local = rigid.apply(rigid.inverse(self.T_body_geom), points)
        x, y, _ = self.size
        if self.kind in ("sphere", "capsule"):
            local[:, 2] -= np.clip(local[:, 2], -y, y) if self.kind == "capsule" else 0.0
            return np.linalg.norm(local, axis=1) - x
        if self.kind in ("box", "cylinder"):
            across = np.hypot(local[:, 0], local[:, 1]) - x
            round_ = np.stack([across, np.abs(local[:, 2]) - y], axis=1)
            q = round_ if self.kind == "cylinder" else np.abs(local) - self.size
            return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)
        normal, offset = self._planes
        return (points @ normal.T + offset).max(axis=1)


def surface_mesh(shape: Shape) -> Mesh:
    """Return the convex hull of a shape in the body frame, outward-wound; round shapes as polyhedra."""
    return convex_hull(rigid.apply(shape.T_body_shape, shape_points(shape)))


def shape_points(shape: Shape) -> Array:
    """Return (n, 3) points whose convex hull is the shape, in the shape's frame."""
    if shape.kind == "mesh":
        assert shape.mesh is not None
        return shape.mesh.vertices
    x, y, z = shape.size
    if shape.kind == "box":
        return np.array([[i * x, j * y, k * z] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    if shape.kind == "cylinder":
        turn = np.linspace(0, 2 * np.pi, ROUND_SEGMENTS, endpoint=False)
        ring = np.stack([x * np.cos(turn), x * np.sin(turn), np.zeros_like(turn)], axis=1)
        return np.concatenate([ring + np.array([0, 0, y]), ring - np.array([0, 0, y])])
    ball = sphere_points(120)
    if shape.kind == "sphere":
        return x * ball
    if shape.kind == "ellipsoid":
        return ball * [x, y, z]
    return np.concatenate(
        [x * ball + np.array([0, 0, y]), x * ball - np.array([0, 0, y])]
    )  # capsule


def surface_samples(mesh: Mesh, count: int) -> Array:
    """Return about `count` points spread evenly over a mesh's surface: its vertices and more.

    Deterministic: a low-discrepancy sequence instead of random numbers.
    """
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    if area.sum() <= 0:
        return mesh.vertices
    edges = np.cumsum(area) / area.sum()
    step = np.arange(count)
    face = np.minimum(np.searchsorted(edges, (step + 0.5) / count), len(area) - 1)
    u, v = (0.5 + step * 0.7548776662466927) % 1, (0.5 + step * 0.5698402909980532) % 1
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    a, b, c = np.moveaxis(corners[face], 1, 0)
    return a + u[:, None] * (b - a) + v[:, None] * (c - a)


def sphere_points(count: int) -> Array:
    """Return (count, 3) points spread evenly on the unit sphere."""
    step = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * step / count), np.pi * (1 + 5**0.5) * step
    return np.stack(
        [np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1
    )


def half_spaces(mesh: Mesh) -> tuple[Array, Array]:
    """Return unit outward normals (m, 3) and offsets (m,): inside where n.x + offset < 0."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
    return normal, -np.einsum("ij,ij->i", normal, a)


def spread(count: int) -> Array:
    """Return (count, 3) points evenly in the unit cube: the R3 low-discrepancy sequence."""
    step = np.arange(1, count + 1)[:, None]
    return np.mod(step * np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703]), 1)
