"""`r2s log`: what ran, newest first, or what a name pointed to."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session


def log(
    session: Session,
    ref: Annotated[str | None, typer.Argument(help="Name whose history to list.")] = None,
    last: Annotated[int, typer.Option("--last", "-l", min=1, help="How many runs to list.")] = 20,
) -> Outcome:
    """List the runs of this workspace, newest first, or the history of one name."""
    from itertools import islice

    store = session.store()
    if ref is not None:
        return _history(store, ref)
    records = list(islice(store.newest_runs(), last))
    return Outcome(columns([_row(each) for each in records]), extra={"runs": records})


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    from r2s.engine.names import printable, short

    megabytes = record.get("peak_memory_bytes", 0) / 1e6
    return (
        record.get("started", ""),
        record.get("stage", ""),
        short(record.get("output") or ""),
        f"{record.get('seconds', 0):.1f} s",
        f"{megabytes:.0f} MB",
        printable("; ".join(record.get("because", []))),
    )


def _history(store: Any, ref: str) -> Outcome:
    from r2s.engine.names import short

    name = ref if "/" in ref or store.current is None else f"{ref}/{store.current}"
    entries = store.reflog(name)
    rows = [
        (
            f"{name}@{each.number}",
            short(each.digest) if each.digest else "removed",
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(each.at_s)),
            each.reason,
        )
        for each in entries
    ]
    history = [
        {"number": each.number, "id": each.digest, "at_s": each.at_s, "reason": each.reason}
        for each in entries
    ]
    if not entries:
        store.resolve(ref)  # raises with the names there are
    return Outcome(columns(rows), extra={"ref": name, "history": history})
