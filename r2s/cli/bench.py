"""`r2s bench`: how fast training runs on this machine, and what share of it is physics."""

from __future__ import annotations

from typing import Annotated

import typer

from r2s.cli.output import Outcome, table
from r2s.cli.session import Session

CONFIGS = ("train",)


def bench(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Scene to bench.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds to measure.")] = 4,
) -> Outcome:
    """Measure training and bare physics of a scene in one run, in turns.

    Changes nothing in the workspace.
    """
    from r2s.engine import graph
    from r2s.engine.trust import opened
    from r2s.train.bench import bench as measure
    from r2s.train.config import Config

    store = session.store()
    current = session.current(store, ref)
    digest = graph.found(store, f"scene/{current}", remedy="r2s build-scene")
    config = Config.model_validate(dict(session.configs.get("train", {})))
    metrics = measure(opened(store, digest), config, rounds)
    artifact = {"kind": "scene", "id": digest, "ref": f"scene/{current}"}
    return Outcome("\n".join(table(metrics)), extra={"artifact": artifact, "metrics": metrics})
