"""`r2s diff`: two artifacts side by side."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from r2s.cli.output import Outcome, columns, text_of
from r2s.cli.session import Session

LONGEST_CELL = 48


def diff(
    session: Session,
    left: Annotated[str, typer.Argument(help="An artifact, for example policy@1.")],
    right: Annotated[str, typer.Argument(help="Another of the same kind, for example policy@2.")],
) -> Outcome:
    """List what differs between two artifacts: inputs, settings, description, metrics, files."""
    from r2s.engine.compare import compare

    store = session.store()
    sections = compare(store, store.resolve(left), store.resolve(right))
    lines: list[str] = []
    for title, pairs in sections.items():
        if pairs:
            rows = [(f"  {key}", _cell(a), "->", _cell(b)) for key, (a, b) in pairs.items()]
            lines += [title, columns(rows)]
    text = "\n".join(lines) or "they are equal"
    return Outcome(text, extra={"differences": sections})


def _cell(value: Any) -> str:
    from r2s.engine.names import printable

    text = "-" if value is None else printable(text_of(value))
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
