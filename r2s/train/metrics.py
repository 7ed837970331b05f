"""What one iteration and one evaluation say, as plain numbers; no times in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from r2s.artifacts.randomization import Randomize
from r2s.sim.protocol import Failure, Trajectories

MOST_FAILURES_LOGGED = 4


def episodes(seen: Trajectories) -> dict[str, float]:
    """Return how the episodes that ended here went; empty of means where none did."""
    counted = np.asarray(seen.counted)
    number = int(counted.sum())
    result: dict[str, float] = {"episodes": number, "crashes": int(np.asarray(seen.crashed).sum())}
    if not number:
        return result
    return {
        **result,
        "success_rate": float(np.asarray(seen.success)[counted].mean()),
        "return_mean": float(np.asarray(seen.episode_return)[counted].mean()),
        "terminated": int(np.asarray(seen.terminated).sum()),
    }


def first_episodes(seen: Trajectories) -> dict[str, float]:
    """Return how the first episode of every copy went (an evaluation); crashed copies are left out."""
    ended = np.asarray(seen.ended)
    first = ended & (np.cumsum(ended, axis=0) == 1)
    crashed = int((first & np.asarray(seen.crashed)).sum())
    judged = first & np.asarray(seen.counted)
    number = int(judged.sum())
    success = int((judged & np.asarray(seen.success)).sum())
    total = float((np.asarray(seen.episode_return) * judged).sum())
    return {
        "episodes": number,
        "successes": success,
        "crashes": crashed,
        "success_rate": success / max(number, 1),
        "return_mean": total / max(number, 1),
    }


def bucket_returns(
    seen: Trajectories, entries: tuple[tuple[Randomize, int], ...]
) -> dict[str, list[float | None]]:
    """Return the mean episode return per bucket of each randomization entry.

    An entry with several draws is split by their mean. A bucket without episodes is None.
    """
    counted = np.asarray(seen.counted)
    returns, sample = np.asarray(seen.episode_return)[counted], np.asarray(seen.sample)[counted]
    result: dict[str, list[float | None]] = {}
    start = 0
    for entry, size in entries:
        bucket = buckets(entry, sample[:, start : start + size].mean(axis=1))
        start += size
        means = [returns[bucket == b] for b in range(entry.buckets)]
        result[entry.name] = [rounded(m.mean()) if len(m) else None for m in means]
    return result


def buckets(entry: Randomize, value: np.ndarray) -> np.ndarray:
    """Return which of the entry's equally likely buckets each value (n,) falls into."""
    if entry.low == entry.high:
        return np.zeros(len(value), int)
    if entry.distribution == "loguniform":
        low, high, value = np.log(entry.low), np.log(entry.high), np.log(value)
    else:
        low, high = entry.low, entry.high
    share = (value - low) / (high - low)
    return np.clip((share * entry.buckets).astype(int), 0, entry.buckets - 1)


def log_line(
    iteration: int,
    env_steps: int,
    played: Mapping[str, float],
    update: Mapping[str, Any],
    terms: Mapping[str, float],
    per_bucket: Mapping[str, Any],
    failures: list[Failure],
    evaluation: Mapping[str, float] | None,
) -> bytes:
    """Return one JSON line of the training log; equal numbers give equal bytes."""
    record: dict[str, Any] = {"iteration": iteration, "env_steps": env_steps}
    record |= {name: rounded(value) for name, value in played.items()}
    record |= {name: rounded(value) for name, value in sorted(update.items())}
    record["terms"] = {name: rounded(value) for name, value in sorted(terms.items())}
    if per_bucket:
        record["bucket_returns"] = dict(per_bucket)
    if failures:
        record["failures"] = [f.to_json() for f in failures[:MOST_FAILURES_LOGGED]]
    if evaluation is not None:
        record["evaluation"] = {name: rounded(value) for name, value in evaluation.items()}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def rounded(value: Any) -> int | float | None:
    """Return the number with six significant digits; None for NaN and infinity."""
    if isinstance(value, int):
        return value
    number = float(value)
    return float(f"{number:.6g}") if np.isfinite(number) else None
