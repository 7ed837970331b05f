"""Where a workspace stands, and the next sensible command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from r2s.core.errors import IntegrityError

if TYPE_CHECKING:
    from r2s.store import Store


@dataclass(frozen=True)
class Standing:
    """One stage of a name.

    Attributes:
        state: `made`, `missing`, `stale` (made from an input that a newer one replaced, or from a stale
            one) or `damaged`.
    """

    kind: str
    ref: str
    digest: str
    state: str
    note: str = ""


# Kind to the input whose ref of the same name it should have been made from.
CHAIN = {
    "scan": "",
    "reconstruction": "scan",
    "scene": "reconstruction",
    "policy": "scene",
    "validation": "policy",
}


def standing(store: Store, name: str) -> list[Standing]:
    """Return the stages of `name` in pipeline order, bundles last."""
    refs = store.refs()
    rows: dict[str, Standing] = {}
    for kind, source in CHAIN.items():
        row = _state(store, refs, kind, f"{kind}/{name}", source, f"{source}/{name}")
        rows[kind] = _after(row, rows.get(source))
    bundles = [
        _state(store, refs, "bundle", ref, "policy", f"policy/{name}")
        for ref in sorted(refs)
        if ref.startswith(f"bundle/{name}-")
    ]
    return [*rows.values(), *(_after(row, rows["policy"]) for row in bundles)]


def stale(store: Store, name: str, kind: str) -> str:
    """Return why `<kind>/<name>` is stale, or ""."""
    row = next(row for row in standing(store, name) if row.kind == kind)
    return f"{row.ref} is stale: {row.note}" if row.state == "stale" else ""


def _after(row: Standing, source: Standing | None) -> Standing:
    """Return the row, stale where what it was made from is."""
    if row.state == "made" and source is not None and source.state == "stale":
        return replace(row, state="stale", note=source.note)
    return row


def next_command(store: Store, name: str | None) -> str:
    """Return the next sensible command."""
    if name is None:
        return "r2s scan YOUR_SCAN.pcd --name lab"
    rows = {row.kind: row for row in standing(store, name)}
    if any(row.state == "damaged" for row in rows.values()):
        return "r2s fsck --repair"
    has = {kind for kind, row in rows.items() if row.state == "made"}
    if "scene" not in has:
        if rows["scene"].digest and rows["scan"].digest:
            return "r2s build-scene"
        if rows["scan"].digest:
            return "r2s build-scene --robot ROBOT.urdf --task reach"
        if not rows["scene"].digest:
            return f"r2s scan YOUR_SCAN.pcd --name {name}"
    if "policy" not in has:
        return "r2s train"
    if "validation" not in has:
        return "r2s validate"
    verdict = store.get(rows["validation"].digest).config.get("verdict")
    if verdict != "pass":
        return f"r2s show validation/{name}"
    if "bundle" not in has:
        return "r2s export --target cpu-x86_64"
    bundle = rows["bundle"].ref
    return f"r2s unpack {bundle} -o {bundle.split('/')[-1]}"


def _state(
    store: Store, refs: Mapping[str, str], kind: str, ref: str, role: str, source: str
) -> Standing:
    digest = refs.get(ref, "")
    if not digest:
        return Standing(kind, ref, "", "missing")
    try:
        made_from = store.get(digest).inputs.get(role)
    except IntegrityError as error:
        return Standing(kind, ref, digest, "damaged", error.what)
    newer = refs.get(source)
    if role and newer is not None and made_from != newer:
        return Standing(kind, ref, digest, "stale", f"{source} has changed since")
    return Standing(kind, ref, digest, "made")
