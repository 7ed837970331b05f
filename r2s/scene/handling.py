"""What tasks that move a thing sample with: where the thing may stand, and what its arm is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.scene import TaskSpec
from r2s.core.rigid import Array
from r2s.scene.goals import STOP_MARGIN
from r2s.scene.probe import Probe
from r2s.scene.surfaces import cell_m, discs
from r2s.scene.target import Target
from r2s.scene.twin import Twin

EDGE_M = 0.02  # from a thing's outline to the edge of its support and to other things
# A start's height is the scan's: spots of the support that are higher or lower will not do.
LEVEL_M = 0.004
ARRIVING = 0.4  # of an episode, at full speed: what is left is for the work


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
    """What an arm that moves a thing is asked with: both models, and how far its joints get in time.

    Args:
        speed: (joints,) how fast their targets may move [rad/s or m/s].
    """

    def __init__(self, twin: Twin, target: Target, speed: Array, task: TaskSpec):
        self.probes: list[Probe] = [twin.probe(exact=False), twin.probe(exact=True)]
        self.target, self.site = target, twin.robot.info.ee_site
        actions = twin.vocabulary.actions
        margin = STOP_MARGIN * (np.asarray(actions.high) - np.asarray(actions.low))
        self.home = np.array([twin.stance.qpos[name] for name in actions.joints])
        far = ARRIVING * task.parameters["episode_s"] * speed
        self.low = np.maximum(actions.low + margin, self.home - far)
        self.high = np.minimum(actions.high - margin, self.home + far)
