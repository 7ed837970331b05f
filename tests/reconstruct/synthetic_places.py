"""Analytic places, seen by a simulated range sensor: exact truth for the laws of `r2s.reconstruct`."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.core.rigid import rpy_to_matrix
from r2s.reconstruct.solids import make_geom, signed_distance

FLAT = np.eye(3)


def box(centre, size, yaw=0.0) -> Geom:
    """A box from its centre and full size [m], turned by `yaw` [rad]."""
    return make_geom("box", np.asarray(size) / 2, np.asarray(centre), rpy_to_matrix((0, 0, yaw)))


def cylinder(base, radius, height) -> Geom:
    """An upright cylinder on `base` (3,)."""
    return make_geom("cylinder", (radius, height / 2), np.add(base, (0, 0, height / 2)), FLAT)


def sphere(base, radius) -> Geom:
    """A ball that rests on `base` (3,)."""
    return make_geom("sphere", (radius,), np.add(base, (0, 0, radius)), FLAT)


def turned(geoms, yaw: float):
    """The same geoms with the world turned about z by `yaw` [rad]."""
    R = rpy_to_matrix((0, 0, yaw))
    from r2s.core.rigid import quat_to_matrix

    return [
        make_geom(g.shape, g.size, R @ np.array(g.position), R @ quat_to_matrix(g.quaternion))
        for g in geoms
    ]


def sphere_trace(geoms, origin, directions, reach=12.0):
    """Ranges (n,) of rays through signed distances, inf for misses: independent of any ray caster."""
    t = np.zeros(len(directions))
    alive = np.ones(len(directions), bool)
    hit = np.zeros(len(directions), bool)
    for _ in range(200):
        p = origin + t[alive, None] * directions[alive]
        d = np.min([signed_distance(g, (), p) for g in geoms], axis=0)
        index = np.flatnonzero(alive)
        close = d < 2e-4
        hit[index[close]] = True
        t[index] += np.where(close, 0, d)
        alive[index[close | (t[index] > reach)]] = False
        if not alive.any():
            break
    return np.where(hit, t, np.inf)


def looks(eye, at, half_angle, n):
    """A grid of about n unit directions (n, 3) around the line from eye to at."""
    side = int(np.sqrt(n))
    u, v = np.meshgrid(*(2 * [np.linspace(-1, 1, side) * np.tan(half_angle)]))
    f = np.asarray(at, float) - eye
    f /= np.linalg.norm(f)
    right = np.cross(f, [0, 0, 1])
    right /= np.linalg.norm(right)
    d = f + u.reshape(-1, 1) * right + v.reshape(-1, 1) * np.cross(right, f)
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def all_around(n):
    """About n unit directions (n, 3) over the whole sphere."""
    i = np.arange(n) + 0.5
    z, phi = 1 - 2 * i / n, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.column_stack([r * np.cos(phi), r * np.sin(phi), z])


def capture(geoms, views, *, voxel=0.01, sigma=0.0, seed=0, colors=True) -> Scan:
    """Scan geoms from (eye, directions) views with range noise, one point per voxel."""
    rng = np.random.default_rng(seed)
    points, normals, of = [], [], []
    for number, (eye, directions) in enumerate(views):
        t = sphere_trace(geoms, np.asarray(eye, float), directions)
        ok = np.isfinite(t)
        surface = np.asarray(eye) + t[ok, None] * directions[ok]
        normals.append(gradient(geoms, surface))
        points.append(surface + rng.normal(0, sigma, (ok.sum(), 1)) * directions[ok])
        of.append(np.full(ok.sum(), number))
    eyes = np.array([eye for eye, _ in views], np.float32)
    p, n, v = np.concatenate(points), np.concatenate(normals), np.concatenate(of)
    return scan_of(p, n, v, eyes, voxel=voxel, sigma=sigma, colors=colors)


def scan_of(p, n, v, eyes, *, voxel, sigma, colors=True) -> Scan:
    """A scan of points (k, 3) with normals, seen from `eyes[v]`: one point per voxel."""
    cells = np.floor(p / voxel).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    p, n, v = p[first], n[first], v[first]
    info = ScanInfo(
        source_format="analytic", raw_points=len(p), dropped={}, unit="m", unit_evidence="made",
        up_axis="+z", up_evidence="made", up_confidence=1.0, noise_sigma_m=sigma, voxel_m=voxel,
        bounds_m=(tuple(p.min(0).tolist()), tuple(p.max(0).tolist())),
        T_world_source=tuple(tuple(row) for row in np.eye(4).tolist()),
        viewpoints_source="file", viewpoint_evidence="made",
    )  # fmt: skip
    paint = np.full((len(p), 3), 128, np.uint8) if colors else np.zeros((0, 3), np.uint8)
    return Scan(
        info, p.astype(np.float32), n.astype(np.float32), paint, np.ones(len(p), np.uint32), eyes,
        v.astype(np.int32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32),
    )  # fmt: skip


def gradient(geoms, points):
    """Outward unit normals (n, 3) by central differences of the union's signed distance."""
    h = 1e-4
    axes = np.eye(3) * h
    d = [
        np.min([signed_distance(g, (), points + a) for g in geoms], axis=0)
        - np.min([signed_distance(g, (), points - a) for g in geoms], axis=0)
        for a in axes
    ]
    n = np.stack(d, axis=1)
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)


def room(half=(2.0, 1.5), height=2.5, thickness=0.2, door=None):
    """Floor, ceiling and four walls as boxes around (0, 0); `door` (low y, high y) opens the +x wall."""
    x, y = half
    t = thickness
    wide, deep = 2 * x + 2 * t, 2 * y + 2 * t
    geoms = [
        box((0, 0, -t / 2), (wide, deep, t)),
        box((0, 0, height + t / 2), (wide, deep, t)),
        box((-x - t / 2, 0, height / 2), (t, deep, height)),
        box((0, y + t / 2, height / 2), (wide, t, height)),
        box((0, -y - t / 2, height / 2), (wide, t, height)),
    ]
    if door is None:
        return [*geoms, box((x + t / 2, 0, height / 2), (t, deep, height))]
    low, high = door
    left = box((x + t / 2, (-deep / 2 + low) / 2, height / 2), (t, low + deep / 2, height))
    right = box((x + t / 2, (high + deep / 2) / 2, height / 2), (t, deep / 2 - high, height))
    over = box((x + t / 2, (low + high) / 2, (2.0 + height) / 2), (t, high - low, height - 2.0))
    beyond = box((x + 2.0, 0, height / 2), (t, 2.5 * deep, height))
    outside = box((x + 1.0, 0, -t / 2), (2.2, 2.5 * deep, t))
    return [*geoms, left, right, over, beyond, outside]
