"""Where a floating base may start: free floor, sampled, with a heading each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.core.rigid import yaw_quaternion
from r2s.core.seeds import generator
from r2s.scene.errors import no_free_floor
from r2s.scene.placement import DROP_M, Placement, enclosed
from r2s.scene.surfaces import LEVEL_M, area_m2, cell_m, discs, surfaces
from r2s.scene.twin import Twin, home_stance

BODY_MARGIN_M = 0.05
EYE_M = 0.8
ENOUGH = 0.75
# Every episode starts at the same height: places this much higher or lower will do.
SAME_LEVEL_M = 0.05


@dataclass(frozen=True, eq=False)
class Spawns:
    """Where a floating base may start.

    Attributes:
        poses: (m, 3) float32: x, y [m], yaw [rad].
        area_m2: free floor that they are drawn from.
        floor_share: of the floor's extent, how much that is.
        free: (k, 2) metres: the grid of free floor that they are drawn from, points `cell_m` apart.
    """

    poses: np.ndarray
    area_m2: float
    floor_share: float
    free: np.ndarray
    cell_m: float


def find_floor(
    twin: Twin,
    count: int,
    seed: int,
    given: tuple[float, ...] = (),
    headroom_m: float = 0.0,
) -> tuple[Placement, Spawns]:
    """Return the twin with its robot on the floor, and its spawns.

    Args:
        given: x, y, z [m], yaw [rad] of the base; (): where most floor is free.
        headroom_m: free height over the floor that it needs, if that is more than its base's.

    Raises:
        R2SError: no floor, or none of it free (`R2S-SCENE-007`).
    """
    info = twin.robot.info
    floors = [s for s in surfaces(twin.place) if s.role == "floor"]
    if not floors:
        raise no_free_floor(info, "the reconstruction has no floor")
    radius = info.base_radius_m + BODY_MARGIN_M
    height = info.base_height_m + DROP_M
    cells = {
        spot: cell_m(floor) ** 2
        for floor in floors
        for spot in discs(twin.place, floor, radius, max(height, headroom_m))
    }
    free = list(cells)
    probe = twin.probe(exact=True)
    outdoors = floors[0].even_m > LEVEL_M
    if not outdoors:
        free = _within_walls(free, probe)
    if given:
        x, y, z, yaw = given
        spots = [(x, y, z - height)]
        rest = [spot for spot in free if abs(spot[2] - (z - height)) < SAME_LEVEL_M]
    else:
        spots, rest, yaw = _from_the_middle(free), free, 0.0
    for x, y, z in spots[:20]:
        position = (x, y, round(z + height, 6))
        probe.stand(position, yaw_quaternion(yaw))
        if probe.is_free():
            break
    else:
        tried = f"{len(spots)} places on {', '.join(floor.name for floor in floors)}"
        raise no_free_floor(info, f"{tried}, none free at the home pose")
    placed = replace(twin, stance=home_stance(twin.robot, position, yaw_quaternion(yaw)))
    if outdoors:  # no feet in the ground: to what is lower than the first place a robot drops
        rest = [spot for spot in rest if spot[2] <= z]
    level = [spot for spot in rest if abs(spot[2] - z) < SAME_LEVEL_M] or [(x, y, z)]
    area = sum(cells.get(spot, 0.0) for spot in level)
    whole = sum(area_m2(floor) for floor in floors)
    poses = _sample(level, count, seed, probe, height)
    starts = Spawns(
        poses,
        round(area, 4),
        round(min(area / whole, 1.0), 4),
        np.array([spot[:2] for spot in level]),
        max(cell_m(floor) for floor in floors),
    )
    evidence = f"floor at ({x:.2f}, {y:.2f}, {z:.2f}); {len(rest)} free cells"
    return Placement(placed, floors[0].name, 1.0, evidence), starts


def _within_walls(
    free: list[tuple[float, float, float]], probe
) -> list[tuple[float, float, float]]:
    """Return the spots with about as much around them as the best has: a scan has an outside too."""
    if not free:
        return []
    around = np.array([enclosed(probe, (x, y, z + EYE_M)) for x, y, z in free])
    return [
        spot for spot, share in zip(free, around, strict=True) if share >= ENOUGH * around.max()
    ]


def _from_the_middle(free: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the spots, those with most free floor around first, of equals the nearest to the middle."""
    if not free:
        return []
    xy = np.array(free)[:, :2]
    gap = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    crowd = (gap < 1.0).sum(axis=1)
    off = np.round(np.linalg.norm(xy - xy.mean(axis=0), axis=1), 3)
    order = np.lexsort((xy[:, 1], xy[:, 0], off, -crowd))
    return [free[i] for i in order]


def _sample(level, count: int, seed: int, probe, height: float) -> np.ndarray:
    random = generator(seed, "scene", "spawns")
    rows = []
    for index in random.integers(0, len(level), 4 * count):
        if len(rows) == count:
            break
        x, y, top = level[index]
        yaw = float(random.uniform(-np.pi, np.pi))
        probe.stand((x, y, top + height), yaw_quaternion(yaw))
        if probe.is_free():
            rows.append((x, y, yaw))
    return np.array(rows, np.float32).reshape(-1, 3)
