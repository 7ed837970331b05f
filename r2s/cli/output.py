"""What a command says: text on stdout for people, or one JSON document for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from r2s.core.errors import R2SError
    from r2s.engine.execute import Result

SCHEMA = "r2s.cli/1"


@dataclass(frozen=True)
class Outcome:
    """The answer of a command.

    Attributes:
        text: what a person reads on stdout.
        result: the step whose artifact, metrics and time the document carries, for commands that make one.
        extra: further fields of the document, beside the ones every command has.
        next: a command to paste next, shown on stderr; the shared options of this one are put in.
        error: a failure that comes with a result (a gate that was not passed).
        along: what was made on the way to the result; its notes and warnings are told too.
        then: what goes on after the answer is out, until Ctrl-C (a page that is served).
    """

    text: str = ""
    result: Result | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    next: str = ""
    error: R2SError | None = None
    along: Sequence[Result] = ()
    then: Callable[[], None] | None = None

    @classmethod
    def made(cls, results: Sequence[Result], more: str = "", **fields: Any) -> Outcome:
        """Return the answer of a command that ran steps: each is described, the last is the result."""
        text = "\n".join([*map(describe, results), *([more] if more else [])])
        return cls(text, results[-1], along=results[:-1], **fields)

    @property
    def warnings(self) -> list[str]:
        """The result's warnings, after those of what was made anew for it."""
        return [text for each in self._told for text in each.warnings]

    @property
    def notes(self) -> list[str]:
        """The result's notes, after those of what was made anew for it."""
        return [text for each in self._told for text in each.notes]

    @property
    def _told(self) -> list[Result]:
        made = [each for each in self.along if not each.cached]
        return [*made, *([self.result] if self.result else [])]


def document(command: str, outcome: Outcome, seconds: float, following: str) -> dict[str, Any]:
    """Return the `--json` document of an outcome. Every command has these fields; `extra` adds to them."""
    result = outcome.result
    artifact = result and {"kind": result.kind, "id": result.digest, "ref": result.ref}
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": outcome.error is None,
        "artifact": artifact,
        "cached": result.cached if result else None,
        "seconds": round(result.seconds if result else seconds, 3),
        "metrics": dict(result.metrics) if result else {},
        **({"notes": outcome.notes, "warnings": outcome.warnings} if result else {}),
        **outcome.extra,
        **({"next": following} if following else {}),
        **({"error": outcome.error.to_json()} if outcome.error else {}),
    }


def error_document(command: str, error: R2SError) -> dict[str, Any]:
    """Return the `--json` document of a failure."""
    return {"schema": SCHEMA, "command": command, "ok": False, "error": error.to_json()}


def write(text: str) -> None:
    """Write to stdout. A reader that went away (`| head`) is not an error."""
    try:
        print(text, flush=True)
    except OSError as exc:
        # Python would complain once more, and exit with 120, when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(exc, BrokenPipeError):
            raise


def write_json(value: Mapping[str, Any]) -> None:
    """Write one JSON document to stdout."""
    write(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def say(text: str) -> None:
    """Write a message to stderr."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def describe(result: Result) -> str:
    """Return a finished step as text: its ref, its id, how long it took, its metrics."""
    from r2s.engine.names import short

    took = "cached" if result.cached else f"{result.seconds:.1f} s"
    head = f"{result.ref or result.kind}  {short(result.digest)}  ({took})"
    return "\n".join([head, *table(result.metrics)])


def table(values: Mapping[str, Any], indent: str = "  ") -> list[str]:
    """Return `name  value` lines, aligned."""
    from r2s.engine.names import printable

    shown = {name: value for name, value in values.items() if value is not None}
    width = max((len(name) for name in shown), default=0)
    return [
        f"{indent}{name:<{width}}  {printable(text_of(value))}" for name, value in shown.items()
    ]


def text_of(value: Any) -> str:
    """Return a value the way a person likes to read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
        return f"{len(value)} (`r2s show` lists them)"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return str(value)


def columns(rows: list[tuple[str, ...]], gap: str = "  ") -> str:
    """Return rows as aligned columns; the last column is not padded."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = (
        gap.join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
