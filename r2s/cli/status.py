"""`r2s status`, and `r2s` alone: where the workspace stands."""

from __future__ import annotations

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session
from r2s.core.errors import R2SError

WELCOME = """\
There is no workspace here yet. From a scan to a robot:

  r2s scan kitchen.pcd --name kitchen              a capture becomes a clean scan
  r2s build-scene --robot so101.urdf --task reach  the twin, the robot and the task
  r2s train                                        one policy from many randomized twins
  r2s export --target jetson-orin                  a gated, tested bundle for the robot

`r2s --help` lists all commands, `r2s doctor` checks this machine."""


def status(session: Session) -> Outcome:
    """Say where the workspace stands and what to do next."""
    from r2s.engine.advice import next_command, standing
    from r2s.engine.names import checked_name, short

    try:
        store = session.store()
    except R2SError as error:
        if error.code != "R2S-STORE-001" or session.workspace is not None:
            raise
        return Outcome(
            WELCOME, extra={"workspace": None, "current": None, "refs": {}, "stages": []}
        )
    name = checked_name(session.name) if session.name else store.current
    refs = store.refs()
    rows = standing(store, name) if name else []
    following = next_command(store, name)
    lines = [f"workspace {store.path}", f"current   {name or '(none)'}", ""]
    table = [
        (row.ref, row.state, short(row.digest) if row.digest else "-", row.note) for row in rows
    ]
    listed = {row.ref for row in rows}
    others = [(ref, "", short(digest), "") for ref, digest in refs.items() if ref not in listed]
    lines.append(columns([*table, *others]))
    extra = {
        "workspace": str(store.path),
        "current": name,
        "refs": refs,
        "stages": [
            {"kind": row.kind, "ref": row.ref, "id": row.digest or None, "state": row.state}
            for row in rows
        ],
    }
    return Outcome("\n".join(lines).rstrip(), extra=extra, next=following)
