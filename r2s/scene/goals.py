"""Goals for an end effector: each with the collision-free configuration that proves it reachable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.artifacts.scene import STAND
from r2s.core.context import StageContext
from r2s.core.rigid import Array, quat_to_matrix
from r2s.core.seeds import generator
from r2s.scene.distance import is_near
from r2s.scene.environment import Environment
from r2s.scene.errors import nothing_reachable
from r2s.scene.twin import Twin

OVERSAMPLING = 4  # configurations tried per goal asked for, at least MIN_SAMPLES
MIN_SAMPLES, MAX_SAMPLES = 2000, 12_000
MIN_GOALS = 50
CELL_M = (
    0.1  # cubes in which the goals' space is counted: some samples fall into each of a reach of 1 m
)
CANDIDATES = 2  # goals looked at per goal asked for
EXACT_STEP_RAD = 0.2
# Beyond the scanned place nothing is known to be free.
OUTSIDE_M = 0.05
# Share of a joint's range kept free at either stop: under load, or with a biased encoder, a position
# command that may not pass the stop never holds a configuration at the stop.
STOP_MARGIN = 0.05


@dataclass(frozen=True)
class Goals:
    """Attributes:
    points: (n, 3) float32, metres, robot base frame.
    configurations: (n, joints) float32 in the order of the action's joints.
    free_fraction: share of sampled configurations that were free.
    simple_fraction: share of the goals that a greedy walk from home reaches, on a free path.
    space_m3: space they are drawn from: cubes of `CELL_M` with a free and reachable sample in them.
    """

    points: np.ndarray
    configurations: np.ndarray
    free_fraction: float
    simple_fraction: float
    space_m3: float


def sample_goals(
    twin: Twin, count: int, clearance_m: float, speed: Array, within_s: float, context: StageContext
) -> Goals:
    """Sample `count` goals spread over the free workspace.

    Args:
        speed: (joints,) how fast the targets may move [rad/s or m/s].
        within_s: time in which a goal's configuration must be reachable from home at that speed.

    A goal's configuration is clear of the place by `clearance_m` and of the robot itself with exact
    colliders, touches nothing with training colliders, and the goal lies over the scanned place.

    Raises:
        R2SError: fewer than 50 goals were found (`R2S-SCENE-003`).
    """
    exact, train = twin.probe(exact=True, clearance_m=clearance_m), twin.probe(exact=False)
    exact.accept_home()
    actions, site = twin.vocabulary.actions, twin.robot.info.ee_site
    random = generator(context.seed, "scene", "goals")
    home = np.array([twin.stance.qpos[name] for name in actions.joints])
    margin = STOP_MARGIN * (np.asarray(actions.high) - np.asarray(actions.low))
    high = np.minimum(actions.high - margin, home + speed * within_s)
    low = np.minimum(np.maximum(actions.low + margin, home - speed * within_s), high)
    tries = int(np.clip(OVERSAMPLING * count, MIN_SAMPLES, MAX_SAMPLES))
    samples = low + (high - low) * random.random((tries, len(low)))
    free, points = [], []
    for number, q in enumerate(samples):
        if number % 500 == 0:
            context.stop_if_cancelled()
            context.progress("goals", number, tries)
        if train.is_free(q) and exact.is_free(q):
            free.append(q)
            points.append(exact.site(site))
    configurations, world = np.array(free).reshape(-1, len(low)), np.array(points).reshape(-1, 3)
    useful = over_the_place(world, twin.place, clearance_m)
    configurations, world = configurations[useful], world[useful]
    space_m3 = len(np.unique(np.floor(world / CELL_M), axis=0)) * CELL_M**3
    if len(world) < MIN_GOALS:
        why = f"{len(free)} free configurations, {len(world)} of them over the scanned place "
        why += f"and within {within_s:.1f} s of home"
        raise nothing_reachable(twin.robot.info, len(world), tries, MIN_GOALS, why)
    # First those that greed reaches on a free path: a goal behind an obstacle, or over the shoulder, is
    # a planning problem, not a reach.
    order = spread(world, min(len(world), CANDIDATES * count))
    simple = np.zeros(len(order), bool)
    for number, index in enumerate(order):
        if number % 100 == 0:
            context.stop_if_cancelled()
            context.progress("paths", int(simple.sum()), count)
        if simple.sum() == count:
            break
        q = train.descend(site, world[index], home, low, high)
        if q is None or not train.path_is_free(home, q):
            continue
        if exact.path_is_free(home, q, EXACT_STEP_RAD):
            simple[number] = True
            configurations[index], world[index] = q, exact.site(site)
    chosen = order[simple]
    if len(chosen) < min(count, MIN_GOALS):
        chosen = np.concatenate([chosen, order[~simple][: count - len(chosen)]])
    local = to_base(world[chosen], twin)
    return Goals(
        points=np.round(local, 6).astype(np.float32),
        configurations=np.round(configurations[chosen], 6).astype(np.float32),
        free_fraction=round(len(free) / tries, 6),
        simple_fraction=round(float(min(simple.sum() / len(chosen), 1.0)), 6),
        space_m3=round(space_m3, 6),
    )


def over_the_place(points: Array, place: Environment, clearance_m: float) -> np.ndarray:
    """Return (n,) bool: above the lowest surface, within the scanned extent, clear of every collider."""
    low, high = place.bounds()
    tops = [
        float(geom.position[2] + (geom.size[2] if geom.shape == "box" else 0.0))
        for thing in place.things
        if thing.role in ("support", "floor") and thing.name != STAND
        for geom in thing.geoms
    ]
    inside = np.all(
        (points[:, :2] > low[:2] - OUTSIDE_M) & (points[:, :2] < high[:2] + OUTSIDE_M), axis=1
    )
    above = points[:, 2] > min(tops, default=low[2]) + clearance_m
    return inside & above & ~is_near(points, place, clearance_m)


def spread(points: Array, count: int) -> np.ndarray:
    """Return indices of up to `count` of (n, 3) points, each the farthest from those before it."""
    if len(points) <= count:
        return np.arange(len(points))
    if count <= 0:
        return np.zeros(0, int)
    chosen = np.zeros(count, int)
    gap = np.full(len(points), np.inf)
    for step in range(1, count):
        gap = np.minimum(gap, ((points - points[chosen[step - 1]]) ** 2).sum(axis=1))
        chosen[step] = int(np.argmax(gap))
    return chosen


def to_base(points: Array, twin: Twin) -> Array:
    """Return (n, 3) world points in the robot base frame."""
    rotation = quat_to_matrix(twin.stance.quaternion)
    return (points - np.asarray(twin.stance.position)) @ rotation
