"""`r2s robot`: a URDF or MJCF description becomes a robot ready for simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome, describe
from r2s.cli.session import Session

CONFIGS = ("robot",)


def robot(
    session: Session,
    description: Annotated[Path, typer.Argument(help="URDF or MJCF file.")],
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Import a robot: resolve meshes, repair inertias, add actuators, and list every repair.

    Makes robot/MODEL. `build-scene --robot FILE` does this by itself.
    """
    from r2s.engine import graph
    from r2s.engine.names import printable

    store = session.store(create=True)
    step = graph.robot(description, session.settings())
    result = session.execute(store, step, force=force)[-1]
    repairs = store.get(result.digest).config["repairs"]
    lines = [
        printable(f"  repaired {each['element']}: {each['rule']} ({each['reason']})")
        for each in repairs
    ]
    return Outcome(
        "\n".join([describe(result), *lines]),
        result,
        {"repairs": repairs},
        next=f"r2s build-scene --robot {result.ref} --task reach",
    )
