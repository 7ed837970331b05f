"""`r2s fsck`: every byte of the workspace against its digest, and repair."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r2s.cli.output import Outcome, say
from r2s.cli.session import Session
from r2s.core.errors import IntegrityError, R2SError

if TYPE_CHECKING:
    from r2s.store import Store
    from r2s.store.repair import Broken


def fsck(
    session: Session,
    repair: Annotated[
        bool, typer.Option("--repair", help="Quarantine what is wrong and make it again.")
    ] = False,
) -> Outcome:
    """Read and verify the whole workspace. Exits 5 when something is wrong and stays wrong."""
    store = _opened(session)
    if repair:
        return _repaired(session, store)
    findings = store.fsck()
    lines = [
        f"{each.problem}  {each.path}: {each.what}"
        + (f" (needed by {', '.join(each.affects)})" if each.affects else "")
        for each in findings
    ]
    extra = {
        "findings": [
            {
                "problem": each.problem,
                "path": each.path,
                "what": each.what,
                "affects": list(each.affects),
            }
            for each in findings
        ]
    }
    error = None
    if findings:
        error = IntegrityError(
            "R2S-FSCK-001",
            f"{len(findings)} thing{'s are' if len(findings) > 1 else ' is'} wrong in the workspace",
            where=str(store.path),
            why="damaged bytes are never used; what needs them cannot be read until they are back",
            remedy="r2s fsck --repair",
        )
    text = "\n".join(lines) or "every byte is what its digest says"
    return Outcome(text, extra=extra, error=error)


def _opened(session: Session) -> Store:
    """Open the workspace although its format file may be damaged."""
    from r2s.store import Store, find_workspace

    found = find_workspace(Path.cwd(), session.workspace, os.environ)
    return Store.open(found or Path.cwd() / ".r2s", damaged=True)


def _repaired(session: Session, store: Store) -> Outcome:
    from r2s.cli.progress import reporter
    from r2s.engine.repair import recall_current, remake

    failures: list[str] = []
    with reporter(quiet=session.quiet, verbose=session.verbose) as reports:

        def rerun(broken: Broken) -> None:
            try:
                remake(store, broken.record, reporter=reports)
            except R2SError as error:  # the others can still be repaired
                say(str(error))
                failures.append(f"{broken.called}: {error.what}")

        report = store.repair(rerun)
    if name := recall_current(store):
        report.mended.append(f"made {name} current, the name worked on last")
    lines = [
        *(f"mended  {text}" for text in report.mended),
        *(f"remade  {text}" for text in report.remade),
        *(f"lost    {text}" for text in report.lost),
    ]
    error = None
    if report.lost:
        error = IntegrityError(
            "R2S-FSCK-002",
            f"{len(report.lost)} things could not be brought back",
            where=str(store.path),
            why="; ".join(failures or report.lost),
            remedy="run the stages again that made them: r2s log lists their commands",
        )
    extra = {"mended": report.mended, "remade": report.remade, "lost": report.lost}
    return Outcome("\n".join(lines) or "there is nothing to repair", extra=extra, error=error)
