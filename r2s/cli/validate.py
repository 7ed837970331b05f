"""`r2s validate`: the exported policy against the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import GateFailed

CONFIGS = ("validate",)


def validate(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Policy to judge.")] = None,
    require_pass: Annotated[
        bool, typer.Option("--require-pass", help="Exit 4 unless the verdict is pass.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Run the policy's ONNX graph in careful physics over named scenarios and give a verdict.

    Makes validation/NAME. Exits 0 on any verdict unless --require-pass.
    """
    from r2s.engine import graph

    store = session.store()
    current = session.current(store, ref)
    policy = graph.found(store, f"policy/{current}", remedy=f"r2s train {current}")
    scene = store.get(policy).inputs["scene"]
    step = graph.validate(policy, scene, current, session.settings())
    results = session.execute(store, step, force=force)
    verdict = store.get(results[-1].digest).config
    passed = verdict["verdict"] == "pass"
    error = None if passed or not require_pass else _not_passed(current, verdict)
    return Outcome.made(
        results,
        f"  reason  {verdict['reason']}",
        extra={"reason": verdict["reason"]},
        next="r2s export --target TARGET" if passed else "",
        error=error,
    )


def _not_passed(name: str, verdict: Mapping[str, Any]) -> GateFailed:
    return GateFailed(
        "R2S-GATE-001",
        f"policy/{name} did not pass its gate: {verdict['verdict']}",
        where=f"validation/{name}",
        why=verdict["reason"],
        remedy=f"r2s show validation/{name}   # lists the scenarios",
    )
