"""`r2s push`: artifacts into another OCI layout, from where any OCI client takes them to a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session


def push(
    session: Session,
    layout: Annotated[
        Path, typer.Argument(help="Folder of an OCI image layout; made when absent.")
    ],
    refs: Annotated[
        list[str], typer.Argument(help="Artifacts, for example bundle/lab-jetson-orin.")
    ],
) -> Outcome:
    """Copy artifacts with all they were made from into an OCI layout folder."""
    store = session.store()
    digests = [store.resolve(ref) for ref in refs]
    names = store.push(digests, layout)
    text = "\n".join([f"{layout}:", *(f"  {name}" for name in names)])
    return Outcome(text, extra={"layout": str(layout), "refs": names, "ids": digests})
