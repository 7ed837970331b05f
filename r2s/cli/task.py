"""`r2s task`: is a task sound, before hours are spent on it?"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session
from r2s.core.errors import UsageError

if TYPE_CHECKING:
    from r2s.artifacts.scene import Scene
    from r2s.train.task_check import Report

CHECK = "check"
HEAD = ("term", "weight", "least", "mean", "most", "share")


def task(
    session: Session,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="check [FILE.py:Class | NAME]", help="Your task, or the scene's."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Training to look for a success, at most [s].")
    ] = 60.0,
    copies: Annotated[
        int, typer.Option(min=0, max=4096, help="Copies of the scene; 0: chosen.")
    ] = 0,
) -> Outcome:
    """Check a task in a scene: finite and bounded rewards, episode ends, determinism, success in reach.

    `r2s task check my_task.py:MyTask` tries a file of your own in the scene there is, without building it
    anew; `r2s task check` the scene's task. Exits 1 with the finding where a task is not sound.
    """
    from r2s.cli.progress import reporter
    from r2s.engine import graph
    from r2s.engine.trust import opened
    from r2s.tasks.user import names_file

    words = list(words or [])
    if words[:1] != [CHECK] or len(words) > 2:
        raise UsageError(
            "R2S-TASK-038",
            f"`{' '.join(['r2s', 'task', *words])}` is not understood",
            why="`task` has one word, `check`, and takes a file or the name of a scene after it",
            remedy="r2s task check   or   r2s task check my_task.py:MyTask",
        )
    wanted = words[1] if len(words) == 2 else None
    file = wanted if wanted is not None and names_file(wanted) else None
    store = session.store()
    name = session.current(store, None if file else wanted)
    remedy = f"r2s build-scene --name {name} --robot ROBOT.urdf --task {file or 'reach'}"
    digest = graph.found(store, f"scene/{name}", remedy=remedy)
    held = opened(store, digest)
    scene = held if file is None else with_task(held, file, name)

    from r2s.train.task_check import check_task

    with reporter(quiet=session.quiet, verbose=session.verbose) as reports:
        progress = reports.named("task check")
        report = check_task(
            scene, copies=copies, seconds=seconds, seed=session.seed, progress=progress
        )
    return Outcome(
        text_of(report, f"scene/{name}"),
        extra={
            "artifact": {"kind": "scene", "id": digest, "ref": f"scene/{name}"},
            **document(report),
        },
        error=report.findings[0] if report.findings else None,
        next="" if report.findings else following(scene, held, file),
    )


def with_task(scene: Scene, file: str, name: str) -> Scene:
    """Return the scene with the task of a user's file in place of its own.

    Raises:
        UsageError: the task plays in scenes of another kind (`R2S-TASK-037`), or see `read_task`.
    """
    from r2s.tasks.user import read_task, spec_of

    own = read_task(file)
    spec = spec_of(own)
    if spec.like != scene.info.task.kind:
        raise UsageError(
            "R2S-TASK-037",
            f"task {own.name} plays in scenes like {spec.like!r}, and this one is like "
            f"{scene.info.task.kind!r}",
            where=f"scene/{name}",
            why="a task needs the signals, goals and control rate of its kind of scene",
            remedy=f"r2s build-scene --name {name}-{spec.like} --scan {name} --task {file}",
        )
    info = scene.info.model_copy(update={"task": spec})
    return replace(scene, info=info, code=own.text, trusted=True)


def text_of(report: Report, ref: str) -> str:
    """Return the report as a page of text."""
    lines = [
        f"task {report.task} in {ref}: {report.copies} copies, {report.control_steps:,} control steps",
        f"observation {report.observation} numbers, critic {report.critic}",
        "",
        columns([HEAD, *(_row(term) for term in report.terms)]),
        "",
        f"random actions  {_ends(report.random)}",
        f"no action       {_ends(report.idle)}",
    ]
    if report.search is not None:
        search = report.search
        lines.append(
            f"training        {100 * search.success_rate:.0f} % success after {search.env_steps:,} "
            f"control steps, {search.seconds:.0f} s"
        )
    lines += ["", *(f"warning: {each}" for each in report.warnings)]
    lines += [f"finding: {each.what} ({each.where})" for each in report.findings]
    return "\n".join([*lines, "not sound" if report.findings else "sound"])


def document(report: Report) -> dict[str, Any]:
    """Return the report's own fields of the `--json` document."""
    tree = asdict(replace(report, findings=()))
    return {
        "task": report.task,
        "metrics": {
            name: tree[name] for name in ("copies", "control_steps", "observation", "critic")
        },
        "terms": tree["terms"],
        "episodes": {"random": tree["random"], "idle": tree["idle"]},
        "search": tree["search"],
        "findings": [each.to_json() for each in report.findings],
        "warnings": list(report.warnings),
    }


def _row(term: Any) -> tuple[str, ...]:
    numbers = (term.weight, term.low, term.mean, term.high)
    return (term.name, *(f"{value:.3g}" for value in numbers), f"{100 * term.share:.0f} %")


def _ends(ends: Any) -> str:
    said = f"{ends.whole} episodes, {ends.successes} successes, {ends.terminated} ended by the task"
    at_once = f" ({ends.at_once} at their first step)" if ends.at_once else ""
    crashed = f", {ends.crashed} failed in the simulator" if ends.crashed else ""
    return said + at_once + crashed


def following(scene: Scene, held: Scene, file: str | None) -> str:
    """Return the command after a sound task: train what the scene holds, else build a file's into it."""
    if file is None:
        return "r2s train"
    another = scene.info.task.name != held.info.task.name
    return f"r2s build-scene --task {file}" + (" --replace" if another else "")
