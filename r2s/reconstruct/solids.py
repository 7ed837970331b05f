"""Solids in closed form: signed distance, volume, inertia, triangles and inside samples.

Conventions are `r2s.artifacts.geometry.Geom`'s. Points are (n, 3) float64, metres, world frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from r2s.artifacts.geometry import Geom, Quat
from r2s.core.heightfield import signed_distance_to
from r2s.core.rigid import matrix_to_quat, quat_to_matrix

Hull = tuple[np.ndarray, np.ndarray]
PLANE_HALF_M = 50.0  # an infinite plane is drawn as a square of this half edge around the scan
_SEGMENTS = 32
GROUND = ("plane", "hfield")  # shapes without an end: they have no volume, and never move


def make_geom(
    shape: str, size: Sequence[float], position: np.ndarray, rotation: np.ndarray, hull: int = -1
) -> Geom:
    """Return a geom from arrays: `size` (up to 3,), `position` (3,), `rotation` (3, 3)."""
    padded = [float(s) for s in size] + [0.0] * (3 - len(size))
    return Geom(
        shape=shape,  # type: ignore[arg-type]
        size=tuple(padded),  # type: ignore[arg-type]
        position=tuple(float(x) for x in position),  # type: ignore[arg-type]
        quaternion=tuple(float(x) for x in matrix_to_quat(rotation)),  # type: ignore[arg-type]
        hull=hull,
    )


@lru_cache(maxsize=8192)
def _rotation(quaternion: Quat) -> np.ndarray:
    """Return a geom's (3, 3) rotation, remembered: thousands of boxes are asked for it often."""
    rotation = quat_to_matrix(quaternion)
    rotation.setflags(write=False)
    return rotation


def to_local(geom: Geom, points: np.ndarray) -> np.ndarray:
    """Return (n, 3) points of the world in the geom's frame."""
    return (points - np.asarray(geom.position)) @ _rotation(geom.quaternion)


def to_world(geom: Geom, local: np.ndarray) -> np.ndarray:
    """Return (n, 3) points of the geom's frame in the world."""
    return local @ _rotation(geom.quaternion).T + np.asarray(geom.position)


def hull_planes(hull: Hull) -> tuple[np.ndarray, np.ndarray]:
    """Return outward unit normals (f, 3) and offsets (f,) of a hull's faces."""
    vertices, faces = np.asarray(hull[0], float), np.asarray(hull[1])
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    keep = length > 1e-14
    normals, a = normals[keep] / length[keep, None], a[keep]
    flip = np.sum(normals * (a - vertices.mean(0)), axis=1) < 0
    normals[flip] *= -1
    return normals, np.sum(normals * a, axis=1)


def signed_distance(geom: Geom, hulls: Sequence[Hull], points: np.ndarray) -> np.ndarray:
    """Return (n,) distances to the surface [m], negative inside.

    Exact for primitives. For a hull it is the largest face-plane distance: exact inside and in front of
    a face, up to a factor too small in front of an edge or corner. For a height field see
    `r2s.core.heightfield`.
    """
    p, (a, b, c) = to_local(geom, points), geom.size
    if geom.shape == "plane":
        return p[:, 2]
    if geom.shape == "hfield":
        return signed_distance_to(hulls[geom.hull][0], c, p)
    if geom.shape == "sphere":
        return np.linalg.norm(p, axis=1) - a
    if geom.shape == "capsule":
        p = p - np.column_stack([np.zeros((len(p), 2)), np.clip(p[:, 2], -b, b)])
        return np.linalg.norm(p, axis=1) - a
    if geom.shape == "hull":
        normals, offsets = hull_planes(hulls[geom.hull])
        return np.max(p @ normals.T - offsets, axis=1)
    if geom.shape == "cylinder":
        q = np.column_stack([np.hypot(p[:, 0], p[:, 1]) - a, np.abs(p[:, 2]) - b])
    else:
        q = np.abs(p) - np.asarray(geom.size)
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


