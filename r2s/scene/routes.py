"""Routes of a base: from a start to a goal, both on free floor, with a drivable way between them.

The way is the shortest over the grid of free discs of the base's size, so it also keeps the margin that a
disc has. A goal whose way is much longer than the straight line asks for a plan, and is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.rigid import yaw_quaternion
from r2s.core.seeds import generator
from r2s.scene.errors import no_routes
from r2s.scene.spawns import BODY_MARGIN_M, Spawns
from r2s.scene.twin import Twin

MIN_ROUTES = 50
NEIGHBOUR = 1.5  # cells: along the sides and across


@dataclass(frozen=True, eq=False)
class Routes:
    """Attributes:
    starts: (n, 3) float32: x, y [m], yaw [rad], world frame.
    goals: (n, 2) float32 metres, world frame; row i is reached from row i of the starts.
    simple: share of the connected pairs at the wanted distance whose way is short enough.
    """

    starts: np.ndarray
    goals: np.ndarray
    simple: float


def find_routes(
    twin: Twin,
    spawns: Spawns,
    count: int,
    seed: int,
    *,
    nearest_m: float,
    farthest_m: float,
    detour: float,
) -> Routes:
    """Return `count` routes between spawns, each pair as likely as any other that qualifies.

    Args:
        nearest_m, farthest_m: straight distance of a goal from its start.
        detour: the way is at most this many times longer.

    Raises:
        R2SError: there are fewer than 50 (`R2S-SCENE-051`).
    """
    poses = with_room(twin, spawns.poses)
    at = poses[:, :2].astype(np.float64)
    straight = np.linalg.norm(at[:, None] - at[None], axis=2)
    way = ways(spawns.free, spawns.cell_m, at)
    connected = np.isfinite(way)
    wanted = connected & (straight >= nearest_m) & (straight <= farthest_m)
    simple = wanted & (way <= detour * straight)
    pairs = np.argwhere(simple)
    if len(pairs) < MIN_ROUTES:
        shares = [float(found.sum()) / max(found.size, 1) for found in (connected, wanted, simple)]
        why = f"{len(at)} places; of their pairs {shares[0]:.0%} are connected, {shares[1]:.0%} are also "
        why += f"{nearest_m:g} to {farthest_m:g} m apart, {shares[2]:.0%} with a way at most {detour:g} "
        why += "times longer"
        raise no_routes(twin.robot.info, len(pairs), MIN_ROUTES, why)
    chosen = pairs[generator(seed, "scene", "routes").integers(0, len(pairs), count)]
    return Routes(
        poses[chosen[:, 0]],
        poses[chosen[:, 1], :2],
        round(float(simple.sum() / max(wanted.sum(), 1)), 4),
    )


def with_room(twin: Twin, poses: np.ndarray) -> np.ndarray:
    """Return those of (m, 3) x, y, yaw at which the robot stays `BODY_MARGIN_M` off everything."""
    probe = twin.probe(exact=True, clearance_m=BODY_MARGIN_M)
    # Lifted off the floor, which is always near; the spawns are known to touch nothing as they stand.
    height = twin.stance.position[2] + 1.1 * BODY_MARGIN_M
    free = []
    for x, y, yaw in poses.tolist():
        probe.stand((x, y, height), yaw_quaternion(yaw))
        free.append(probe.is_free())
    return poses[np.array(free, bool)]


def ways(free: np.ndarray, cell_m: float, at: np.ndarray) -> np.ndarray:
    """Return (m, m) lengths [m] of the shortest ways between points over a grid, inf without one.

    Args:
        free: (k, 2) grid points; neighbours are at most `NEIGHBOUR` cells apart.
        at: (m, 2), each taken at its nearest grid point.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import KDTree

    tree = KDTree(free)
    pairs = tree.query_pairs(NEIGHBOUR * cell_m, output_type="ndarray")
    length = np.linalg.norm(free[pairs[:, 0]] - free[pairs[:, 1]], axis=1)
    graph = coo_array((length, (pairs[:, 0], pairs[:, 1])), shape=(len(free), len(free)))
    cells = tree.query(at)[1]
    sources, back = np.unique(cells, return_inverse=True)
    found = dijkstra(graph.tocsr(), directed=False, indices=sources)
    return found[back][:, cells]
