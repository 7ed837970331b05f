"""Making a damaged artifact again: the same action, run once more, must give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from r2s.core.errors import NotReproducible, R2SError
from r2s.engine.catalog import STAGES
from r2s.engine.execute import Executor
from r2s.engine.key import action
from r2s.engine.stage import StageSpec
from r2s.engine.step import step_of

if TYPE_CHECKING:
    from r2s.engine.execute import Reporter
    from r2s.store import Store


def recall_current(store: Store) -> str | None:
    """Make the name current that was scanned or built last, where repair lost the current one.

    Returns:
        That name, or None: there is one, or nothing to tell it from.
    """
    if store.current is not None:
        return None
    moved = [
        (store.reflog(ref)[0].at_s, ref.split("/", 1)[1])
        for ref in store.refs()
        if ref.startswith(("scan/", "scene/"))
    ]
    if not moved:
        return None
    name = max(moved)[1]
    store.set_current(name)
    return name


def remake(
    store: Store,
    record: Mapping[str, Any],
    *,
    reporter: Reporter | None = None,
    stages: Mapping[str, StageSpec] = STAGES,
) -> str:
    """Run the action of a run record again and return the digest of its output, now whole.

    Raises:
        R2SError: its foreign files are gone or changed, or this r2s would run another action.
        NotReproducible: it gave other bytes; they are kept as a second attempt.
    """
    step = step_of(record, stages)
    components = record["components"]
    inputs = components["inputs"]
    now = action(
        step.stage, config=step.config, inputs=inputs, sources=step.sources, seed=step.seed
    )
    if now.key != record["key"]:
        from r2s.engine.why import changes

        raise R2SError(
            "R2S-ENGINE-010",
            f"stage {step.stage.command} cannot be repeated as it was",
            where=record["output"],
            why="; ".join(changes(components, now.components)) or "its record is of another format",
            remedy=record.get("command") or f"r2s {step.stage.command}",
        )
    executor = Executor(store, reporter=reporter, command="r2s fsck --repair")
    digest = executor.run(step)[-1].digest
    if digest != record["output"]:
        raise NotReproducible(
            "R2S-ENGINE-011",
            f"stage {step.stage.command} gave other bytes this time",
            where=f"{record['output']} before, {digest} now",
            why=f"it is declared {step.stage.load().DETERMINISM}",
            remedy=f"r2s diff {record['output'][7:19]} {digest[7:19]}",
        )
    return digest
