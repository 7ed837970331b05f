"""Which pairs of links may touch each other: found by sampling, not by guessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from r2s.core.seeds import generator

ALWAYS = 0.95  # share of configurations from which a pair counts as always touching
OFTEN_TRAIN = 0.5  # capsules that touch this often where hulls do so less are only too fat


@dataclass(frozen=True)
class Samples:
    """Configurations and what they touch.

    Attributes:
        qpos: (n, nq) configurations within limits, mimics followed.
        exact, train: body pair (sorted names) to (n,) bool: touching in that configuration.
    """

    qpos: np.ndarray
    exact: dict[tuple[str, str], np.ndarray]
    train: dict[tuple[str, str], np.ndarray]


def sample_configurations(
    model, mimics: Sequence[tuple[int, int, float, float]], count: int, seed: int
):
    """Return (count, nq) uniform configurations; the first is the middle of every range.

    Args:
        mimics: (follower, leader, multiplier, offset) joint ids.
    """
    import mujoco

    random = generator(seed, "robot", "configurations")
    limited = model.jnt_limited.astype(bool)
    # A turn beyond half a circle is the same pose again, and no home is wound up.
    hinge = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
    low = np.where(limited, model.jnt_range[:, 0], -np.pi)
    high = np.where(limited, model.jnt_range[:, 1], np.pi)
    full = hinge & (high - low > 2 * np.pi)
    low, high = np.where(full, -np.pi, low), np.where(full, np.pi, high)
    qpos = low + (high - low) * random.random((count, model.njnt))
    qpos[0] = np.where((low <= 0) & (high >= 0), 0.0, (low + high) / 2)
    return with_mimics(qpos, mimics)


def with_mimics(qpos: np.ndarray, mimics: Sequence[tuple[int, int, float, float]]) -> np.ndarray:
    """Return the configurations with every follower where its leader puts it."""
    qpos = qpos.copy()
    for follower, leader, multiplier, offset in mimics:
        qpos[..., follower] = multiplier * qpos[..., leader] + offset
    return qpos


def touching(model, qpos: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Return, for each pair of bodies that ever touches, in which of (n, nq) configurations it does."""
    import mujoco

    data = mujoco.MjData(model)
    found: dict[tuple[int, int], np.ndarray] = {}
    for index, configuration in enumerate(qpos):
        data.qpos[:] = configuration
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        for one, other in _pairs(model, data):
            found.setdefault((one, other), np.zeros(len(qpos), dtype=bool))[index] = True
    names = {pair: tuple(sorted(model.body(body).name for body in pair)) for pair in found}
    return {names[pair]: found[pair] for pair in sorted(found, key=lambda pair: names[pair])}  # type: ignore[misc]


def excluded_pairs(
    samples: Samples, bodies: Sequence[str], adjacent: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return the sorted pairs whose contact carries no information: always, never, or adjacent."""
    result = {_sorted(*pair) for pair in adjacent}
    for index, one in enumerate(bodies):
        for other in bodies[index + 1 :]:
            pair = _sorted(one, other)
            exact = samples.exact.get(pair)
            train = samples.train.get(pair)
            share = 0.0 if exact is None else float(exact.mean())
            train_share = 0.0 if train is None else float(train.mean())
            fat = train_share >= ALWAYS or train_share >= max(OFTEN_TRAIN, 2 * share)
            # Hulls that never meet: capsules that do are only too fat.
            if share == 0 or share >= ALWAYS or fat:
                result.add(pair)
    return tuple(sorted(result))


def collides(samples: dict[tuple[str, str], np.ndarray], exclude, count: int) -> np.ndarray:
    """Return (count,) bool: some pair that is not excluded touches."""
    hit = np.zeros(count, dtype=bool)
    for pair, where in samples.items():
        if pair not in exclude:
            hit |= where
    return hit


def _pairs(model, data) -> set[tuple[int, int]]:
    if not data.ncon:
        return set()
    touching = data.contact.dist < 0
    bodies = model.geom_bodyid[data.contact.geom[touching]]
    return {(int(min(pair)), int(max(pair))) for pair in bodies}


def _sorted(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
