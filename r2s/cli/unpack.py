"""`r2s unpack`: a packed file into the workspace, or an artifact's files into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session
from r2s.core.errors import UsageError


def unpack(
    session: Session,
    what: Annotated[
        str, typer.Argument(help="A file made by `r2s pack`, or an artifact (bundle/lab-...).")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Empty folder for an artifact's files.")
    ] = None,
) -> Outcome:
    """Bring a packed file into the workspace as imported/NAME/..., or write an artifact's files.

    Files from strangers are verified as a whole before any of them is visible.
    """
    from r2s.engine.names import short

    if Path(what).is_file():
        store = session.store(create=True)
        arrived = store.unpack(Path(what), session.name or "")
        rows = [(each.name, each.kind, short(each.digest)) for each in arrived]
        imported = [{"ref": each.name, "kind": each.kind, "id": each.digest} for each in arrived]
        return Outcome(columns(rows), extra={"imported": imported})
    store = session.store()
    digest = store.resolve(what)
    folder = output or Path(what.replace("/", "-"))
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            "R2S-CLI-007",
            f"{folder} is not an empty folder",
            where=str(folder),
            why="its files would be mixed with the artifact's",
            remedy=f"r2s unpack {what} -o {folder}-2",
        )
    written = store.export(digest, folder)
    extra = {"output": str(folder), "id": digest, "files": len(written)}
    return Outcome(f"{folder}  {len(written)} files", extra=extra)
