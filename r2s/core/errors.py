"""The one error family of r2s.

    R2SError            1  something the user or a stage can mend
    ├── UsageError      2  the command was called the wrong way
    ├── GateFailed      4  the policy did not pass its gate
    ├── IntegrityError  5  stored bytes are not what their digest says
    ├── LockTimeout     6  another process holds the lock
    ├── UnsafeInput     7  a file from a stranger was refused
    ├── NotReproducible 8  a rerun gave other bytes than declared
    └── ResourceError   9  disk, memory, GPU
    Interrupted       130  Ctrl-C; what was finished is kept

Exit code 3 is left for defects: any exception that is none of these.
"""

from __future__ import annotations


class R2SError(Exception):
    """An expected failure that tells what happened, where, why it matters and how to go on.

    Args:
        code: stable identifier, `R2S-<AREA>-<NNN>`, for example `R2S-SCAN-003`.
        what: one sentence, no full stop: what happened.
        where: the file, field, link or stage it happened at.
        why: why r2s stops instead of guessing.
        remedy: what to do next, ideally a command to paste.
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

    def to_json(self) -> dict[str, str]:
        """Return the `error` object of the `--json` contract."""
        return {
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "remedy": self.remedy,
        }

    def __reduce__(self):
        # Errors cross process boundaries (native readers run in a child), so they must pickle
        # although the constructor takes keywords.
        return (_rebuild, (type(self), self.code, self.what, self.where, self.why, self.remedy))


def _rebuild(cls: type[R2SError], code: str, what: str, where: str, why: str, remedy: str):
    return cls(code, what, where=where, why=why, remedy=remedy)


class UsageError(R2SError):
    exit_code = 2


class GateFailed(R2SError):
    exit_code = 4


class IntegrityError(R2SError):
    exit_code = 5


class LockTimeout(R2SError):
    exit_code = 6


class UnsafeInput(R2SError):
    exit_code = 7


class NotReproducible(R2SError):
    exit_code = 8


class ResourceError(R2SError):
    exit_code = 9


class Interrupted(Exception):
    """The user asked to stop. Not an error: what was finished is kept and the same command resumes."""

    exit_code = 130
