"""Surfaces and sample points of shapes, whatever kind they are."""

from __future__ import annotations

import numpy as np

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.description import Mesh, Shape
from r2s.robot.meshes import convex_hull

ROUND_SEGMENTS = 24


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
