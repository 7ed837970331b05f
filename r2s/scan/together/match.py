"""Poses from matched features: correspondences that agree in length with each other (SC2-PCR).

Two true correspondences keep their distance; of two chance ones few do. Counting, for each pair that
keeps it, the others that agree with both, tells true ones from chance even at a few in a hundred (Chen, Sun,
Yang, Tao, "SC2-PCR", CVPR 2022). No random draws: every well-supported correspondence is tried as a seed.
"""

from __future__ import annotations

import numpy as np

from r2s.core.rigid import apply, transform

_MOST_PAIRS, _SEEDS, _GROUP = 1500, 100, 24
_CHUNK = 2000
# Poses nearer to each other than this many voxels come to one when they are refined.
_APART = 8.0


def hypotheses(
    points_a: np.ndarray, features_a: np.ndarray, points_b: np.ndarray, features_b: np.ndarray,
    voxel: float, count: int,
) -> list[np.ndarray]:  # fmt: skip
    """Return at most `count` distinct transforms T_a_b, best supported first.

    Args:
        points_a, points_b: (n, 3), (m, 3); features likewise, (n, 33), (m, 33), unit length.
        voxel: spacing of the points.
    """
    of_a, of_b = _mutual(features_a, features_b)
    a, b = points_a[of_a], points_b[of_b]
    if len(a) < 4:
        return []
    apart_a = np.linalg.norm(a[:, None] - a[None], axis=-1)
    apart_b = np.linalg.norm(b[:, None] - b[None], axis=-1)
    alike = (np.abs(apart_a - apart_b) < 1.5 * voxel) & (np.minimum(apart_a, apart_b) > 3 * voxel)
    first = alike.astype(np.float32)
    support = first * (first @ first)  # whole numbers below 2**24: exact in any order
    found: list[tuple[int, np.ndarray]] = []
    for seed in _seeds(a, support.sum(axis=1, dtype=np.float64), 3 * voxel):
        group = np.argsort(-support[seed], kind="stable")[:_GROUP]
        group = np.append(group[support[seed, group] > 0], seed)
        if len(group) < 4:
            continue
        T, near = _grown(a, b, group, 1.5 * voxel)
        if len(near) >= 4:
            T, near = _grown(a, b, near, 1.5 * voxel)
        found.append((len(near), T))
    found.sort(key=lambda each: -each[0])
    kept: list[np.ndarray] = []
    for _, T in found:
        if len(kept) < count and all(differ(T, other, b, _APART * voxel) for other in kept):
            kept.append(T)
    return kept


def _grown(
    a: np.ndarray, b: np.ndarray, group: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the transform of a group of correspondences, and all that it brings within reach."""
    T = rigid_fit(a[group], b[group])
    return T, np.flatnonzero(np.linalg.norm(apply(T, b) - a, axis=1) < reach)


def differ(T: np.ndarray, other: np.ndarray, points: np.ndarray, length: float) -> bool:
    """Return whether two transforms put points (n, 3) farther apart than `length`, in the median."""
    away = np.linalg.norm(apply(T, points) - apply(other, points), axis=1)
    return float(np.median(away)) > length


def rigid_fit(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return T_a_b (4, 4) that maps points b (n, 3) to a (n, 3) in the least-squares sense (Kabsch)."""
    middle_a, middle_b = a.mean(axis=0), b.mean(axis=0)
    spread = ((b - middle_b)[:, :, None] * (a - middle_a)[:, None, :]).sum(axis=0)
    u, _, vt = np.linalg.svd(spread)
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T)) or 1.0])
    rotation = vt.T @ turn @ u.T
    return transform(rotation, middle_a - rotation @ middle_b)


def _mutual(features_a: np.ndarray, features_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of pairs that are each other's nearest, the nearest `_MOST_PAIRS` of them."""
    a_to_b, distance, b_to_a = _nearest(features_a, features_b)
    of_a = np.flatnonzero(b_to_a[a_to_b] == np.arange(len(a_to_b)))
    order = np.argsort(distance[of_a], kind="stable")[:_MOST_PAIRS]
    of_a = np.sort(of_a[order])
    return of_a, a_to_b[of_a]


def _nearest(
    features_a: np.ndarray, features_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest of b for each of a, one less their product, and the nearest of a for each of b."""
    a_to_b, cosine = np.empty(len(features_a), np.int64), np.empty(len(features_a), np.float32)
    b_to_a, best = (
        np.zeros(len(features_b), np.int64),
        np.full(len(features_b), -np.inf, np.float32),
    )
    for start in range(0, len(features_a), _CHUNK):
        product = features_a[start : start + _CHUNK] @ features_b.T
        part = slice(start, start + len(product))
        a_to_b[part] = product.argmax(axis=1)
        cosine[part] = product.max(axis=1)
        at = product.argmax(axis=0)
        top = product[at, np.arange(len(at))]
        b_to_a = np.where(top > best, at + start, b_to_a)
        best = np.maximum(top, best)
    return a_to_b, np.round(1 - cosine, 5), b_to_a


def _seeds(points: np.ndarray, support: np.ndarray, apart: float) -> list[int]:
    """Return the best supported correspondences, none within `apart` of a better one."""
    chosen: list[int] = []
    for i in np.argsort(-support, kind="stable"):
        if support[i] <= 0 or len(chosen) == _SEEDS:
            break
        if not chosen or np.linalg.norm(points[chosen] - points[i], axis=1).min() > apart:
            chosen.append(int(i))
    return chosen
