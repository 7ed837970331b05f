"""The errors of the robot side, in the form of every r2s error."""

from __future__ import annotations


class EdgeError(Exception):
    """An expected failure: what happened, where, why it matters, what to do.

    Codes: `R2S-EDGE-001` not a bundle, `-002` changed files, `-003` manifest and model disagree, `-004` joint
    or signal names, `-005` golden test, `-006` model does not load, `-007` life cycle, `-008` too slow,
    `-009` no transport.
    """

    exit_code = 1

    def __init__(self, code: str, what: str, *, where: str = "", why: str = "", remedy: str = ""):
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.what}"]
        lines += [f"  where: {self.where}"] if self.where else []
        lines += [f"  why: {self.why}"] if self.why else []
        lines += ["", f"hint: {self.remedy}"] if self.remedy else []
        return "\n".join(lines)

    def to_json(self) -> dict:
        return {name: getattr(self, name) for name in ("code", "what", "where", "why", "remedy")}
