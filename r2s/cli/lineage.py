"""`r2s lineage`: what an artifact was made from, back to the scan and the robot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session

if TYPE_CHECKING:
    from r2s.engine.lineage import Origin


def lineage(
    session: Session,
    ref: Annotated[str, typer.Argument(help="For example policy/lab, or bundle/lab-jetson-orin.")],
) -> Outcome:
    """Follow an artifact back to the bytes of the scan and the robot it came from."""
    from r2s.engine import lineage as lineages

    store = session.store()
    origins = list(lineages.lineage(store, store.resolve(ref)))
    text = "\n".join(line for each in origins for line in _lines(each))
    return Outcome(text, extra={"lineage": [_node(each) for each in origins]})


def _lines(origin: Origin) -> list[str]:
    from r2s.engine.names import printable, short

    indent = "  " * origin.depth
    name = ", ".join(origin.refs) or origin.kind
    tools = origin.run["components"]["tools"] if origin.run else {}
    versions = ", ".join(f"{tool} {version}" for tool, version in tools.items())
    lines = [f"{indent}{name}  {short(origin.digest)}{f'  ({versions})' if versions else ''}"]
    names = {role: Path(path).name for role, path in (origin.run or {}).get("sources", {}).items()}
    for role, files in origin.stage.get("sources", {}).items():
        called = f" {printable(names[role])}" if role in names else ""
        first = short(next(iter(files.values()), ""))
        more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
        lines.append(f"{indent}  {role} file{called}  {first}{more}")
    return lines


def _node(origin: Origin) -> dict[str, Any]:
    run = origin.run or {}
    return {
        "role": origin.role,
        "depth": origin.depth,
        "kind": origin.kind,
        "id": origin.digest,
        "refs": list(origin.refs),
        "stage": origin.stage.get("stage"),
        "config": origin.stage.get("config"),
        "seed": origin.stage.get("seed"),
        "sources": origin.stage.get("sources"),
        "stage_version": run.get("components", {}).get("stage_version"),
        "tools": run.get("components", {}).get("tools"),
        "host": run.get("host"),
    }
