"""`r2s tag`: give an artifact another name, or take one away."""

from __future__ import annotations

from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import UsageError


def tag(
    session: Session,
    label: Annotated[str, typer.Argument(help="The new name, for example policy/best.")],
    ref: Annotated[str | None, typer.Argument(help="The artifact it points to.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the name.")] = False,
) -> Outcome:
    """Name an artifact; named artifacts are never collected."""
    store = session.store()
    if delete:
        store.delete_ref(label, "tag --delete")
        return Outcome(f"removed the name {label}", extra={"ref": label, "id": None})
    if ref is None:
        raise UsageError(
            "R2S-CLI-006", "no artifact was given", remedy=f"r2s tag {label} policy/lab"
        )
    digest = store.resolve(ref)
    _check_kind(label, store.manifest(digest).kind, ref)
    store.set_ref(label, digest, f"tag {ref}")
    return Outcome(f"{label} -> {digest}", extra={"ref": label, "id": digest})


def _check_kind(label: str, kind: str, ref: str) -> None:
    """Refuse a name that says another kind: commands would take the artifact for that kind."""
    from r2s.engine.catalog import ARTIFACTS

    said, _, rest = label.partition("/")
    if rest and said in ARTIFACTS and said != kind:
        raise UsageError(
            "R2S-CLI-009",
            f"{label} would name a {kind} as if it were a {said}",
            where=ref,
            why=f"commands look for a {said} under that name",
            remedy=f"r2s tag {kind}/{rest} {ref}",
        )
