"""`r2s build-scene`: a reconstruction and a robot become a scene with a task."""

from __future__ import annotations

from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import R2SError

CONFIGS = ("build_scene", "reconstruct", "robot")


def build_scene(
    session: Session,
    robot: Annotated[
        str | None,
        typer.Option(help="URDF or MJCF file, or a robot already imported (robot/so101)."),
    ] = None,
    scan: Annotated[
        str | None, typer.Option(help="Name of the scan, when it is not the scene's own name.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Forget the settings of the scene; it may be of another robot or task.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Put the robot and its task into the twin of the place; reconstructs on the way.

    Makes scene/NAME (and reconstruction/NAME, robot/MODEL) and makes NAME current. A scene that is
    there keeps the settings that are not given again.
    """
    from r2s.engine import graph
    from r2s.engine.names import checked_name

    store = session.store()
    name = checked_name(session.current(store, session.name or scan))
    settings = session.settings()
    if not replace:
        settings = graph.scene_settings(store, name, settings)
    scan_name, scan_digest = _scan(session, scan, name)
    reconstruction = graph.reconstruction_for(store, scan_digest, scan_name, settings)
    imported = graph.robot_for(store, robot, name, settings)
    step = graph.build_scene(reconstruction, imported, name, settings, replace=replace)
    results = session.execute(store, step, force=force)
    store.set_current(name)
    return Outcome.made(results, next="r2s train")


def _scan(session: Session, wanted: str | None, name: str) -> tuple[str, str]:
    """Return (name, digest) of the scan: `--scan`, the scene's own name, the current name, the only one."""
    from r2s.engine import graph

    store = session.store()
    if wanted is not None:
        plain = wanted.removeprefix("scan/")
        remedy = f"r2s scan CAPTURE --name {plain}"
        return plain, graph.found(store, f"scan/{plain}", remedy=remedy)
    for candidate in (name, store.current):
        digest = graph.scan_of(store, candidate) if candidate else None
        if candidate and digest is not None:
            return candidate, digest
    scans = sorted(ref.removeprefix("scan/") for ref in store.refs() if ref.startswith("scan/"))
    if len(scans) == 1:
        return scans[0], graph.found(store, f"scan/{scans[0]}", remedy="r2s status")
    raise R2SError(
        "R2S-NAME-005",
        f"there is no scan called {name}",
        where=f"scans here: {', '.join(scans) or 'none'}",
        why="a scene is built from a scan",
        remedy=f"r2s build-scene --scan {scans[0]}" if scans else "r2s scan CAPTURE --name lab",
    )
