"""Where a thing starts and where it shall go, each pair with a proof that the arm gets behind it."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.scene import TaskSpec
from r2s.core.context import StageContext
from r2s.core.rigid import Array
from r2s.core.seeds import generator
from r2s.scene.errors import no_pushes
from r2s.scene.goals import to_base
from r2s.scene.handling import Hand, Pairs, free_spots, near_by
from r2s.scene.target import Target
from r2s.scene.twin import Twin

MIN_PUSHES, MOST_PUSHES, TRIES_PER_PUSH = 50, 300, 40
# The end effector behind a thing: off its side by the first of these that is free, at the first of these
# shares of the height of its centre of mass [m, 1].
STANDOFFS_M = (0.03, 0.05)
HEIGHTS = (1.0, 1.5)
LEAST_HEIGHT_M = 0.02
# Most walks that arrive do so in a dozen steps, and those that do not cost the most.
WALK_STEPS = 30


def sample_pushes(
    twin: Twin,
    target: Target,
    count: int,
    speed: Array,
    task: TaskSpec,
    context: StageContext,
) -> Pairs:
    """Sample up to `count` pairs, at most `MOST_PUSHES`, with the arm behind the thing at both ends.

    Args:
        speed: (joints,) see `Hand`.

    Raises:
        R2SError: fewer than 50 were found (`R2S-SCENE-043`).
    """
    count = min(count, MOST_PUSHES)
    spots, step = free_spots(twin, target)
    near = near_by(spots, target, task)
    arm = _Arm(twin, target, speed, task)
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
