"""Places inside a scanned room from which its surface can be seen, for meshes that do not say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS

# A room is at least this high and wide [m]; anything smaller was seen from outside.
ROOM_HEIGHT_M, ROOM_WIDTH_M = 1.8, 2.0
# Eye heights above the floor, and free space around an eye [m].
EYES_M = (1.2, 1.6)
CLEARANCE_M = 0.35
MOST_CANDIDATES, MOST_EYES = 32, 6
# Another eye must see this share of the surface that none saw yet.
LEAST_NEW = 0.003


class Eyes(NamedTuple):
    """Positions (m, 3) metres and, per point, the nearest that sees it (n,) int32, -1 for none."""

    positions: np.ndarray
    of: np.ndarray
    evidence: str


def find_eyes(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> Eyes:
    """Return viewpoints inside a room mesh. All arrays in metres, world frame, floor at z = 0."""
    nobody = np.full(len(points), -1, np.int32)
    low, high = points.min(axis=0), points.max(axis=0)
    if high[2] < ROOM_HEIGHT_M or min(high[:2] - low[:2]) < ROOM_WIDTH_M:
        return Eyes(
            np.empty((0, 3)), nobody, "a mesh does not say from where it was seen; it is no room"
        )
    found = run_limited(
        "r2s.scan.interior:see",
        (vertices.astype(np.float32), faces.astype(np.uint32), points.astype(np.float32)),
        limits=LIMITS.geometry,
        what="Open3D casting rays in the mesh",
    )
    positions = found["positions"]
    if len(positions) == 0:
        return Eyes(
            positions, nobody,
            "a mesh does not say from where it was seen; no place inside sees enough of it",
        )  # fmt: skip
    share = 100 * float((found["of"] >= 0).mean())
    return Eyes(
        positions, found["of"],
        f"a mesh does not say from where it was seen: {len(positions)} places inside the room, at eye "
        f"height and away from every surface, together see {share:.0f} % of it",
    )  # fmt: skip


def see(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
    """Choose eyes greedily and say which sees which point. Runs in the child."""
    from r2s.core.native import open3d

    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(faces))
    candidates = _candidates(scene, points)
    few = points[:: max(1, len(points) // 6_000)]
    seen = np.stack([_visible(scene, eye, few) for eye in candidates]) if len(candidates) else None
    chosen: list[int] = []
    covered = np.zeros(len(few), dtype=bool)
    while seen is not None and len(chosen) < MOST_EYES:
        gain = (seen & ~covered).sum(axis=1)
        best = int(np.argmax(gain))
        if gain[best] < LEAST_NEW * len(few):
            break
        chosen.append(best)
        covered |= seen[best]
    positions = candidates[chosen]
    nearest = np.full(len(points), np.inf, np.float32)
    of = np.full(len(points), -1, np.int32)
    for i, eye in enumerate(positions):
        distance = np.linalg.norm(points - eye, axis=1)
        better = (distance < nearest) & _visible(scene, eye, points)
        nearest[better], of[better] = distance[better], i
    return {"positions": positions, "of": of}


def _candidates(scene, points: np.ndarray) -> np.ndarray:
    """Return free places (k, 3) with surface below, above and on most sides."""
    low, high = points.min(axis=0), points.max(axis=0)
    step = max(0.4, float(np.sqrt(np.prod(high[:2] - low[:2]) / 200)))
    x, y = (np.arange(low[i] + step / 2, high[i], step) for i in (0, 1))
    heights = [h for h in EYES_M if h < high[2] - CLEARANCE_M] or [high[2] / 2]
    grid = np.stack(np.meshgrid(x, y, heights, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid.astype(np.float32)
    free = scene.compute_distance(grid).numpy() > CLEARANCE_M
    grid = grid[free]
    if len(grid) == 0:
        return grid
    axes = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
    rays = np.concatenate(
        [np.repeat(grid, 6, axis=0), np.tile(axes, (len(grid), 1))], axis=1, dtype=np.float32
    )
    hit = np.isfinite(scene.cast_rays(rays)["t_hit"].numpy()).reshape(-1, 6)
    inside = hit[:, 2] & hit[:, 5] & (hit.sum(axis=1) >= 5)
    grid = grid[inside]
    return grid[:: max(1, -(-len(grid) // MOST_CANDIDATES))]


def _visible(scene, eye: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return a mask (n,): nothing lies between the eye and the point."""
    way = points - eye
    length = np.linalg.norm(way, axis=1, keepdims=True)
    rays = np.concatenate(
        [np.broadcast_to(eye, points.shape), way / np.maximum(length, 1e-9)],
        axis=1,
        dtype=np.float32,
    )
    reach = scene.cast_rays(rays)["t_hit"].numpy()
    # A voxel's mean lies up to a centimetre or two off the surface it stands for.
    return reach > length[:, 0] - np.maximum(0.03, 0.01 * length[:, 0])
