"""`r2s reconstruct`: a scan becomes bodies with collision geometry and physics."""

from __future__ import annotations

from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session

CONFIGS = ("reconstruct",)


def reconstruct(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Scan to use.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Turn a scan into planes, boxes, hulls and objects, and check them against its rays.

    Makes reconstruction/NAME. `build-scene` does this by itself when it is needed. What `r2s layout edit`
    changed stays changed.
    """
    from r2s.engine import graph

    store = session.store()
    current = session.current(store, ref)
    scan = graph.found(store, f"scan/{current}", remedy=f"r2s scan CAPTURE --name {current}")
    settings = graph.keep_edits(store, current, session.settings())
    step = graph.reconstruct(scan, current, settings)
    results = session.execute(store, step, force=force)
    return Outcome.made(results, next="r2s build-scene --robot ROBOT.urdf --task reach")
