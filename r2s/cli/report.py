"""`r2s report`: one HTML file about a skill, from verdict to scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import R2SError, UsageError

CHAIN = ("policy", "scene", "reconstruction", "scan")


def report(
    session: Session,
    ref: Annotated[
        str | None, typer.Argument(help="What to report on; default: the furthest that is made.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path(
        "report.html"
    ),
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw scan, twin and robot.")
    ] = True,
) -> Outcome:
    """Write one self-contained HTML page: verdict, pictures, learning curve, validation, lineage.

    It opens offline, has no script in it, and equal artifacts give equal pages.
    """
    from r2s.engine.lineage import family, lineage, metrics_of
    from r2s.engine.names import short
    from r2s.report.html import Ancestor, write_report

    store = session.store()
    digest = store.resolve(ref) if ref else _furthest(session)
    ancestors = [
        Ancestor(each.depth, each.kind, short(each.digest), each.refs, _made_by(each.stage))
        for each in lineage(store, digest)
    ]
    facts = dict(metrics_of(store, digest))
    try:
        write_report(family(store, digest), ancestors, output, facts=facts, pictures=pictures)
    except OSError as exc:
        raise R2SError(
            "R2S-CLI-024",
            f"the report cannot be written: {exc.strerror or exc}",
            where=str(output),
            remedy=f"r2s report -o {Path.home() / 'report.html'}",
        ) from exc
    size = output.stat().st_size
    return Outcome(f"{output}  {size:,} bytes", extra={"output": str(output), "bytes": size})


def _furthest(session: Session) -> str:
    store = session.store()
    name = session.current(store)
    for kind in CHAIN:
        digest = store.ref(f"{kind}/{name}")
        if digest:
            return digest
    raise UsageError(
        "R2S-CLI-025",
        f"nothing called {name} is made yet",
        where=f"name {name}",
        remedy="r2s status",
    )


def _made_by(stage) -> str:
    return f"{stage.get('stage', '')}, seed {stage['seed']}" if "seed" in stage else ""
