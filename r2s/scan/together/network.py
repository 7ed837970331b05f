"""All clouds in one frame: each is fitted to one that is placed already, then all to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from r2s.core.rigid import apply, inverse
from r2s.scan.readers.asked import Told
from r2s.scan.together.agreement import Agreement, agreement
from r2s.scan.together.features import features_of
from r2s.scan.together.match import differ, hypotheses
from r2s.scan.together.refine import refined
from r2s.scan.together.view import Level, View

_HYPOTHESES, _ROUNDS = 5, 3
# With this little in free space, and overlap enough, no other pose is looked for.
_SURELY_FREE = 0.05
# Another pose with this part of the best one's score, and no more in free space than this beyond it, makes
# both doubtful. Measured in a furnished room: right 0.1 to 0.3 %, half a turn off 7 %.
_RIVAL, _RIVAL_FREE = 0.8, 0.02
# A pose that is fitted by less than this many fine voxels was right as it was.
_AS_IT_WAS = 0.5
_MOST_UNITED = 150_000


@dataclass(frozen=True)
class Fit:
    """Cloud `b` fitted to cloud `a`: their numbers, T_a_b and how well it fits.

    rival: another pose that fits about as well, as T_a_b, or None.
    """

    a: int
    b: int
    T_a_b: np.ndarray
    agreement: Agreement
    rival: np.ndarray | None = None

    @property
    def failures(self) -> list[str]:
        """What speaks against it, in words; empty where it holds."""
        if self.rival is None or self.agreement.failures:
            return self.agreement.failures
        distance, angle = moved_by(inverse(self.rival) @ self.T_a_b)
        return [f"it fits in two ways, {angle:.0f} deg and {distance:.3g} file units apart"]


@dataclass
class Network:
    """Clouds that fit each other.

    Attributes:
        poses: T_first_cloud by number of the cloud, those that were placed.
        fits: the fit that placed each, by number; none for the first.
        best_failures: for each that fits none: its best fit, by number.
    """

    poses: dict[int, np.ndarray]
    fits: dict[int, Fit] = field(default_factory=dict)
    best_failures: dict[int, Fit] = field(default_factory=dict)


def connect(views: Sequence[View], told: Told) -> Network:
    """Return the poses of all clouds that fit, directly or through others, the first one.

    Args:
        told: hears how many clouds are placed, of how many, after each try.
    """
    found = Network({0: np.eye(4)})
    features: dict[int, np.ndarray] = {}

    def of(i: int) -> np.ndarray:
        if i not in features:
            features[i] = features_of(views[i].coarse, views[i].name)
        return features[i]

    tried: set[tuple[int, int]] = set()
    while pairs := [
        (a, b)
        for b in range(len(views))
        for a in sorted(found.poses, key=lambda a: (abs(a - b), a))
        if b not in found.poses and (a, b) not in tried
    ]:
        # The nearest in order first: captures are named in the order they were made.
        a, b = min(pairs, key=lambda pair: (abs(pair[0] - pair[1]), pair[1], pair[0]))
        tried.add((a, b))
        told(len(found.poses), len(views))
        fit = fit_pair(views, a, b, lambda a=a, b=b: (of(a), of(b)))
        if not fit.failures:
            found.poses[b] = found.poses[a] @ fit.T_a_b
            found.fits[b] = fit
            found.best_failures.pop(b, None)
        elif b not in found.best_failures or (
            fit.agreement.score > found.best_failures[b].agreement.score
        ):
            found.best_failures[b] = fit
    if len(found.poses) == len(views) > 2:
        _settle(views, found.poses)
    return found


def fit_pair(
    views: Sequence[View], a: int, b: int, features: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> Fit:
    """Return the best pose of cloud b on cloud a: as they are, else by the shapes they share."""
    one, other = views[a], views[b]
    fits: list[Fit] = []
    for i, start in enumerate(_starts(one, other, features)):
        T = _fitted(one, other, start)
        if any(not differ(T, f.T_a_b, other.coarse.points, 2 * one.fine.voxel) for f in fits):
            continue
        fits.append(Fit(a, b, T, agreement(one, other, T)))
        sure = one.eye is not None and fits[-1].agreement.in_free_space < _SURELY_FREE
        if i == 0 and not fits[0].failures and (sure or T is start):
            break  # chance does not put two clouds in one frame: that is evidence of its own
    fits.sort(key=lambda fit: -fit.agreement.score)
    return replace(fits[0], rival=_rival(fits))


def _rival(fits: list[Fit]) -> np.ndarray | None:
    """Return the pose, after the first fit, that is about as good, or None."""
    best = fits[0].agreement
    for fit in fits[1:]:
        if (
            fit.agreement.fits
            and fit.agreement.score > _RIVAL * best.score
            and fit.agreement.in_free_space < best.in_free_space + _RIVAL_FREE
        ):
            return fit.T_a_b
    return None


def _starts(
    a: View, b: View, features: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> Iterator[np.ndarray]:
    yield np.eye(4)
    of_a, of_b = features()
    yield from hypotheses(a.coarse.points, of_a, b.coarse.points, of_b, a.coarse.voxel, _HYPOTHESES)


def _fitted(a: View, b: View, start: np.ndarray) -> np.ndarray:
    T = refined(a.coarse, b.coarse, start, 3 * a.coarse.voxel)
    T = refined(a.fine, b.fine, T, a.coarse.voxel)
    T = refined(a.fine, b.fine, T, a.fine.voxel)
    moved = differ(T, start, b.coarse.points, _AS_IT_WAS * a.fine.voxel)
    return T if moved else start


def _settle(views: Sequence[View], poses: dict[int, np.ndarray]) -> None:
    """Fit each cloud but the first to all others together, in turn: spreads what is left of error."""
    for _ in range(_ROUNDS):
        for i in range(1, len(views)):
            others = _united(
                [views[j] for j in poses if j != i], [poses[j] for j in poses if j != i]
            )
            T = refined(others, views[i].fine, poses[i], others.voxel)
            if differ(T, poses[i], views[i].coarse.points, 1e-3 * others.voxel):
                poses[i] = T


def _united(views: Sequence[View], poses: Sequence[np.ndarray]) -> Level:
    step = max(1, sum(len(v.fine.points) for v in views) // _MOST_UNITED)
    points = [apply(T, v.fine.points[::step]) for v, T in zip(views, poses, strict=True)]
    normals = [v.fine.normals[::step] @ T[:3, :3].T for v, T in zip(views, poses, strict=True)]
    return Level(np.concatenate(points), np.concatenate(normals), views[0].fine.voxel)


def moved_by(T: np.ndarray) -> tuple[float, float]:
    """Return the distance and the angle [deg] of a motion."""
    cosine = np.clip((np.trace(T[:3, :3]) - 1) / 2, -1, 1)
    return float(np.linalg.norm(inverse(T)[:3, 3])), float(np.degrees(np.arccos(cosine)))
