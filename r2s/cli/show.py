"""`r2s show`: everything about one artifact."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from r2s.cli.output import Outcome, columns, table
from r2s.cli.session import Session


def show(
    session: Session,
    ref: Annotated[
        str, typer.Argument(help="scan/lab, policy, policy@2, a digest's beginning, latest:policy")
    ],
) -> Outcome:
    """Show an artifact: metrics, settings, inputs, files, and the run that made it."""
    from r2s.engine.lineage import made_by, metrics_of
    from r2s.engine.names import printable, short
    from r2s.engine.why import flat

    store = session.store()
    stored = store.get(store.resolve(ref))
    refs = [name for name, digest in store.refs().items() if digest == stored.digest]
    record = made_by(store, stored.digest)
    metrics = metrics_of(store, stored.digest)
    lines = [f"{stored.kind}  {', '.join(refs) or '(no name)'}", f"id  {stored.digest}", ""]
    lines += ["metrics", *table(metrics)]
    for name in ("notes", "warnings"):
        lines += _section(name, [f"  {printable(text)}" for text in stored.config.get(name, ())])
    lines += _section("openings", _openings(stored.config))
    lines += _section("scenarios", _scenarios(stored.config))
    lines += _section(
        "repairs", [f"  {printable(_repair(each))}" for each in stored.config.get("repairs", ())]
    )
    lines += _section("settings", table(flat(stored.stage.get("config", {}))))
    lines += _section("inputs", table({role: short(each) for role, each in stored.inputs.items()}))
    lines += _section(
        "files", table({name: f"{size:,} bytes" for name, size in stored.sizes.items()})
    )
    if record is not None:
        lines += _section("run", table(_run(record)))
    extra = {
        "artifact": {"kind": stored.kind, "id": stored.digest, "ref": refs[0] if refs else ""},
        "metrics": dict(metrics),
        "config": stored.config,
        "inputs": stored.inputs,
        "stage": stored.stage,
        "files": dict(stored.sizes),
        "run": record,
    }
    return Outcome("\n".join(lines), extra=extra)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *lines] if lines else []


def _repair(repair: dict[str, Any]) -> str:
    return f"{repair['element']}: {repair['rule']} ({repair['reason']})"


def _openings(config: dict[str, Any]) -> list[str]:
    rows = [
        (
            f"  {each['name']}",
            f"in {each['wall']}",
            f"{each['size_m'][0]:.2f} x {each['size_m'][1]:.2f} m",
            f"sill {each['sill_m']:.2f} m",
            f"{100 * each['clear_fraction']:.0f} % clear",
            each["evidence"],
        )
        for each in config.get("openings", ())
    ]
    return columns(rows).splitlines()


def _scenarios(config: dict[str, Any]) -> list[str]:
    rows = [
        (
            f"  {each['name']}",
            each["verdict"],
            f"{each['successes']}/{each['trials']}",
            f"[{each['lower']:.3f}, {each['upper']:.3f}]",
            f"needs {each['threshold']}",
        )
        for each in config.get("scenarios", ())
    ]
    return columns(rows).splitlines()


def _run(record: Any) -> dict[str, Any]:
    return {
        "started": record["started"],
        "seconds": record["seconds"],
        "peak memory": f"{record['peak_memory_bytes'] / 1e6:.0f} MB",
        "tools": record["components"]["tools"],
        "host": record["host"]["name"],
        "command": record["command"],
    }
