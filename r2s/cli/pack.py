"""`r2s pack`: artifacts and all they were made from, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session


def pack(
    session: Session,
    refs: Annotated[list[str], typer.Argument(help="Artifacts, for example policy/lab.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, an OCI tar.")],
) -> Outcome:
    """Write artifacts with all they were made from into one file, the same bytes each time."""
    store = session.store()
    digests = [store.resolve(ref) for ref in refs]
    store.pack(digests, output)
    size = output.stat().st_size
    extra = {"file": str(output), "bytes": size, "ids": digests}
    return Outcome(f"{output}  {size:,} bytes", extra=extra, next=f"r2s unpack {output}")
