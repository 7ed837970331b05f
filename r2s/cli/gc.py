"""`r2s gc`: what nothing needs any more goes to the trash, after a plan was shown."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session

if TYPE_CHECKING:
    from r2s.store.gc import GcPlan

DAY_S = 86_400.0
MB = 1e6


def gc(
    session: Session,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Bring back what the last gc removed.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Empty the trash: this cannot be undone.")
    ] = False,
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="Keep everything younger than this.")
    ] = 1.0,
    keep_history_days: Annotated[
        float,
        typer.Option("--keep-history-days", min=0, help="Keep what names pointed to this long."),
    ] = 30.0,
    keep_runs: Annotated[
        int, typer.Option("--keep-runs", min=0, help="Keep the last runs of each stage.")
    ] = 3,
) -> Outcome:
    """Show what nothing needs any more and, with --yes, move it to the trash for 7 days.

    Kept: everything named, and what named things are made from; what names pointed to lately; what
    running commands use; the last runs of each stage; everything young.
    """
    from r2s.store.gc import Keep

    store = session.store()
    if undo:
        back = store.undo_gc()
        return Outcome("\n".join(["brought back:", *back]), extra={"restored": back})
    keep = Keep(reflog_s=keep_history_days * DAY_S, young_s=keep_days * DAY_S, runs=keep_runs)
    plan = store.plan_gc(time.time(), keep)
    collected = None
    agreed = bool(plan) and (yes or (not session.json and _agreed(plan)))
    if agreed:
        collected = store.gc(plan, session.tell)
    purged = (
        store.purge(time.time(), everything=True) if purge and (agreed or yes or not plan) else 0
    )
    text = _text(plan) if collected is None else f"{_text(plan)}\nmoved to the trash as {collected}"
    extra = {
        "items": [
            {"name": each.name, "kind": each.kind, "id": each.digest, "bytes": each.bytes}
            for each in plan.items
        ],
        "bytes": plan.freed_bytes,
        "kept": plan.kept,
        "collected": collected,
        "purged": purged,
    }
    if collected:
        return Outcome(text, extra=extra, next="" if purge else "r2s gc --undo   # brings it back")
    return Outcome(text, extra=extra, next="r2s gc --yes" if plan else "")


def _text(plan: GcPlan) -> str:
    if not plan:
        return f"nothing to remove; {plan.kept} artifacts are in use"
    rows = [
        (each.name, each.kind, f"{each.bytes / MB:.1f} MB", f"{each.age_s / DAY_S:.1f} days old")
        for each in plan.items
    ]
    total = f"{plan.freed_bytes / MB:.1f} MB in all; {plan.kept} artifacts stay"
    return f"{columns(rows)}\n{total}"


def _agreed(plan: GcPlan) -> bool:
    """Show the plan and ask, where somebody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    typer.echo(_text(plan), err=True)
    return typer.confirm("Move this to the trash?", err=True)
