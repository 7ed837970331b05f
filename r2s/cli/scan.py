"""`r2s scan`: a capture becomes a scan in metres, z up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session

CONFIGS = ("scan",)


def scan(
    session: Session,
    captures: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAPTURE...",
            help="Point cloud, mesh, ROS recording or RGB-D folder; or several overlapping clouds.",
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Read a capture: find its unit and gravity, remove outliers, average in voxels.

    Makes scan/NAME and makes NAME current; NAME is the file's name unless --name says otherwise.
    """
    from r2s.engine import graph
    from r2s.engine.names import checked_name, name_from

    name = checked_name(session.name or name_from(captures[0].stem))
    step = graph.scan(captures, name, session.settings())
    store = session.store(create=True)
    results = session.execute(store, step, force=force)
    store.set_current(name)
    return Outcome.made(results, next="r2s build-scene --robot ROBOT.urdf --task reach")
