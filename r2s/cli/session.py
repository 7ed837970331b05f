"""What a command works with: the workspace, the current name, the seed, the settings, the streams."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.cli.output import say
from r2s.core.errors import UsageError

if TYPE_CHECKING:
    from r2s.engine.execute import Result
    from r2s.engine.graph import Settings
    from r2s.engine.step import Step
    from r2s.store import Store


@dataclass
class Session:
    """The options every command shares, and the config values given as flags.

    Attributes:
        trust: task code that artifacts brought from elsewhere may run.
        configs: stage name to field to value.
        argv: the command line, for the run record.
    """

    workspace: Path | None = None
    name: str | None = None
    seed: int = 0
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    trust: bool = False
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    _working_on: str = ""
    _store: Store | None = None
    _vanishing: tempfile.TemporaryDirectory[str] | None = None

    def store(self, *, create: bool = False) -> Store:
        """Open the workspace: `--workspace`, R2S_WORKSPACE, or found upwards from here.

        Args:
            create: make one here when there is none.
        """
        from r2s.store import Store, find_workspace, is_workspace

        if self._store is None:
            found = find_workspace(Path.cwd(), self.workspace, os.environ)
            path = found or Path.cwd() / ".r2s"
            # By its content: two commands may begin here at once, and a kill may leave half a folder.
            new = create and not is_workspace(path)
            self._store = Store.create(path) if new else Store.open(path)
            self._store.trusting = self.trust
            if new:
                self.tell(f"made a workspace: {path}")
        return self._store

    def store_to_plan(self) -> Store:
        """Open the workspace, or an empty one that vanishes: planning makes none."""
        from r2s.store import Store, find_workspace

        found = find_workspace(Path.cwd(), self.workspace, os.environ)
        if self._store is None and (found is None or not found.exists()):
            self._vanishing = tempfile.TemporaryDirectory(prefix="r2s-plan-")
            self._store = Store.create(Path(self._vanishing.name) / ".r2s")
        return self.store()

    def close(self) -> None:
        """Let go of the workspace: what this command held may be collected again."""
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._vanishing is not None:
            self._vanishing.cleanup()
            self._vanishing = None

    def settings(self) -> Settings:
        """Return the seed and the flags as the engine takes them."""
        from r2s.engine.graph import Settings

        return Settings(self.seed, self.configs)

    def current(self, store: Store, positional: str | None = None) -> str:
        """Return the name to work on: `--name`, the positional ref, else the workspace's current one.

        Raises:
            UsageError: none is given and none is current.
        """
        named = self.name or positional or store.current
        if named:
            from r2s.engine.catalog import ARTIFACTS
            from r2s.engine.names import checked_name

            kind, _, rest = named.partition("/")
            self._working_on = checked_name(rest if rest and kind in ARTIFACTS else named)
            return self._working_on
        raise UsageError(
            "R2S-CLI-002",
            "this workspace has no current name yet",
            why="the last scan sets it",
            remedy="r2s scan YOUR_SCAN.pcd --name lab   # or pass --name",
        )

    def following(self, command: str) -> str:
        """Return a command to paste next, with the workspace and the name this one works on.

        What is current, or said by the command itself, is left out.
        """
        shared = ["-w", str(self.workspace)] if self.workspace is not None else []
        name = self._working_on or self.name
        current = self._store.current if self._store is not None else None
        said = any(word == name or f"/{name}" in word for word in command.split())
        if name and name != current and not said:
            shared += ["--name", name]
        return command.replace("r2s ", f"r2s {shlex.join(shared)} ", 1) if shared else command

    def execute(self, store: Store, target: Step, *, force: bool = False) -> list[Result]:
        """Run a step and all it needs, showing progress."""
        from r2s.cli.progress import reporter
        from r2s.engine.execute import Executor, Refused

        forced = frozenset({target.stage.name} if force else ())
        with reporter(quiet=self.quiet, verbose=self.verbose) as reports:
            executor = Executor(store, reporter=reports, command=" ".join(self.argv), force=forced)
            try:
                return executor.run(target)
            except Refused as refused:
                from r2s.cli.refusal import draw_refused

                raise draw_refused(store, refused) from refused

    def tell(self, message: str) -> None:
        """Say something on stderr, unless `--quiet`."""
        if not self.quiet:
            say(message)
