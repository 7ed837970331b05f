"""`r2s export`: a policy that passed its gate becomes a bundle for the robot's computer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session

CONFIGS = ("export", "validate")


def export(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Policy to export.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write the bundle's files to.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Package a policy for a target; validates on the way and refuses one that did not pass.

    Makes bundle/NAME-TARGET. With --output, also writes its files there.
    """
    from r2s.engine import advice, graph

    store = session.store()
    settings = session.settings()
    current = session.current(store, ref)
    policy = graph.found(store, f"policy/{current}", remedy=f"r2s train {current}")
    if note := advice.stale(store, current, "policy"):
        session.tell(f"warning: {note}; r2s train makes it anew")
    scene = store.get(policy).inputs["scene"]
    validation = graph.validation_for(store, policy, scene, current, settings)
    step = graph.export(policy, validation, scene, current, settings)
    results = session.execute(store, step, force=force)
    made = results[-1]
    if output is None:
        following = f"r2s unpack {made.ref} -o {made.ref.split('/')[-1]}"
        return Outcome.made(results, next=following)
    store.export(made.digest, output)
    return Outcome.made(results, f"  files in {output}", extra={"output": str(output)})
