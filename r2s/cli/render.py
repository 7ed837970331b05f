"""`r2s render`: a picture of any artifact, without a GPU or a display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import R2SError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from r2s.store import Store

PNG, GIF = ".png", ".gif"
ON_THE_SCENE = ("scene", "policy", "validation", "bundle")


def render(
    session: Session,
    ref: Annotated[
        str | None, typer.Argument(help="scan/lab, reconstruction/lab, scene/lab, policy/lab, ...")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture (.png) or a policy's film (.gif).")
    ] = Path("r2s.png"),
    width: Annotated[int, typer.Option(min=64, max=4096, help="Pixels.")] = 960,
    height: Annotated[int, typer.Option(min=64, max=4096, help="Pixels.")] = 720,
    episodes: Annotated[int, typer.Option(min=1, max=20, help="Episodes of a film.")] = 3,
    colliders: Annotated[
        bool, typer.Option("--colliders", help="Draw what the robot collides with instead.")
    ] = False,
    gl: Annotated[bool, typer.Option("--gl", help="Use MuJoCo's OpenGL renderer.")] = False,
) -> Outcome:
    """Draw a scan, the twin over its scan, a scene with its robot, or a policy at work.

    A reconstruction is drawn over the scan it came from; a policy at the end of an episode, or as a
    film when the output ends in .gif.
    """
    from r2s.engine.lineage import family

    if output.suffix not in (PNG, GIF):
        raise UsageError(
            "R2S-CLI-020",
            f"{output.suffix or 'no suffix'} is no picture r2s writes",
            where=str(output),
            remedy="r2s render REF -o picture.png   # or film.gif for a policy",
        )
    store = session.store()
    chosen = ref or most_made(store, session.current(store))
    digest = store.resolve(chosen)
    kind = store.get(digest).kind
    artifacts = family(store, digest)
    size = (width, height)
    if output.suffix == GIF:
        frames = _film(session, kind, artifacts, size, episodes, colliders)
    else:
        frames = [picture(kind, artifacts, size, gl, colliders, chosen)]
    _write(frames, output)
    text = f"{output}  {frames[0].shape[1]} x {frames[0].shape[0]}, {output.stat().st_size:,} bytes"
    return Outcome(text, extra={"output": str(output), "frames": len(frames), "kind": kind})


def most_made(store: Store, name: str) -> str:
    """Return what the chain of `name` has come to, of what stands in the place."""
    made = (f"{kind}/{name}" for kind in ("scene", "reconstruction"))
    return next((ref for ref in made if store.ref(ref)), f"scan/{name}")


def picture(
    kind: str, artifacts: Mapping[str, Any], size: tuple[int, int], gl: bool, colliders: bool,
    chosen: str,
) -> np.ndarray:  # fmt: skip
    from r2s.report import render as pictures
    from r2s.report.overlay import render_overlay

    if kind == "scan":
        return pictures.render_scan(artifacts["scan"], size=size)
    if kind == "reconstruction":
        return render_overlay(artifacts["scan"], artifacts["reconstruction"], size=size)
    if kind == "scene":
        engine = "gl" if gl else "rays"
        return pictures.render_scene(
            artifacts["scene"], colliders=colliders, size=size, engine=engine
        )
    if kind in ON_THE_SCENE:
        from r2s.report.film import film

        shown = artifacts["policy"], artifacts["scene"]
        *_, last = film(*shown, colliders=colliders, count=1, size=size)
        return last
    raise R2SError(
        "R2S-CLI-021",
        f"a {kind} alone has nothing to draw",
        where=chosen,
        why="it stands nowhere yet",
        remedy="r2s build-scene --robot ROBOT.urdf && r2s render scene",
    )


def _film(
    session: Session, kind: str, artifacts: Mapping[str, Any], size: tuple[int, int], episodes: int,
    colliders: bool,
) -> list[np.ndarray]:  # fmt: skip
    from r2s.report.film import FILM_SIZE, film

    if "policy" not in artifacts:
        raise R2SError(
            "R2S-CLI-022",
            f"a {kind} has no policy to film",
            why="a film shows a policy at work",
            remedy="r2s train && r2s render policy -o film.gif",
        )
    size = min(size, FILM_SIZE)
    shown = artifacts["policy"], artifacts["scene"]
    return list(film(*shown, colliders=colliders, count=episodes, seed=session.seed, size=size))


def _write(frames: list[np.ndarray], output: Path) -> None:
    from r2s.report.film import FRAME_RATE_HZ
    from r2s.report.render import write_gif, write_png

    try:
        if output.suffix == GIF:
            write_gif(frames, output, FRAME_RATE_HZ)
        else:
            write_png(frames[0], output)
    except OSError as exc:
        raise R2SError(
            "R2S-CLI-023",
            f"the picture cannot be written: {exc.strerror or exc}",
            where=str(output),
            remedy=f"r2s render -o {Path.home() / output.name}",
        ) from exc
