"""The seam between engines and learning: a collector turns a policy into trajectories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import numpy as np

from r2s.policy.networks import PolicyState

State = TypeVar("State")


class Trajectories(NamedTuple):
    """`steps` control steps of `copies` copies. T steps, N copies.

    A copy spends one control step settling after each reset; that step is not valid, and its row of
    `observation` holds the last observation of the episode before. So the value of row t+1 is always
    the value of what followed step t, time limits included, and rows after `terminated` count nothing.

    Attributes:
        observation: (T+1, N, d) critic inputs; the actor's are the first columns.
        action: (T, N, a) as sampled, before clipping to [-1, 1].
        log_prob: (T, N) of `action` under the policy that sampled it.
        reward: (T, N).
        terminated: (T, N) bool, the episode ended and its future is worth nothing.
        ended: (T, N) bool, the episode ended, for whatever reason, crashes included.
        valid: (T, N) bool, the row may be learned from: not settling, not crashed.
        crashed: (T, N) bool, the engine failed in this copy.
        counted: (T, N) bool, a whole episode ended here (not crashed, not cut at the start).
        success: (T, N) bool, where counted: was it a success?
        episode_return: (T, N) sum of rewards, where counted.
        sample: (T, N, v) randomization of the copy during this step.
        terms: (T, r) mean of each weighted reward term over valid rows; (T, N, r), each copy's, where
            the environment tells every term.
    """

    observation: Any
    action: Any
    log_prob: Any
    reward: Any
    terminated: Any
    ended: Any
    valid: Any
    crashed: Any
    counted: Any
    success: Any
    episode_return: Any
    sample: Any
    terms: Any


@dataclass(frozen=True)
class Failure:
    """One copy whose engine failed; it was reset and its step left out of returns and gradients.

    Attributes:
        copy: index of the copy.
        step: control step within the collection.
        cause: the engine's own words.
        sample: randomization the copy ran with, by `name[index]`.
    """

    copy: int
    step: int
    cause: str
    sample: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"copy": self.copy, "step": self.step, "cause": self.cause, "sample": self.sample}


@dataclass
class PhysicsClock:
    """Where the time went, for facts and benchmarks; never for decisions."""

    physics_s: float = 0.0
    physics_steps: int = 0
    collect_s: float = 0.0

    def add(self, before: PhysicsClock, after: PhysicsClock) -> None:
        """Count what passed between two readings of another clock."""
        self.physics_s += after.physics_s - before.physics_s
        self.physics_steps += after.physics_steps - before.physics_steps
        self.collect_s += after.collect_s - before.collect_s

    def clear(self) -> None:
        self.physics_s = self.collect_s = 0.0
        self.physics_steps = 0


class Collector(Protocol, Generic[State]):
    """An engine as training sees it. `State` holds everything, so that equal states go on equally."""

    engine: str
    copies: int
    clock: PhysicsClock

    def initial(self, key: jax.Array | np.ndarray, *, staggered: bool) -> State:
        """Return all copies at the start of an episode.

        `staggered` cuts first episodes at random lengths, so that copies do not end in step.
        """
        ...

    def collect(
        self,
        policy: PolicyState,
        state: State,
        key: jax.Array | np.ndarray,
        *,
        steps: int,
        explore: bool,
    ) -> tuple[Trajectories, State, list[Failure]]:
        """Run `steps` control steps of every copy; without `explore` the policy is deterministic."""
        ...

    def arrays(self, state: State) -> dict[str, np.ndarray]:
        """Return the state as named arrays, for a checkpoint."""
        ...

    def restore(self, arrays: dict[str, np.ndarray]) -> State:
        """Return the state that `arrays` was made from."""
        ...
