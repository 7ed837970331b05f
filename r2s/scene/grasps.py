"""Where a thing waits to be picked up, each place with a proof that the gripper comes down around it."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.scene import TaskSpec
from r2s.core.context import StageContext
from r2s.core.rigid import Array
from r2s.core.seeds import generator
from r2s.scene.errors import no_grasps
from r2s.scene.goals import to_base
from r2s.scene.handling import Hand, Pairs, free_spots, near_by
from r2s.scene.target import FINGER_M, Target
from r2s.scene.twin import Twin

MIN_GRASPS, MOST_GRASPS, TRIES_PER_GRASP = 50, 300, 20
# The end effector holds a thing at the first of these shares of the height of its centre of mass that is
# free, and this high over what it stands on at least [m].
HEIGHTS = (1.0, 1.3, 1.6)
LEAST_HEIGHT_M = 0.015
ALL_WAYS = 6  # joints with which an arm turns its hand as it likes
UP = np.array([0.0, 0.0, 1.0])


def sample_grasps(
    twin: Twin,
    target: Target,
    count: int,
    speed: Array,
    task: TaskSpec,
    context: StageContext,
) -> Pairs:
    """Sample up to `count` places of a thing, at most `MOST_GRASPS`; its goal is `lift_m` above each.

    Args:
        speed: (joints,) see `Hand`.

    Raises:
        R2SError: fewer than 50 were found (`R2S-SCENE-044`).
    """
    count = min(count, MOST_GRASPS)
    every, step = free_spots(twin, target)
    spots = near_by(every, target, task)
    hand = _Gripper(twin, target, speed, task)
    random = generator(context.seed, "scene", "grasps")
    lift, turn = task.parameters["lift_m"], task.parameters["start_turn_rad"]
    goals, configurations, starts, looked = [], [], [], 0
    for number in range(TRIES_PER_GRASP * count if len(spots) else 0):
        if len(goals) == count:
            break
        if number % 50 == 0:
            context.stop_if_cancelled()
            context.progress("grasps", len(goals), count)
        start = spots[random.integers(len(spots))] + step * (random.random(2) - 0.5)
        yaw = random.uniform(-turn, turn)
        looked += 1
        held = hand.around(start, yaw, lift)
        if held is None:
            continue
        goals.append([*start, target.thing.com[2] + lift])
        configurations.append(held)
        starts.append([*start, yaw])
    area_m2 = round(len(spots) * step**2, 4)
    if len(goals) < MIN_GRASPS:
        raise no_grasps(twin.robot.info, str(target), len(goals), looked, area_m2)
    return Pairs.of(to_base(np.array(goals), twin), configurations, starts, looked, area_m2)


class _Gripper(Hand):
    """Asks whether the open gripper gets around the thing somewhere."""

    def __init__(self, twin: Twin, target: Target, speed: Array, task: TaskSpec):
        super().__init__(twin, target, speed, task)
        assert twin.grip is not None
        self.grip, actions = twin.grip, twin.vocabulary.actions
        # The gripper is open from the start of the way on, as far as its commands may go.
        for index, name in enumerate(actions.joints):
            if name in self.grip.opened:
                value = np.clip(self.grip.opened[name], actions.low[index], actions.high[index])
                self.low[index] = self.high[index] = self.home[index] = value
        self.joints = len(twin.robot.info.chain.joints) if twin.robot.info.chain else 0
        self.approach = self._approach()

    def around(self, xy: Array, yaw: float, lift_m: float) -> Array | None:
        """Return joints with the open gripper around the thing at `xy`, come down there from above."""
        target, probe = self.target, self.probes[0]
        for each in self.probes:
            each.put(target.thing.name, np.append(xy, target.thing.com[2]), yaw)
        rise = target.thing.com[2] - target.lowest_m
        for across in self._across(yaw):
            for share in HEIGHTS:
                height = target.lowest_m + max(share * rise, LEAST_HEIGHT_M)
                point = np.append(xy, height)
                align = ((self.grip.axis, across), (self.approach, -UP))
                if self.joints < ALL_WAYS:
                    align = align[:1]
                above = probe.descend(
                    self.site, point + lift_m * UP, self.home, self.low, self.high, align=align
                )
                if above is None:
                    break
                around = probe.descend(self.site, point, above, self.low, self.high, align=align)
                if around is None or not self._free(above) or not self._free(around):
                    continue
                ways = ((self.home, above), (above, around))
                if all(probe.path_is_free(start, end) for start, end in ways):
                    return around
        return None

    def _free(self, joints: Array) -> bool:
        return all(probe.is_free(joints) for probe in self.probes)

    def _across(self, yaw: float) -> list[Array]:
        """Return directions across the thing's sides that fit between the fingers, the narrowest first."""
        found, box = [], self.target.box
        for side in np.argsort(box.half[:2]):
            if 2 * box.half[side] < self.grip.opening_m - 2 * FINGER_M:
                turn = box.yaw + yaw + (np.pi / 2 if side == 1 else 0.0)
                way = np.array([np.cos(turn), np.sin(turn), 0.0])
                found += sorted((way, -way), key=self._turn_from_home)
        return found

    def _turn_from_home(self, way: Array) -> float:
        probe = self.probes[0]
        probe.pose(self.home)
        return -float((probe.frame(self.site) @ self.grip.axis) @ way)

    def _approach(self) -> Array:
        """Return the end effector's axis (3,) that points from the hand to it, across the fingers' way."""
        probe = self.probes[0]
        probe.pose(self.home)
        ahead = probe.site(self.site) - probe.origin_of(self.site)
        local = probe.frame(self.site).T @ ahead
        local -= self.grip.axis * (local @ self.grip.axis)
        return local / np.linalg.norm(local)
