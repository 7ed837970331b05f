"""Which conditions a policy must survive: nominal, every randomized quantity at both ends, all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.signal import Signal

NOMINAL_THRESHOLD = 0.90
OTHER_THRESHOLD = 0.80


@dataclass(frozen=True)
class Scenario:
    """Attributes:
    entries: randomization in force; everything else has its default.
    draw: `pinned` at `pinned[entry.name]`, or `random` over each entry's range, per trial.
    threshold: success rate that the lower bound must reach.
    """

    name: str
    entries: tuple[Randomize, ...]
    draw: Literal["pinned", "random"]
    pinned: dict[str, float]
    threshold: float


def scenarios(
    randomization: Sequence[Randomize], signals: Sequence[Signal] = ()
) -> tuple[Scenario, ...]:
    """Return the scenarios of a policy.

    Args:
        randomization: what the policy was trained with, from the policy itself.
        signals: signals with a latency range of their own, which no entry sets, get scenarios too.
    """
    entries = (*randomization, *_latency_of(signals, randomization))
    result = [Scenario("nominal", (), "pinned", {}, NOMINAL_THRESHOLD)]
    for entry in entries:
        neutral = {"scale": 1.0, "add": 0.0, "abs": None}[entry.operation]
        for end, value in (("low", entry.low), ("high", entry.high)):
            if value != neutral:  # else it is the nominal scenario again
                pinned = {entry.name: value}
                name = f"{entry.name}_{end}"
                result.append(Scenario(name, (entry,), "pinned", pinned, OTHER_THRESHOLD))
    if entries:
        result.append(Scenario("all", entries, "random", {}, OTHER_THRESHOLD))
    return tuple(result)


def _latency_of(signals: Sequence[Signal], randomization: Sequence[Randomize]) -> list[Randomize]:
    from fnmatch import fnmatchcase

    explicit = [e.select for e in randomization if (e.target, e.field) == ("signal", "latency")]
    return [
        Randomize(
            name=f"latency_{signal.name}",
            target="signal",
            select=signal.name,
            field="latency",
            operation="abs",
            low=signal.latency_s[0],
            high=signal.latency_s[1],
        )
        for signal in signals
        if signal.sensors
        and signal.latency_s[0] < signal.latency_s[1]
        and not any(fnmatchcase(signal.name, pattern) for pattern in explicit)
    ]
