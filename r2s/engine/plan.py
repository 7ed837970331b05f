"""HIT or RUN because ...: one planner for `plan`, dry runs and real runs, so that they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from r2s.core.errors import IntegrityError
from r2s.engine.key import Action, action
from r2s.engine.step import Step, in_order
from r2s.engine.why import reasons

if TYPE_CHECKING:
    from r2s.store import Store


@dataclass(frozen=True)
class Decision:
    """What happens to a step.

    Attributes:
        action: its key and components; None while an input of it is not made yet.
        record: the run record whose result is reused; None when the step must run.
        because: why it runs, in words; empty for a hit.
    """

    step: Step
    action: Action | None
    record: Mapping[str, Any] | None
    because: tuple[str, ...] = ()

    @property
    def hit(self) -> bool:
        return self.record is not None

    def __str__(self) -> str:
        if self.record is not None:
            return f"HIT {self.step.stage.command} {self.record['output']}"
        return f"RUN {self.step.stage.command} because {'; '.join(self.because)}"


class Planner:
    """Decides steps against a store. A hit is a record whose every byte is there and verified."""

    def __init__(self, store: Store, *, force: frozenset[str] = frozenset()):
        """Args:
        force: names of stages that run although a result exists.
        """
        self._store = store
        self._force = force
        self._verified: set[str] = set()

    def decide(self, step: Step, inputs: Mapping[str, str]) -> Decision:
        """Return what happens to `step` on existing inputs (role to digest).

        Raises:
            R2SError: the step's own check refuses it, or a foreign file cannot be read.
        """
        if step.check is not None:
            step.check(self._store, inputs)
        todo = action(
            step.stage, config=step.config, inputs=inputs, sources=step.sources, seed=step.seed
        )
        if step.stage.name in self._force:
            return Decision(step, todo, None, ("--force asks for it",))
        record = self._store.get_run(todo.key)
        if record is None:
            return Decision(step, todo, None, tuple(reasons(self._store, todo.components)))
        damage = self._damage(record["output"])
        if damage:
            return Decision(step, todo, None, (damage,))
        return Decision(step, todo, record)

    def plan(self, target: Step) -> Iterator[Decision]:
        """Yield the decisions for `target` and all it needs, in the order they would run."""
        made: dict[Step, str | None] = {}
        for step in in_order(target):
            inputs = {
                role: made[source] if isinstance(source, Step) else source
                for role, source in step.inputs.items()
            }
            waiting = [role for role, digest in inputs.items() if digest is None]
            if waiting:
                because = f"its input {' and '.join(waiting)} will be made first"
                decision = Decision(step, None, None, (because,))
            else:
                decision = self.decide(step, {r: d for r, d in inputs.items() if d is not None})
            made[step] = decision.record["output"] if decision.record else None
            yield decision

    def _damage(self, digest: str) -> str:
        """Return what is wrong with a stored artifact, or "". Reads and verifies every byte once."""
        if digest in self._verified:
            return ""
        try:
            stored = self._store.get(digest)
            for name in stored.files:
                stored.files[name]
        except IntegrityError as exc:
            return f"its stored result is damaged or gone ({exc.what})"
        self._verified.add(digest)
        return ""
