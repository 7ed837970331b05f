"""`r2s layout`: what stands where in a place, and a person's word on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session
from r2s.core.errors import UsageError

if TYPE_CHECKING:
    from r2s.artifacts.geometry import Range
    from r2s.artifacts.reconstruction import Body, ReconstructionInfo

EDIT = "edit"
HEAD = ("name", "class", "size [m]", "mass [kg]", "friction", "material", "mobility", "stands on")


def layout(
    session: Session,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[edit] [NAME]", help="Reconstruction to look at, or to edit."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", help="YAML list of edits; without one, a template is written."
        ),
    ] = None,
) -> Outcome:
    """Show the bodies of a place, or edit them: rename, merge, split, drop, mobility, material, mass.

    `r2s layout edit --file EDIT.yaml` makes reconstruction/NAME anew with the edits. They stay with it, also
    after a new scan of the place, until another list replaces them.
    """
    from r2s.artifacts.reconstruction import ReconstructionInfo
    from r2s.engine import edits, graph

    words = list(words or [])
    editing = words[:1] == [EDIT]
    names = words[1:] if editing else words
    if len(names) > 1 or (file is not None and not editing):
        raise UsageError(
            "R2S-LAYOUT-008",
            f"`r2s layout {' '.join(words)}` is not understood",
            why="`layout` takes a name, and `edit` before it to change something",
            remedy="r2s layout [NAME]   or   r2s layout edit [NAME] --file EDIT.yaml",
        )
    store = session.store()
    name = session.current(store, names[0] if names else None)
    remedy = f"r2s reconstruct {name}"
    held = store.get(graph.found(store, f"reconstruction/{name}", remedy=remedy))
    info = ReconstructionInfo.model_validate(held.config)
    if not editing:
        return Outcome(_table(info), extra={"name": name, **_document(info)})
    if file is None:
        path = _write_template(Path(f"layout-{name}.yaml"), edits.template(name, info))
        said = f"{path}  {len(info.edits)} edits, {len(info.before_edits())} bodies"
        again = f"r2s layout edit {name} --file {path}"
        return Outcome(said, extra={"output": str(path)}, next=again)
    wanted = edits.pinned(edits.load(file), info)
    step = graph.edit(store, name, wanted, session.settings())
    results = session.execute(store, step)
    made = ReconstructionInfo.model_validate(store.get(results[-1].digest).config)
    extra = {"name": name, **_document(made)}
    return Outcome.made(results, f"\n{_table(made)}", extra=extra, next="r2s build-scene")


def _table(info: ReconstructionInfo) -> str:
    rows = [HEAD, *(_row(body) for body in info.bodies)]
    lines = [columns(rows)]
    if info.openings:
        lines += ["", *(f"{each.name} in {each.wall}" for each in info.openings)]
    if info.edits:
        lines += ["", f"{len(info.edits)} edits are part of it (`r2s layout edit` lists them)"]
    return "\n".join(lines)


def _row(body: Body) -> tuple[str, ...]:
    from r2s.engine.names import printable

    size = " x ".join(f"{x:.2f}" for x in body.size_m) if any(body.size_m) else "plane"
    return (
        printable(body.name),
        printable(body.label) or body.role,
        size,
        _range(body.mass_kg) if body.mass_kg else "-",
        _range(body.friction),
        body.material or "-",
        body.mobility,
        printable(body.parent) or "-",
    )


def _range(of: Range) -> str:
    numbers = f"{of.value:.3g}"
    if of.low != of.high:
        numbers += f" ({of.low:.2g}..{of.high:.2g})"
    return f"{numbers} {of.source}"


def _document(info: ReconstructionInfo) -> dict[str, Any]:
    bodies = [
        body.model_dump(mode="json", exclude={"geoms", "color", "inertia_kg_m2"})
        for body in info.bodies
    ]
    return {
        "bodies": bodies,
        "openings": [each.model_dump(mode="json") for each in info.openings],
        "edits": [each.model_dump(mode="json", exclude_defaults=True) for each in info.edits],
    }


def _write_template(path: Path, text: str) -> Path:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            "R2S-LAYOUT-007",
            f"{path} is there already",
            where=str(path.absolute()),
            why="your edits in it would be lost",
            remedy=f"r2s layout edit --file {path}   # uses it; or move it away for a new template",
        ) from None
    except OSError as exc:
        raise UsageError(
            "R2S-LAYOUT-007",
            f"the template cannot be written: {exc.strerror}",
            where=str(path.absolute()),
            remedy="cd to a folder that you may write to",
        ) from exc
    return path
