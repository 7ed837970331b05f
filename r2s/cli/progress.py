"""What a running stage shows: a live panel on a terminal, else one line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from r2s.cli.output import say
from r2s.core.context import Progress, silent

if TYPE_CHECKING:
    from r2s.engine.execute import Result
    from r2s.engine.plan import Decision
    from r2s.engine.step import Step

LINE_EVERY_S = 10.0
DRAW_EVERY_S = 0.1


@contextmanager
def reporter(*, quiet: bool, verbose: bool) -> Iterator[Reports]:
    """Yield the reporter that suits the terminal."""
    if quiet:
        yield Reports(verbose=False, quiet=True)
    elif sys.stderr.isatty() and not os.environ.get("R2S_NO_PROGRESS"):
        live = Panel(verbose=verbose)
        try:
            yield live
        finally:
            live.stop()
    else:
        yield Lines(verbose=verbose)


class Reports:
    """Tells what was decided and finished; shows no progress."""

    def __init__(self, *, verbose: bool, quiet: bool = False):
        self._verbose = verbose
        self._quiet = quiet

    def decided(self, decision: Decision) -> None:
        if decision.hit or self._quiet:
            return
        self._say(f"{decision.step.stage.command}: runs because {'; '.join(decision.because[:3])}")
        if self._verbose and decision.action is not None:
            self._say(f"{decision.step.stage.command}: action {decision.action.key}")

    def progress(self, step: Step) -> Progress:
        return self.named(step.stage.command)

    def named(self, title: str) -> Progress:
        """Return the progress of something that is no stage."""
        return silent

    def waiting(self, message: str) -> None:
        if not self._quiet:
            self._say(str(message))

    def finished(self, result: Result) -> None:
        if self._quiet:
            return
        took = "already done" if result.cached else f"done in {result.seconds:.1f} s"
        self._say(f"{result.step.stage.command}: {took} -> {result.ref or result.digest}")

    def _say(self, text: str) -> None:
        say(text)


class Lines(Reports):
    """One line every ten seconds, for logs and pipes."""

    def named(self, title: str) -> Progress:
        shown = time.monotonic()
        begun: dict[str, tuple[float, float]] = {}

        def show(label: str, done: float, total: float | None = None, **values: float) -> None:
            nonlocal shown
            now = time.monotonic()
            since, before = begun.setdefault(label, (now, done))
            if now - shown < LINE_EVERY_S:
                return
            shown = now
            share = f" {100 * done / total:.0f} %" if total else ""
            left = time_left(now - since, done - before, total - done) if total else ""
            self._say(f"{title}: {label}{share}{left}{_values(values)}")

        return show


def time_left(elapsed_s: float, done: float, rest: float) -> str:
    """Return `, 3 min left` at the pace so far; nothing before there is one."""
    if done <= 0 or elapsed_s < 1:
        return ""
    left_s = elapsed_s / done * rest
    return f", {left_s / 60:.0f} min left" if left_s >= 90 else f", {left_s:.0f} s left"


class Panel(Reports):
    """A live panel: bar, share, time left, and the values the stage reports."""

    def __init__(self, *, verbose: bool):
        super().__init__(verbose=verbose)
        self._bars: Any = None
        self._live: Any = None

    def named(self, title: str) -> Progress:
        from rich.console import Console
        from rich.live import Live
        from rich.panel import Panel as Box
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self.stop()
        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[values]}"),
            console=console,
        )
        self._live = Live(
            Box(self._bars, title=title, title_align="left", expand=False),
            console=console,
            transient=True,
            refresh_per_second=8,
        )
        self._live.start()
        tasks: dict[str, Any] = {}
        drawn = 0.0

        def show(label: str, done: float, total: float | None = None, **values: float) -> None:
            nonlocal drawn
            now = time.monotonic()
            if label in tasks and now - drawn < DRAW_EVERY_S and done != total:
                return
            drawn = now
            if label not in tasks:
                tasks[label] = self._bars.add_task(label, total=total, values="")
            self._bars.update(tasks[label], completed=done, total=total, values=_values(values))

        return show

    def finished(self, result: Result) -> None:
        self.stop()
        super().finished(result)

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            say(text)


# How the values of training read; others are shown by their own name.
WORDS = {
    "steps_per_s": "steps/s",
    "env_steps_per_s": "steps/s",
    "physics_steps_per_s": "physics/s",
    "return_mean": "return",
    "success_rate": "success",
}


def _values(values: dict[str, float]) -> str:
    from r2s.cli.output import text_of

    parts = (f"{WORDS.get(name, name)} {text_of(value)}" for name, value in values.items())
    return "  " + " · ".join(parts) if values else ""
