"""One stage with everything it needs: config, inputs, foreign files, seed, and the ref it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.core.errors import R2SError
from r2s.engine.catalog import STAGES
from r2s.engine.stage import StageSpec

if TYPE_CHECKING:
    from r2s.artifacts.base import Frozen
    from r2s.store import Store


@dataclass(frozen=True, eq=False)
class Step:
    """A node of the graph of one command.

    Attributes:
        stage: what runs.
        config: its validated config.
        inputs: role to the step that makes the input, or to the digest of one that exists.
        sources: role to foreign file.
        ref: name of the ref that will point to the result, or a function of the result's config.
        check: called with the store and the input digests before the step is decided; raises when
            the step must not run (another robot in the scene, a failed gate).
    """

    stage: StageSpec
    config: Frozen
    inputs: Mapping[str, Step | str] = field(default_factory=dict)
    sources: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    ref: str | Callable[[Mapping[str, Any]], str] = ""
    check: Callable[[Store, Mapping[str, str]], None] | None = None

    def ref_of(self, config: Mapping[str, Any]) -> str:
        """Return the ref's name, given the result's config."""
        return self.ref(config) if callable(self.ref) else self.ref


def in_order(target: Step) -> list[Step]:
    """Return the steps `target` needs, itself last, every input before its user, each once."""
    ordered: list[Step] = []

    def visit(step: Step) -> None:
        if step in ordered:
            return
        for source in step.inputs.values():
            if isinstance(source, Step):
                visit(source)
        ordered.append(step)

    visit(target)
    return ordered


def step_of(record: Mapping[str, Any], stages: Mapping[str, StageSpec] = STAGES) -> Step:
    """Return the step a run record tells of, without a ref.

    Raises:
        R2SError: this r2s has no such stage.
    """
    components = record["components"]
    if components["stage"] not in stages:
        raise R2SError(
            "R2S-ENGINE-012",
            f"this r2s has no stage {components['stage']!r}",
            where=record["output"],
            remedy="pip install --upgrade r2s-pipeline",
        )
    stage = stages[components["stage"]]
    return Step(
        stage,
        stage.config(components["config"]),
        inputs=components["inputs"],
        sources={role: Path(path) for role, path in record["sources"].items()},
        seed=components["seed"],
    )
