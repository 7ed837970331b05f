"""`r2s train`: thousands of randomized twins, one policy."""

from __future__ import annotations

from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session

CONFIGS = ("train",)


def train(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Scene to use.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Train a policy in randomized copies of the scene. Interrupted, the same command goes on.

    Makes policy/NAME.
    """
    from r2s.engine import advice, graph

    store = session.store()
    current = session.current(store, ref)
    remedy = f"r2s build-scene --name {current} --robot ROBOT.urdf --task reach"
    scene = graph.found(store, f"scene/{current}", remedy=remedy)
    if note := advice.stale(store, current, "scene"):
        session.tell(f"warning: {note}; r2s build-scene makes it anew")
    step = graph.train(scene, current, session.settings())
    results = session.execute(store, step, force=force)
    return Outcome.made(results, next="r2s export --target TARGET")
