"""`r2s pull`: artifacts from another OCI layout into this workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session


def pull(
    session: Session,
    layout: Annotated[Path, typer.Argument(help="Folder of an OCI image layout.")],
) -> Outcome:
    """Bring the artifacts of an OCI layout into the workspace as imported/NAME/..., verified first."""
    from r2s.engine.names import short

    store = session.store(create=True)
    arrived = store.pull(layout, session.name or "")
    rows = [(each.name, each.kind, short(each.digest)) for each in arrived]
    imported = [{"ref": each.name, "kind": each.kind, "id": each.digest} for each in arrived]
    return Outcome(columns(rows), extra={"imported": imported})
