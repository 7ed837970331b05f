"""What random and idle robots show of a task: its terms in numbers, how episodes end, what is not finite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from r2s.sim.protocol import Trajectories

LARGEST_REWARD = 1000.0  # weight times value, per second: above it a critic learns nothing else
CLEARLY = 1.0  # standard deviations by which a randomized number differs where something went wrong


@dataclass(frozen=True)
class Term:
    """One reward term over all rollouts.

    Attributes:
        low, mean, high: of its finite values, without the weight.
        share: of the sum of all terms' sizes, weights included.
        not_finite: rows in which it is NaN or infinite.
    """

    name: str
    weight: float
    low: float
    mean: float
    high: float
    share: float
    not_finite: int

    @property
    def constant(self) -> bool:
        return self.low == self.high

    @property
    def largest(self) -> float:
        """Its largest size, weight included."""
        return abs(self.weight) * max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Ends:
    """How episodes ended.

    Attributes:
        whole: episodes that ran to their end, or that the task ended; successes: of these.
        terminated: episodes the task ended; at_once: of these, at their first control step.
        crashed: episodes in which the simulator failed.
    """

    whole: int
    successes: int
    terminated: int
    at_once: int
    crashed: int


class Blame(NamedTuple):
    """Which randomized number differs most where something went wrong, and its means there and overall."""

    column: str
    there: float
    overall: float


def terms_of(seen: Trajectories, weights: dict[str, float], control_s: float) -> tuple[Term, ...]:
    """Return every term in numbers.

    Args:
        seen: with every term of every copy (`Environment.every_term`), as if all weights were 1.
        weights: term to its real weight; `seen.terms` is in the order of its sorted names.
    """
    rows = np.asarray(seen.terms, np.float64)[np.asarray(seen.valid)] / control_s
    names = sorted(weights)
    finite = np.isfinite(rows)
    sizes = {}
    for i, name in enumerate(names):
        sizes[name] = abs(weights[name]) * float(np.abs(rows[finite[:, i], i]).sum())
    total = max(sum(sizes.values()), 1e-12)
    result = []
    for i, name in enumerate(names):
        values = rows[finite[:, i], i]
        low, mean, high = (
            (float(values.min()), float(values.mean()), float(values.max()))
            if len(values)
            else (0.0,) * 3
        )
        bad = int((~finite[:, i]).sum())
        result.append(Term(name, weights[name], low, mean, high, sizes[name] / total, bad))
    return tuple(result)


def ends_of(seen: Trajectories) -> Ends:
    """Count how episodes ended."""
    counted, terminated = np.asarray(seen.counted), np.asarray(seen.terminated)
    length = np.zeros(counted.shape[1], int)
    at_once = 0
    for valid, ended, failed in zip(
        np.asarray(seen.valid), np.asarray(seen.ended), terminated, strict=True
    ):
        length += valid
        at_once += int((failed & (length == 1)).sum())
        length[ended] = 0
    return Ends(
        whole=int(counted.sum()),
        successes=int((np.asarray(seen.success) & counted).sum()),
        terminated=int(terminated.sum()),
        at_once=at_once,
        crashed=int(np.asarray(seen.crashed).sum()),
    )


def blame(seen: Trajectories, bad: np.ndarray, columns: tuple[str, ...]) -> Blame | None:
    """Return the randomized number that differs clearly in the rows `bad` (T, N) bool, or None."""
    valid = np.asarray(seen.valid)
    sample = np.asarray(seen.sample, np.float64)
    if not columns or not (bad & valid).any():
        return None
    everywhere, there = sample[valid], sample[bad & valid]
    spread = np.maximum(everywhere.std(axis=0), 1e-12)
    apart = np.abs(there.mean(axis=0) - everywhere.mean(axis=0)) / spread
    worst = int(apart.argmax())
    if apart[worst] < CLEARLY:
        return None
    return Blame(columns[worst], float(there[:, worst].mean()), float(everywhere[:, worst].mean()))


def joined(parts: list[Trajectories]) -> Trajectories:
    """Return collections that follow each other as one; the observation between two is kept once."""

    def concatenated(name: str) -> np.ndarray:
        arrays = [np.asarray(getattr(part, name)) for part in parts]
        if name == "observation":
            arrays = [arrays[0], *(array[1:] for array in arrays[1:])]
        return np.concatenate(arrays)

    return Trajectories(*(concatenated(name) for name in Trajectories._fields))
