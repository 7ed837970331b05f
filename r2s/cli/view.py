"""`r2s view`: a scene in MuJoCo's viewer, anything of a place in the browser, or at least a picture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import R2SError

IN_THE_BROWSER = ("scan", "reconstruction", "scene", "policy", "validation", "bundle")


def view(
    session: Session,
    ref: Annotated[
        str | None, typer.Argument(help="scan/lab, reconstruction/lab, scene/lab, policy/lab, ...")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Serve it to the browser, even with a display.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0: 8080 or the next free one.")
    ] = 0,
    colliders: Annotated[
        bool, typer.Option("--colliders", help="Begin with what the robot collides with.")
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Show the model training uses instead (no browser).")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write where nothing else goes.")
    ] = Path("view.png"),
) -> Outcome:
    """Look around in a scan, a twin, a scene with its robot, or at a policy at work.

    A scene opens in MuJoCo's viewer where there is a display. Everything else, and all with
    `--browser`, is a page that only this machine can open: layers to switch, joints to move, a policy
    to play; Ctrl-C ends it. Without a display and without viser a picture is written.
    """
    from r2s.engine.lineage import family
    from r2s.report.browser import EXTRA, has_viser

    store = session.store()
    chosen = _chosen(session, ref)
    digest = store.resolve(chosen)
    kind = store.get(digest).kind
    if kind not in IN_THE_BROWSER:
        raise _nothing_to_see(kind, chosen)
    if kind == "scene" and not browser and _has_display():
        file = "scene_train.xml" if train else "scene.xml"
        with tempfile.TemporaryDirectory(prefix="r2s-view-") as folder:
            store.export(digest, Path(folder))
            _open(Path(folder) / file)
        return Outcome(f"closed {file} of {chosen}")
    artifacts = family(store, digest)
    if train or (not browser and not port and not has_viser()):
        if train and "scene" not in artifacts:
            raise _no_training_model(kind, chosen)
        _picture(kind, artifacts, output, train, colliders, chosen)
        said = "no display here" if train else f"viser is not here ({EXTRA})"
        return Outcome(f"{said}, a picture instead: {output}", extra={"output": str(output)})
    from r2s.report.viewing import View

    page = View(artifacts, port=port, colliders=colliders, seed=session.seed)
    url = page.page.url
    text = f"{chosen} is at {url}   (Ctrl-C ends it)"
    return Outcome(text, extra={"url": url, "kind": kind, "ref": chosen}, then=page.run)


def _chosen(session: Session, ref: str | None) -> str:
    """Return the selector to look at: as given, else what has been made of a name."""
    from r2s.cli.render import most_made

    store = session.store()
    if ref is not None and (f"scene/{ref}" not in store.refs() or "/" in ref):
        return ref
    return most_made(store, session.current(store, ref))


def _picture(kind: str, artifacts, output: Path, train: bool, colliders: bool, chosen: str) -> None:
    from r2s.cli.render import picture
    from r2s.report.render import SIZE, Player, write_png

    if train:
        file, scene = "scene_train.xml", artifacts["scene"]
        write_png(Player(scene, file=file, colliders=colliders).frame(), output)
    else:
        write_png(picture(kind, artifacts, SIZE, False, colliders, chosen), output)


def _nothing_to_see(kind: str, chosen: str) -> R2SError:
    return R2SError(
        "R2S-CLI-026",
        f"a {kind} alone is nowhere to look around in",
        where=chosen,
        why="it stands nowhere yet",
        remedy="r2s build-scene --robot ROBOT.urdf && r2s view"
        + ("   # or r2s robot inspect" if kind == "robot" else ""),
    )


def _no_training_model(kind: str, chosen: str) -> R2SError:
    return R2SError(
        "R2S-CLI-027",
        f"a {kind} has no training model",
        where=chosen,
        why="--train shows the model of a scene that training uses",
        remedy="r2s view scene/NAME --train   # or without --train",
    )


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
