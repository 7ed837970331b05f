"""`r2s robot`: a URDF or MJCF description becomes a robot ready for simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r2s.cli.output import Outcome, describe
from r2s.cli.session import Session
from r2s.core.errors import R2SError, UsageError

if TYPE_CHECKING:
    from r2s.artifacts.robot import Robot, RobotInfo
    from r2s.store.store import Stored

CONFIGS = ("robot",)
INSPECT = "inspect"


def robot(
    session: Session,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[inspect] DESCRIPTION",
            help="URDF, MJCF or xacro file, menagerie:NAME, description:NAME; inspect: robot/NAME too.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture (.png) that `inspect` writes.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run although a result exists.")] = False,
) -> Outcome:
    """Import a robot: resolve meshes, repair inertias, add actuators, and list every repair.

    Makes robot/MODEL. `build-scene --robot FILE` does this by itself. `r2s robot inspect FILE` shows the
    tree, masses, joints, actuators, colliders and repairs besides, and with -o a picture.
    """
    from r2s.engine import graph
    from r2s.engine.catalog import decoded
    from r2s.engine.names import printable

    inspecting = words[:1] == [INSPECT] and len(words) > 1
    names = words[1:] if inspecting else words
    if len(names) != 1 or (output is not None and not inspecting):
        raise UsageError(
            "R2S-ROBOT-033",
            f"`r2s robot {' '.join(words)}` is not understood",
            why="`robot` takes one description; `inspect` before it looks inside, with -o for a picture",
            remedy="r2s robot FILE.urdf   or   r2s robot inspect FILE.urdf -o robot.png",
        )
    if output is not None and output.suffix != ".png":
        raise _no_picture(output, "its name must end in .png")
    if inspecting and (held := _stored(session, names[0])) is not None:
        made = decoded(held)
        return _inspected(made, names[0], output, _following(names[0], made.info))
    store = session.store(create=True)
    step = graph.robot(graph.description(names[0]), session.settings())
    result = session.execute(store, step, force=force)[-1]
    held = store.get(result.digest)
    repairs = held.config["repairs"]
    made = decoded(held)
    following = _following(str(result.ref), made.info)
    if inspecting:
        return _inspected(made, describe(result), output, following)
    lines = [
        printable(f"  repaired {each['element']}: {each['rule']} ({each['reason']})")
        for each in repairs
    ]
    return Outcome(
        "\n".join([describe(result), *lines]), result, {"repairs": repairs}, next=following
    )


def _stored(session: Session, name: str) -> Stored | None:
    """Return the workspace's own robot of this name, `robot/NAME`; None if it is a description."""
    if not name.startswith("robot/") or Path(name).exists():
        return None
    store = session.store()
    return store.get(store.resolve(name))


def _following(ref: str, robot: RobotInfo) -> str:
    from r2s.scene.ability import natural_task

    return f"r2s build-scene --robot {ref} --task {natural_task(robot)}"


def _inspected(made: Robot, said: str, output: Path | None, following: str) -> Outcome:
    from r2s.cli.robot_sheet import document, sheet

    text = f"{said}\n\n{sheet(made)}"
    extra = document(made)
    if output is not None:
        from r2s.report.render import write_png
        from r2s.report.robots import render_robot

        try:
            write_png(render_robot(made), output)
        except OSError as exc:
            raise _no_picture(output, exc.strerror or str(exc)) from exc
        text += f"\n\n{output}"
        extra["output"] = str(output)
    return Outcome(text, extra=extra, next=following)


def _no_picture(output: Path, why: str) -> R2SError:
    return R2SError(
        "R2S-ROBOT-034",
        "the picture of the robot cannot be written",
        where=str(output),
        why=why,
        remedy="r2s robot inspect FILE -o robot.png",
    )
