"""Where a thing starts and where it shall go, each pair with a proof that the arm gets behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.scene import TaskSpec
from r2s.core.context import StageContext
from r2s.core.rigid import Array
from r2s.core.seeds import generator
from r2s.scene.errors import no_pushes
from r2s.scene.goals import STOP_MARGIN, to_base
from r2s.scene.probe import Probe
from r2s.scene.surfaces import cell_m, discs
from r2s.scene.target import Target
from r2s.scene.twin import Twin
from r2s.tasks.specs import task_kind

EDGE_M = 0.02  # from a thing's outline to the edge of its support and to other things
# A start's height is the scan's: spots of the support that are higher or lower will not do.
LEVEL_M = 0.004
MIN_PUSHES, MOST_PUSHES, TRIES_PER_PUSH = 50, 300, 40
# The end effector behind a thing: off its side by the first of these that is free, at the first of these
# shares of the height of its centre of mass [m, 1].
STANDOFFS_M = (0.03, 0.05)
HEIGHTS = (1.0, 1.5)
LEAST_HEIGHT_M = 0.02
ARRIVING = 0.4  # of an episode, at full speed: what is left is for the work
# Most walks that arrive do so in a dozen steps, and those that do not cost the most.
WALK_STEPS = 30


@dataclass(frozen=True)
class Pairs:
    """n pairs of a thing's start and its goal.

    Attributes:
        goals: (n, 3) float32, metres, robot base frame: the thing's centre of mass.
        configurations: (n, joints) float32: the arm ready to move the thing from its start.
        starts: (n, 3) float32: x, y [m], yaw [rad] of the thing, world frame.
        free_fraction: share of the pairs looked at that the arm can do.
        area_m2: free support that starts and goals are drawn from.
    """

    goals: np.ndarray
    configurations: np.ndarray
    starts: np.ndarray
    free_fraction: float
    area_m2: float

    @classmethod
    def of(cls, goals: Array, configurations, starts, looked: int, area_m2: float) -> Pairs:
        """Return the pairs as a scene keeps them; `looked` of them were looked at."""
        rows = [np.round(each, 6).astype(np.float32) for each in (goals, configurations, starts)]
        return cls(rows[0], rows[1], rows[2], round(len(goals) / looked, 6), area_m2)


def sample_pushes(
    twin: Twin, target: Target, count: int, task: TaskSpec, context: StageContext
) -> Pairs:
    """Sample up to `count` pairs, at most `MOST_PUSHES`, with the arm behind the thing at both ends.

    Raises:
        R2SError: fewer than 50 were found (`R2S-SCENE-043`).
    """
    count = min(count, MOST_PUSHES)
    spots, step = free_spots(twin, target)
    near = near_by(spots, target, task)
    arm = _Arm(twin, target, task)
    random = generator(context.seed, "scene", "pushes")
    low, high = task.parameters["least_push_m"], task.parameters["most_push_m"]
    turn = task.parameters["start_turn_rad"]
    goals, configurations, starts, looked = [], [], [], 0
    for number in range(TRIES_PER_PUSH * count if len(near) else 0):
        if len(goals) == count:
            break
        if number % 500 == 0:
            context.stop_if_cancelled()
            context.progress("pushes", len(goals), count)
        start = near[random.integers(len(near))] + step * (random.random(2) - 0.5)
        heading, length = random.uniform(-np.pi, np.pi), random.uniform(low, high)
        yaw = random.uniform(-turn, turn)
        along = np.array([np.cos(heading), np.sin(heading)])
        goal = start + length * along
        if np.abs(spots - goal).max(axis=1).min() > step / 2:
            continue
        looked += 1
        behind = arm.behind(start, yaw, along)
        # A push that begins with a way around the thing is a planning problem.
        if behind is None or not arm.goes_to(behind) or arm.behind(goal, yaw, along) is None:
            continue
        goals.append([*goal, target.thing.com[2]])
        configurations.append(behind)
        starts.append([*start, yaw])
    area_m2 = round(len(spots) * step**2, 4)
    if len(goals) < MIN_PUSHES:
        raise no_pushes(twin.robot.info, str(target), len(goals), looked, area_m2)
    return Pairs.of(to_base(np.array(goals), twin), configurations, starts, looked, area_m2)


def free_spots(twin: Twin, target: Target) -> tuple[Array, float]:
    """Return (k, 2) middles of the cells that the thing may stand in, in any turn, and their edge [m].

    Of its support, in the arm's reach and off its foot, off the edge and other things.
    """
    assert target.surface is not None
    info, com = twin.robot.info, np.asarray(target.thing.com)
    others = tuple(t for t in twin.place.things if t.name != target.thing.name)
    place = replace(twin.place, things=others)
    step = cell_m(target.surface)
    radius = float(np.linalg.norm(target.points[:, :2] - com[:2], axis=1).max()) + EDGE_M
    cell = step * np.sqrt(0.5)
    found = discs(place, target.surface, radius + cell, 2 * float(target.box.half[2]))
    spots = np.array(found).reshape(-1, 3)
    spots = spots[np.abs(spots[:, 2] - target.lowest_m) < LEVEL_M, :2]
    away = np.linalg.norm(spots - np.asarray(twin.stance.position)[:2], axis=1)
    return spots[(away < info.reach_m) & (away > info.base_radius_m + radius + cell)], step


def near_by(spots: Array, target: Target, task: TaskSpec) -> Array:
    """Return the spots (k, 2) that are near where the thing stands in the scan."""
    away = np.linalg.norm(spots - np.asarray(target.thing.com)[:2], axis=1)
    return spots[away < task.parameters["start_within_m"]]


class Hand:
    """What an arm that moves a thing is asked with: both models, its limits, and how far it gets in time."""

    def __init__(self, twin: Twin, target: Target, task: TaskSpec):
        self.probes: list[Probe] = [twin.probe(exact=False), twin.probe(exact=True)]
        self.target, self.site = target, twin.robot.info.ee_site
        actions = twin.vocabulary.actions
        margin = STOP_MARGIN * (np.asarray(actions.high) - np.asarray(actions.low))
        self.home = np.array([twin.stance.qpos[name] for name in actions.joints])
        speed = np.asarray(actions.scale) * task_kind(task.name).control_hz
        far = ARRIVING * task.parameters["episode_s"] * speed
        self.low = np.maximum(actions.low + margin, self.home - far)
        self.high = np.minimum(actions.high - margin, self.home + far)


class _Arm(Hand):
    """Asks whether the end effector gets behind the thing somewhere."""

    def behind(self, xy: Array, yaw: float, along: Array) -> Array | None:
        """Return joints with the end effector on the far side of the thing at `xy`, pushed `along`."""
        com = np.asarray(self.target.thing.com)
        for probe in self.probes:
            probe.put(self.target.thing.name, np.append(xy, com[2]), yaw)
        c, s = np.cos(yaw), np.sin(yaw)
        flat = (self.target.points[:, :2] - com[:2]) @ np.array([[c, s], [-s, c]])
        side = float((-flat @ along).max())
        rise = com[2] - self.target.lowest_m
        for share in HEIGHTS:
            height = self.target.lowest_m + max(share * rise, LEAST_HEIGHT_M)
            for off in STANDOFFS_M:
                point = np.append(xy - (side + off) * along, height)
                joints = self.probes[0].descend(
                    self.site, point, self.home, self.low, self.high, steps=WALK_STEPS
                )
                if joints is not None and all(probe.is_free(joints) for probe in self.probes):
                    return joints
        return None

    def goes_to(self, joints: Array) -> bool:
        """Whether the straight way from home to a configuration is free, with the thing where it is."""
        return self.probes[0].path_is_free(self.home, joints)
