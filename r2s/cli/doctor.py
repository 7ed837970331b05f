"""`r2s doctor`: whether this machine can run r2s, and what to do where it cannot."""

from __future__ import annotations

import os
from pathlib import Path

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session
from r2s.core.errors import R2SError


def doctor(session: Session) -> Outcome:
    """Check the interpreter, packages, native libraries, graphics, memory, disk and file system."""
    from r2s.engine.health import examine
    from r2s.store import find_workspace

    workspace = find_workspace(Path.cwd(), session.workspace, os.environ) or Path.cwd()
    checks = examine(workspace)
    lines = [columns([(each.level, each.name, each.seen) for each in checks])]
    lines += [f"fix {each.name}: {each.fix}" for each in checks if each.fix]
    failed = [each for each in checks if each.level == "FAIL"]
    error = None
    if failed:
        error = R2SError(
            "R2S-DOCTOR-001",
            f"{len(failed)} checks failed: {', '.join(each.name for each in failed)}",
            where="this machine",
            why="; ".join(each.seen for each in failed),
            remedy=failed[0].fix,
        )
    extra = {
        "checks": [
            {"name": each.name, "level": each.level, "seen": each.seen, "fix": each.fix}
            for each in checks
        ]
    }
    return Outcome("\n".join(lines), extra=extra, error=error)
