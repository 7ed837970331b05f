"""`r2s view`: a scene in MuJoCo's interactive viewer, or a picture where there is no display."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session


def view(
    session: Session,
    ref: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Scene to look at.")] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Show the model training uses instead.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write without a display.")
    ] = Path("view.png"),
) -> Outcome:
    """Open a scene in MuJoCo's viewer; without a display, write a picture of it."""
    from r2s.artifacts.scene import Scene
    from r2s.engine import graph

    store = session.store()
    current = session.current(store, ref)
    digest = graph.found(store, f"scene/{current}", remedy="r2s build-scene")
    file = "scene_train.xml" if train else "scene.xml"
    if _has_display():
        with tempfile.TemporaryDirectory(prefix="r2s-view-") as folder:
            store.export(digest, Path(folder))
            _open(Path(folder) / file)
        return Outcome(f"closed {file} of scene/{current}")
    from r2s.report.render import Player, write_png

    stored = store.get(digest)
    write_png(Player(Scene.decode(stored.config, stored.files), file=file).frame(), output)
    return Outcome(f"no display here: {output}", extra={"output": str(output)})


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(xml: Path) -> None:
    import mujoco
    import mujoco.viewer

    model = mujoco.MjModel.from_xml_path(str(xml))
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.viewer.launch(model, data)
