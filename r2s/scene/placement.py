"""Where a robot stands: on what is level and free, near what it shall reach.

Places are ranked cheaply by points (what share of the end effector's reachable points lies in free
air over the scanned place, how many things are at hand), then the best are checked with colliders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.robot import RobotInfo
from r2s.artifacts.scene import STAND
from r2s.core.rigid import Array, yaw_quaternion
from r2s.core.seeds import generator
from r2s.scene.distance import is_near
from r2s.scene.environment import Environment, geom_bounds, stand
from r2s.scene.errors import no_place, nothing_under, place_collides
from r2s.scene.probe import Probe
from r2s.scene.robot_tree import robot_tree
from r2s.scene.surfaces import Surface, discs, surfaces, top_under
from r2s.scene.twin import Twin, home_stance

YAWS = 16
AT_HAND = 0.8  # what having everything at hand is worth, against a free workspace
MAX_POSITIONS = 400
FINALISTS = 10
REACH_SAMPLES = 100
FREE_SAMPLES = 60
CLEARANCE_M = 0.02
DROP_M = 0.003  # feet start this far above the floor
# What standing inside the walls is worth (a scan has an outside too), and near the middle of the surface.
ENCLOSED, CENTRAL = 0.4, 0.1
EYE_M, FAR_M = 0.4, 15.0
# Share of the reach between which a thing is comfortably handled.
NEAR, FAR = 0.35, 0.95
# A support hosts a robot if it leaves at least this share of its workspace free.
ENOUGH_FREE = 0.15
STAND_MARGIN_M = 0.03
JITTER_RAD = 0.2  # what tasks add to the home pose at the start of an episode


@dataclass(frozen=True)
class Placement:
    """Attributes:
    twin: with the robot standing there (and the stand, if one was needed).
    free_fraction: share of sampled configurations there that touch nothing.
    evidence: one sentence.
    """

    twin: Twin
    surface: str
    free_fraction: float
    evidence: str


@dataclass(frozen=True)
class Candidate:
    surface: Surface
    position: tuple[float, float, float]
    yaw: float
    score: float


def on_top(twin: Twin, place: tuple[float, ...]) -> tuple[float, ...]:
    """Return a place as x, y, z [m], yaw [rad], from x, y and maybe yaw: on what is under it.

    Raises:
        R2SError: there is nothing (`R2S-SCENE-009`).
    """
    info, (x, y) = twin.robot.info, place[:2]
    top = top_under(twin.place, (x, y), info.base_radius_m)
    if top is None:
        raise nothing_under(info, x, y, [str(surface) for surface in surfaces(twin.place)])
    if twin.stance.floating:
        height = info.base_height_m + DROP_M
    else:
        height = -bottom(twin_alone(twin, Environment((), ())).probe(exact=True))
    return (x, y, round(top + height, 6), place[2] if len(place) == 3 else 0.0)


def place_given(twin: Twin, place: tuple[float, ...]) -> Placement:
    """Return the twin with its base where the user put it: x, y, z [m], yaw [rad].

    Raises:
        R2SError: the robot touches the twin there (`R2S-SCENE-002`).
    """
    *position, yaw = place
    placed = twin.at(home_stance(twin.robot, position, yaw_quaternion(yaw, _base_quat(twin))))
    for exact in (True, False):
        touches = placed.probe(exact=exact).touches()
        if touches:
            raise place_collides(twin.robot.info, place, [str(touch) for touch in touches])
    return Placement(placed, "given", 1.0, "given by --place")


def find_place(twin: Twin, mount: str, stand_height_m: float, seed: int) -> Placement:
    """Return the best place for a fixed base.

    Args:
        mount: `support`, `stand`, `floor` or `auto` (a support if one fits, else a stand).

    Raises:
        R2SError: there is none (`R2S-SCENE-001`).
    """
    info = twin.robot.info
    body = Workspace.sample(twin, seed)
    found = surfaces(twin.place)
    supports = [s for s in found if s.role == "support"]
    floors = [s for s in found if s.role == "floor"]
    tried, best = 0, "none"
    for kind, hosts in (("support", supports), ("stand", floors), ("floor", floors)):
        if mount != kind and not (mount == "auto" and kind != "floor"):
            continue
        height = stand_height_m if kind == "stand" else 0.0
        ranked = rank(twin, hosts, body, height)
        tried += len(ranked)
        for candidate in _home_is_free(twin, ranked):
            placement, why = check(twin, candidate, body, kind, height)
            if placement is not None:
                return placement
            best = why
    raise no_place(info, tried, best, [surface.name for surface in found])


@dataclass(frozen=True)
class Workspace:
    """The robot's own geometry, in its base frame.

    Attributes:
        configurations: (n, joints) free of self-collision.
        points: (n, 3) end-effector positions of them.
        front: unit (2,) direction in which the end effector waits at home.
        bottom: lowest z of what is bolted to the base [m].
    """

    configurations: Array
    points: Array
    front: Array
    bottom: float

    @classmethod
    def sample(cls, twin: Twin, seed: int) -> Workspace:
        """Sample configurations of the robot alone."""
        alone = Environment((), ())
        probe = twin_alone(twin, alone).probe(exact=True)
        actions = twin.vocabulary.actions
        random = generator(seed, "scene", "workspace")
        low, high = np.array(actions.low), np.array(actions.high)
        configurations, points = [], []
        for q in low + (high - low) * random.random((3 * REACH_SAMPLES, len(low))):
            if len(points) < REACH_SAMPLES and probe.is_free(q):
                configurations.append(q)
                points.append(probe.site(twin.robot.info.ee_site))
        probe.pose()
        home = probe.site(twin.robot.info.ee_site)
        length = float(np.hypot(home[0], home[1]))
        front = home[:2] / length if length > 1e-3 else np.array([1.0, 0.0])
        return cls(np.array(configurations), np.array(points), front, bottom(probe))


def twin_alone(twin: Twin, place: Environment) -> Twin:
    at = home_stance(twin.robot, (0, 0, 0), _base_quat(twin), floating=False)
    return replace(twin, place=place, stance=at)


def rank(twin: Twin, hosts: list[Surface], body: Workspace, lift: float) -> list[Candidate]:
    """Return candidate places on the surfaces, best first."""
    info = twin.robot.info
    radius = info.base_radius_m + (STAND_MARGIN_M if lift else 0.0)
    spots = [
        (surface, x, y, z)
        for surface in hosts
        for x, y, z in discs(twin.place, surface, radius, lift + max(-body.bottom, 0.0))
    ]
    if len(spots) > MAX_POSITIONS:
        spots = [spots[i] for i in np.linspace(0, len(spots) - 1, MAX_POSITIONS).astype(int)]
    low, high = twin.place.bounds()
    things = _things(twin)
    candidates = []
    yaws = np.linspace(0, 2 * np.pi, YAWS, endpoint=False)
    turned = np.concatenate([body.points @ rotation_z(yaw).T for yaw in yaws])
    probe = twin_alone(twin, twin.place).probe(exact=True)
    middle = np.mean([spot[1:3] for spot in spots], axis=0) if spots else np.zeros(2)
    for surface, x, y, z in spots:
        inside = enclosed(probe, (x, y, z + lift + EYE_M))
        central = 1 / (1 + float(np.hypot(x - middle[0], y - middle[1])))
        position = (x, y, round(z + lift - body.bottom, 6))
        points = turned + position
        good = np.all((points[:, :2] > low[:2]) & (points[:, :2] < high[:2]), axis=1)
        good &= points[:, 2] > z + CLEARANCE_M
        good[good] = ~is_near(points[good], twin.place, CLEARANCE_M)
        for yaw, share in zip(yaws, good.reshape(YAWS, -1).mean(axis=1), strict=True):
            front = rotation_z(yaw)[:2, :2] @ body.front
            score = float(share) + AT_HAND * _at_hand(things, position, front, info)
            score += ENCLOSED * inside + CENTRAL * central
            candidates.append(Candidate(surface, position, float(yaw), round(score, 9)))
    return sorted(candidates, key=lambda c: (-c.score, c.position, c.yaw))


def _home_is_free(twin: Twin, ranked: list[Candidate]) -> list[Candidate]:
    """Return the first candidates at which the home pose, and poses near it, touch nothing."""
    base = _base_quat(twin)
    probes = [twin.probe(exact=False), twin.probe(exact=True)]
    found: list[Candidate] = []
    for candidate in ranked:
        for probe in probes:
            probe.stand(candidate.position, yaw_quaternion(candidate.yaw, base))
        if all(probe.is_free() and _jitter_is_free(probe, twin) for probe in probes):
            found.append(candidate)
        if len(found) == FINALISTS:
            return found
    # None fits: the best few go on, so that the error can say what they touch.
    return found or ranked[:3]


def check(
    twin: Twin, candidate: Candidate, body: Workspace, kind: str, lift: float
) -> tuple[Placement | None, str]:
    """Return the placement if the robot fits there with colliders, and why not else."""
    place, info = twin.place, twin.robot.info
    x, y, z = candidate.position
    if kind == "stand":
        top = z + body.bottom
        place = place.with_thing(stand(x, y, top - lift, top, info.base_radius_m + STAND_MARGIN_M))
    quaternion = yaw_quaternion(candidate.yaw, _base_quat(twin))
    placed = replace(
        twin, place=place, stance=home_stance(twin.robot, candidate.position, quaternion)
    )
    name = STAND if kind == "stand" else candidate.surface.name
    where = f"{name} at ({x:.2f}, {y:.2f}, {z:.2f}), yaw {candidate.yaw:.2f}"
    exact, train = placed.probe(exact=True), placed.probe(exact=False)
    for probe in (exact, train):
        if touches := probe.touches():
            return None, f"{where}: at home {touches[0]}"
        if not _jitter_is_free(probe, placed):
            return None, f"{where}: things are within {JITTER_RAD} rad of the home pose"
    free = float(np.mean([exact.is_free(q) for q in body.configurations[:FREE_SAMPLES]]))
    if free < ENOUGH_FREE:
        return None, f"{where}: only {100 * free:.0f} % of its configurations are free"
    evidence = f"{where}: {100 * free:.0f} % of its configurations are free"
    return Placement(placed, name, free, evidence), ""


def bottom(probe: Probe) -> float:
    """Return the lowest z [m] of what is welded to the base, in the base frame."""
    import mujoco

    model, data = probe.model, probe.data
    probe.pose()
    lowest = []
    for geom in range(model.ngeom):
        if model.body_weldid[model.geom_bodyid[geom]] != model.body_weldid[probe.base]:
            continue
        if not probe.of_robot[geom] or model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
            continue
        centre, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
        row = data.geom_xmat[geom].reshape(3, 3)[2]
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.geom_dataid[geom]
            first = model.mesh_vertadr[mesh]
            vertices = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
            lowest.append(float(data.geom_xpos[geom, 2] + (vertices @ row).min()))
        else:
            lowest.append(float(data.geom_xpos[geom, 2] + row @ centre - np.abs(row) @ half))
    return min(lowest, default=0.0)


def enclosed(probe: Probe, eye: tuple[float, float, float]) -> float:
    """Return the share of level directions in which something stands, seen from `eye` [m, world]."""
    turn = np.linspace(0, 2 * np.pi, YAWS, endpoint=False)
    distance = np.array([probe.ray(eye, (np.cos(t), np.sin(t), 0.0)) for t in turn])
    return float(np.mean((distance >= 0) & (distance < FAR_M)))


def rotation_z(yaw: float) -> Array:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _base_quat(twin: Twin) -> tuple[float, float, float, float]:
    return robot_tree(twin.robot, exact=True, visuals=False).base_quaternion


def _jitter_is_free(probe: Probe, twin: Twin) -> bool:
    actions = twin.vocabulary.actions
    home = np.array([twin.stance.qpos[name] for name in actions.joints])
    low, high = np.array(actions.low), np.array(actions.high)
    # Fingers touch each other as they close, and that is no collision.
    arm = np.array([name not in twin.robot.info.gripper for name in actions.joints])
    corners = (arm * corner for corner in _corners(len(home)))
    return all(probe.is_free(np.clip(home + JITTER_RAD * c, low, high)) for c in corners)


def _corners(width: int, count: int = 24) -> Iterator[Array]:
    """Yield directions in [-1, 1]^width, the same on every run."""
    random = generator(0, "scene", "corners", width)
    return iter(np.sign(random.standard_normal((count, width))) * random.random((count, 1)) ** 0.5)


def _things(twin: Twin) -> Array:
    """Return (n, 3): x, y and weight of the movable things; larger ones count more.

    Where the task moves one, no other counts.
    """
    rows = []
    for thing in twin.place.things:
        if thing.movable and twin.moves in ("", thing.name):
            boxes = [geom_bounds(geom, twin.place.hulls) for geom in thing.geoms]
            low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
            rows.append((*((low + high) / 2)[:2], float(np.linalg.norm(high - low))))
    return np.array(rows).reshape(-1, 3)


def _at_hand(things: Array, position, front: Array, info: RobotInfo) -> float:
    """Return the share of things, by size, that stand comfortably in front of the robot."""
    if not len(things):
        return 0.0
    gap = things[:, :2] - np.asarray(position[:2])
    distance = np.linalg.norm(gap, axis=1)
    near = (distance > NEAR * info.reach_m) & (distance < FAR * info.reach_m)
    facing = gap @ front / np.maximum(distance, 1e-9)
    return float(np.average(near * np.clip(facing, 0, 1), weights=things[:, 2]))
