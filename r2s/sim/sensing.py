"""Sensors as a robot has them: late, biased and noisy readings of one simulated copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.scene import SceneInfo
from r2s.artifacts.signal import Signal
from r2s.edge.observe import Reading
from r2s.sim.model import Layout


@dataclass(frozen=True)
class Disturbance:
    """How one signal is measured.

    Attributes:
        sigma, bias: (width,) in the signal's unit.
        latency_s: delay of the measurement.
    """

    sigma: np.ndarray
    bias: np.ndarray
    latency_s: float


def disturbances(
    signals: Sequence[Signal],
    entries: Sequence[Randomize],
    draws: Mapping[str, np.ndarray],
) -> dict[str, Disturbance]:
    """Return how every measured signal with sensors is measured.

    Without an entry a signal has its own noise, no bias, and the middle of its latency range.

    Args:
        entries: randomization entries; those of other targets are ignored.
        draws: entry name to (k,) values: one per selected element with `per="target"`, else one.
    """
    measured = [s for s in signals if s.sensors and s.kind == "measured"]
    result = {
        s.name: Disturbance(
            np.full(s.width, s.noise_sigma), np.zeros(s.width), 0.5 * sum(s.latency_s)
        )
        for s in measured
    }
    for entry in entries:
        if entry.target != "signal" or entry.name not in draws:
            continue
        used = 0
        for signal in (s for s in measured if fnmatchcase(s.name, entry.select)):
            values = np.asarray(draws[entry.name], dtype=np.float64)
            if entry.per == "target":
                values, used = values[used : used + signal.width], used + signal.width
            result[signal.name] = _disturbed(result[signal.name], entry, values)
    return result


def measured_columns(info: SceneInfo, where: Layout) -> dict[str, np.ndarray]:
    """Return the columns of `sensordata` of every signal that a robot has; simulator truth is left out."""
    return {
        name: columns
        for name, columns in where.sensor_index.items()
        if info.signal(name).kind == "measured"
    }


def _disturbed(old: Disturbance, entry: Randomize, values: np.ndarray) -> Disturbance:
    def changed(default):
        if entry.operation == "abs":
            return values + np.zeros_like(default)
        return default + values if entry.operation == "add" else default * values

    if entry.field == "noise":
        return replace(old, sigma=np.maximum(changed(old.sigma), 0.0))
    if entry.field == "bias":
        return replace(old, bias=changed(old.bias))
    late = np.atleast_1d(changed(np.float64(old.latency_s)))[0]
    return replace(old, latency_s=max(0.0, float(late)))


class Sensing:
    """Turns true sensor samples of one copy into readings."""

    def __init__(
        self,
        columns: Mapping[str, np.ndarray],
        measured: Mapping[str, Disturbance],
        timestep_s: float,
        random: np.random.Generator,
    ):
        """Args:
        columns: signal name to (width,) columns of `sensordata`.
        measured: see `disturbances`.
        timestep_s: time between two samples.
        random: source of the noise; used in the same order whatever is read.
        """
        self._columns = dict(columns)
        self._measured = measured
        self._delay = {n: round(measured[n].latency_s / timestep_s) for n in self._columns}
        self._longest = max(self._delay.values(), default=0)
        self._timestep_s = timestep_s
        self._random = random
        self._past: np.ndarray | None = None

    def push(self, samples: np.ndarray) -> None:
        """Add true samples (k, nsensordata), oldest first, one per physics step."""
        if self._past is None:
            self._past = np.repeat(samples[:1], self._longest + 1, axis=0)
        keep = self._longest + 1
        self._past = np.concatenate([self._past[-keep:], samples])[-keep:]

    def read(self, commands: Mapping[str, np.ndarray], now_s: float) -> Reading:
        """Return what the robot would read now; `commands` are passed on as they are."""
        assert self._past is not None, "push samples before reading"
        values = {}
        for name, columns in self._columns.items():
            how = self._measured[name]
            value = self._past[-1 - self._delay[name], columns]
            noise = self._random.standard_normal(len(columns))
            values[name] = value + how.bias + how.sigma * noise
        for name, value in commands.items():
            values[name] = np.asarray(value, dtype=np.float64)
        return Reading(values, now_s - self._longest * self._timestep_s)
