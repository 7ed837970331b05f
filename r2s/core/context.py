"""What a stage may touch besides its inputs: scratch space, progress, cancellation, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from r2s.core.errors import Interrupted


class Progress(Protocol):
    """Receives what a stage is doing. Called often; the receiver decides how often it draws."""

    def __call__(
        self, label: str, done: float, total: float | None = None, **values: float
    ) -> None:
        """Report `done` of `total` (None: unknown) of the step `label`, with live `values`."""
        ...


class Checkpoint(Protocol):
    """Durable state of an unfinished action, keyed by the action, verified on read."""

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        """Keep `files` as the newest checkpoint. On return they survive kill -9 and power loss."""
        ...

    def latest(self) -> tuple[int, Mapping[str, bytes]] | None:
        """Return the newest complete checkpoint as (step, files), or None."""
        ...


def silent(label: str, done: float, total: float | None = None, **values: float) -> None:
    """A `Progress` that shows nothing."""


class NoCheckpoint:
    """A `Checkpoint` that forgets, for stages run outside an engine."""

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        pass

    def latest(self) -> None:
        return None


def never() -> bool:
    """A `cancelled` that never is."""
    return False


@dataclass(frozen=True)
class StageContext:
    """The only way out of a stage.

    Attributes:
        scratch: an empty folder that is removed afterwards; the only place a stage may write.
        sources: foreign files of this run by role (`capture`, `robot`), read-only.
        seed: the run's seed; derive streams from it with `r2s.core.seeds`.
        progress: see `Progress`.
        cancelled: true once the user asked to stop.
        checkpoint: see `Checkpoint`.
        facts: measured things that differ from run to run (seconds, steps/s, peak memory). They go
            into the run record and `--json`, never into an artifact.
    """

    scratch: Path
    sources: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    progress: Progress = silent
    cancelled: Callable[[], bool] = never
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    facts: dict[str, Any] = field(default_factory=dict)

    def stop_if_cancelled(self) -> None:
        """Raise `Interrupted` once the user asked to stop. Call where stopping loses little."""
        if self.cancelled():
            raise Interrupted
