"""A policy at work: whole episodes of the exported graph in its scene, and pictures of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.core.seeds import generator
from r2s.report.render import Player

if TYPE_CHECKING:
    from r2s.sim.episode import Moment

FILM_SIZE = (480, 360)
FRAME_RATE_HZ = 12.5


def episodes(policy: Policy, scene: Scene, *, seed: int = 0) -> Iterator[Iterator[Moment]]:
    """Yield episodes without end, each as its control periods."""
    from r2s.policy.contract import deployment_contract
    from r2s.sim.episode import arena, contract_and_policy, play

    there = arena(scene)
    contract, session = contract_and_policy(deployment_contract(policy.info), policy.onnx)
    for episode in itertools.count():
        yield play(there, contract, session, generator(seed, "film", episode))


def film(
    policy: Policy,
    scene: Scene,
    *,
    colliders: bool = False,
    count: int = 3,
    seed: int = 0,
    size: tuple[int, int] = FILM_SIZE,
) -> Iterator[np.ndarray]:
    """Yield (h, w, 3) uint8 frames, `FRAME_RATE_HZ` of simulated time, with the goal as a green ball."""
    player = Player(scene, colliders=colliders, size=size, fine=False)
    every = max(1, round(1 / (FRAME_RATE_HZ * scene.info.control_s)))
    for episode in itertools.islice(episodes(policy, scene, seed=seed), count):
        for moment in itertools.islice(episode, 0, None, every):
            yield player.frame(moment.qpos, goal_marks(scene, moment.reading.values))


def goal_marks(scene: Scene, values) -> np.ndarray | None:
    """Return (1, 3), the commanded goal in the world frame, or None for tasks without one."""
    goal = values.get("goal_pos")
    if goal is None:
        return None
    info = scene.info
    if info.signal("goal_pos").frame == "world":  # a point of the floor
        return np.array([[*goal, info.base_position_m[2] - info.robot.base_height_m]])
    return info.to_world(goal)[None]