def nearest_distance(
    geoms: Sequence[Geom], hulls: Sequence[Hull], points: np.ndarray, reach_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return per point the signed distance (n,) and index (n,) of the geom with the smallest one.

    Points farther than `reach_m` from every geom get `reach_m` and index -1.
    """
    best, which = np.full(len(points), float(reach_m)), np.full(len(points), -1)
    for index, geom in enumerate(geoms):
        lo, hi = bounds(geom, hulls)
        near = np.flatnonzero(np.all((points >= lo - reach_m) & (points <= hi + reach_m), axis=1))
        if len(near):
            d = signed_distance(geom, hulls, points[near])
            better = d < best[near]
            best[near[better]], which[near[better]] = d[better], index
    return best, which


def bounds(geom: Geom, hulls: Sequence[Hull]) -> tuple[np.ndarray, np.ndarray]:
    """Return the axis-aligned box (lo (3,), hi (3,)) of a geom, world frame; infinite for planes."""
    position, rotation = np.asarray(geom.position), _rotation(geom.quaternion)
    if geom.shape == "plane":
        return np.full(3, -np.inf), np.full(3, np.inf)
    if geom.shape == "hull":
        world = to_world(geom, np.asarray(hulls[geom.hull][0], float))
        return world.min(0), world.max(0)
    a, b, c = geom.size
    if geom.shape == "hfield":
        top = float(hulls[geom.hull][0][:, 2].max())
        return position - np.array([a, b, c]), position + np.array([a, b, top])
    if geom.shape == "box":
        half = np.abs(rotation) @ np.asarray(geom.size)
    elif geom.shape == "sphere":
        half = np.full(3, a)
    elif geom.shape == "capsule":
        half = np.abs(rotation[:, 2]) * b + a
    else:
        half = np.abs(rotation[:, 2]) * b + a * np.sqrt(np.maximum(1 - rotation[:, 2] ** 2, 0))
    return position - half, position + half


def volume(geom: Geom, hulls: Sequence[Hull]) -> float:
    """Return the volume [m3]; 0 for the ground, a plane or a height field: it has no end."""
    a, b, c = geom.size
    if geom.shape == "box":
        return 8 * a * b * c
    if geom.shape == "sphere":
        return 4 / 3 * np.pi * a**3
    if geom.shape == "cylinder":
        return 2 * np.pi * a**2 * b
    if geom.shape == "capsule":
        return 2 * np.pi * a**2 * b + 4 / 3 * np.pi * a**3
    return 0.0 if geom.shape in GROUND else _hull_moments(hulls[geom.hull])[0]


def moments(geom: Geom, hulls: Sequence[Hull]) -> tuple[float, np.ndarray, np.ndarray]:
    """Return volume [m3], centroid (3,) and the inertia (3, 3) of unit density about it, world axes."""
    a, b, c = geom.size
    v, centre, rotation = (
        volume(geom, hulls),
        np.asarray(geom.position),
        _rotation(geom.quaternion),
    )
    if geom.shape == "hull":
        v, local, inertia = _hull_moments(hulls[geom.hull])
        centre = centre + rotation @ local
        return v, centre, rotation @ inertia @ rotation.T
    if geom.shape == "box":
        diagonal = v / 3 * np.array([b * b + c * c, a * a + c * c, a * a + b * b])
    elif geom.shape == "sphere":
        diagonal = np.full(3, 0.4 * v * a * a)
    elif geom.shape == "cylinder":
        side = v * (a * a / 4 + b * b / 3)
        diagonal = np.array([side, side, v * a * a / 2])
    elif geom.shape == "capsule":
        rod, ball = 2 * np.pi * a**2 * b, 4 / 3 * np.pi * a**3
        side = rod * (a * a / 4 + b * b / 3) + ball * (0.4 * a * a + 0.75 * a * b + b * b)
        diagonal = np.array([side, side, rod * a * a / 2 + 0.4 * ball * a * a])
    else:
        diagonal = np.zeros(3)
    return v, centre, rotation @ np.diag(diagonal) @ rotation.T


def combined_moments(
    geoms: Sequence[Geom], hulls: Sequence[Hull]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return `moments` of solids glued together (overlaps count twice)."""
    parts = [moments(geom, hulls) for geom in geoms]
    total = sum(v for v, _, _ in parts)
    if total <= 0:
        return 0.0, np.zeros(3), np.zeros((3, 3))
    centre = np.sum([v * c for v, c, _ in parts], axis=0) / total
    inertia = np.zeros((3, 3))
    for v, c, i in parts:
        d = c - centre
        inertia += i + v * (d @ d * np.eye(3) - np.outer(d, d))
    return total, centre, inertia


def _hull_moments(hull: Hull) -> tuple[float, np.ndarray, np.ndarray]:
    """Exact moments of a closed triangle mesh: signed tetrahedra about its vertex mean."""
    vertices, faces = np.asarray(hull[0], float), np.asarray(hull[1])
    origin = vertices.mean(0)
    t = vertices[faces] - origin
    det = np.abs(np.linalg.det(t))  # convex and seen from inside: every tetrahedron counts positive
    v = det.sum() / 6
    if v <= 0:
        return 0.0, origin, np.zeros((3, 3))
    s = t.sum(axis=1)
    centre = (det[:, None] * s).sum(0) / 24 / v
    second = np.einsum("f,fi,fj->ij", det, s, s) + np.einsum("f,fki,fkj->ij", det, t, t)
    second = second / 120 - v * np.outer(centre, centre)
    return v, origin + centre, np.trace(second) * np.eye(3) - second


def sample_inside(
    geom: Geom, hulls: Sequence[Hull], spacing_m: float, limit: int = 20000
) -> np.ndarray:
    """Return (k, 3) points of a regular grid inside a bounded geom; spacing grows to respect `limit`."""
    if geom.shape == "hull":
        vertices = np.asarray(hulls[geom.hull][0], float)
        lo, hi = vertices.min(0), vertices.max(0)
    else:
        a, b, _ = geom.size
        half = {
            "box": np.asarray(geom.size),
            "sphere": np.full(3, a),
            "cylinder": np.array([a, a, b]),
            "capsule": np.array([a, a, a + b]),
        }[geom.shape]
        lo, hi = -half, half
    spacing = max(spacing_m, float((np.prod(np.maximum(hi - lo, 1e-6)) / limit) ** (1 / 3)))
    counts = np.maximum(np.ceil((hi - lo) / spacing), 1).astype(int)
    axes = [lo[i] + (np.arange(counts[i]) + 0.5) * (hi[i] - lo[i]) / counts[i] for i in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    world = to_world(geom, grid)
    return world if geom.shape == "box" else world[signed_distance(geom, hulls, world) <= 0]


def triangles(geom: Geom, hulls: Sequence[Hull]) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (v, 3) float64 and faces (f, 3) int64 of the surface, world frame."""
    if geom.shape == "plane":
        h = PLANE_HALF_M
        local = np.array([[-h, -h, 0], [h, -h, 0], [h, h, 0], [-h, h, 0]], float)
        faces = np.array([[0, 1, 2], [0, 2, 3]])
    elif geom.shape in ("hull", "hfield"):
        local, faces = np.asarray(hulls[geom.hull][0], float), np.asarray(hulls[geom.hull][1])
    elif geom.shape == "box":
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        local = corners * np.asarray(geom.size)
        faces = np.array(
            [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
             [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
        )  # fmt: skip
    else:
        local, faces = _lathe(geom)
    return to_world(geom, local), faces.astype(np.int64)


def _lathe(geom: Geom) -> tuple[np.ndarray, np.ndarray]:
    """Turn a profile of (radius, z) about z: sphere, cylinder or capsule."""
    r, h, _ = geom.size
    if geom.shape == "cylinder":
        profile = [(0.0, -h), (r, -h), (r, h), (0.0, h)]
    else:
        h = h if geom.shape == "capsule" else 0.0
        angles = np.linspace(-np.pi / 2, np.pi / 2, 18)
        profile = [(r * np.cos(t), r * np.sin(t) + (h if t > 0 else -h)) for t in angles]
    turn = np.arange(_SEGMENTS) * 2 * np.pi / _SEGMENTS
    rings = [
        np.column_stack([q * np.cos(turn), q * np.sin(turn), np.full(_SEGMENTS, z)])
        for q, z in profile
    ]
    i = np.arange(_SEGMENTS)
    j = (i + 1) % _SEGMENTS
    faces = []
    for ring in range(len(profile) - 1):
        a, b = ring * _SEGMENTS, (ring + 1) * _SEGMENTS
        faces += [np.column_stack([a + i, a + j, b + j]), np.column_stack([a + i, b + j, b + i])]
    return np.concatenate(rings), np.concatenate(faces)
