"""The list of commands, and the one place where errors end: short text, `--json`, an exit code."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import sys
import tempfile
from typing import Any

import typer
import typer.core

from r2s.cli.command import SHARED, build, function_of, quick, shared_parameters
from r2s.cli.output import error_document, say, write_json
from r2s.core.errors import Interrupted, R2SError, UsageError

WORK, LOOK, KEEP, HELP = "Work", "Look", "Keep", "Help"

# Command to (module, panel), in the order of help.
COMMANDS: dict[str, tuple[str, str]] = {
    "scan": ("r2s.cli.scan", WORK),
    "reconstruct": ("r2s.cli.reconstruct", WORK),
    "layout": ("r2s.cli.layout", WORK),
    "robot": ("r2s.cli.robot", WORK),
    "build-scene": ("r2s.cli.build_scene", WORK),
    "task": ("r2s.cli.task", WORK),
    "train": ("r2s.cli.train", WORK),
    "validate": ("r2s.cli.validate", WORK),
    "export": ("r2s.cli.export", WORK),
    "run": ("r2s.cli.run", WORK),
    "status": ("r2s.cli.status", LOOK),
    "plan": ("r2s.cli.plan", LOOK),
    "why": ("r2s.cli.why", LOOK),
    "log": ("r2s.cli.log", LOOK),
    "show": ("r2s.cli.show", LOOK),
    "lineage": ("r2s.cli.lineage", LOOK),
    "diff": ("r2s.cli.diff", LOOK),
    "render": ("r2s.cli.render", LOOK),
    "report": ("r2s.cli.report", LOOK),
    "view": ("r2s.cli.view", LOOK),
    "bench": ("r2s.cli.bench", LOOK),
    "tag": ("r2s.cli.tag", KEEP),
    "gc": ("r2s.cli.gc", KEEP),
    "fsck": ("r2s.cli.fsck", KEEP),
    "pack": ("r2s.cli.pack", KEEP),
    "unpack": ("r2s.cli.unpack", KEEP),
    "push": ("r2s.cli.push", KEEP),
    "pull": ("r2s.cli.pull", KEEP),
    "doctor": ("r2s.cli.doctor", HELP),
}
INTERNAL_BUG = 3


class PlainCommand(typer.core.TyperCommand):
    """A command whose help has its options by panel, every flag in full.

    Plain text: rich's tables cut long flags to `--ppo-learning-r…` in 80 columns.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            own = "Arguments" if parameter.param_type_name == "argument" else "Options"
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or own
                panels.setdefault(panel, []).append(record)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


class LazyGroup(typer.core.TyperGroup):
    """A group that imports a command when it is called, and only its docstring for the list."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=PlainCommand)(
            build(cmd_name, importlib.import_module(COMMANDS[cmd_name][0]))
        )
        return quick(typer.main.get_command(single))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by panel. Plain text: rich would double the time of `--help`."""
        width = max(map(len, COMMANDS))
        for panel in (WORK, LOOK, KEEP, HELP):
            rows = [
                (name.ljust(width), _summary(module))
                for name, (module, its_panel) in COMMANDS.items()
                if its_panel == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # The base class looks for near misses in `commands`, which stays empty here.
        self.commands = dict.fromkeys(COMMANDS) if args and args[0] not in COMMANDS else {}  # type: ignore[arg-type]
        return super().resolve_command(ctx, args)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit code. Nothing gets out of here but that."""
    as_json = "--json" in argv
    command = next((word for word in argv if word in COMMANDS), "")
    try:
        code = quick(typer.main.get_command(_root(argv))).main(
            argv, prog_name="r2s", standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except R2SError as error:
        return _fail(command, error, as_json)
    except Interrupted as stop:
        return _interrupted(stop, command, argv, as_json)
    except KeyboardInterrupt:
        return _interrupted(Interrupted(), command, argv, as_json)
    except typer.Exit as stop:
        return stop.exit_code
    except Exception as exc:
        if hasattr(exc, "format_message"):  # what the parser raises, vendored or not
            return _fail(command, _usage(exc, command), as_json)
        if (error := _of_the_system(exc)) is not None:
            return _fail(command, error, as_json=False)  # stdout may be what is full
        return _fail(command, _defect(exc, argv), as_json, INTERNAL_BUG)


def _root(argv: list[str]) -> typer.Typer:
    app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None)

    def r2s(ctx: typer.Context, **values: Any) -> int | None:
        """From a scan of a real place and a robot's description to a trained, validated skill.

        \b
        r2s scan kitchen.pcd --name kitchen
        r2s build-scene --robot so101.urdf --task reach
        r2s train
        r2s export --target jetson-orin
        """
        if values.pop("version", False):
            from r2s import __version__
            from r2s.cli.output import write

            write(f"r2s {__version__}")
            raise typer.Exit
        given = {name: value for name, value in values.items() if value is not None}
        ctx.obj = {**given, "argv": ("r2s", *argv)}
        if ctx.invoked_subcommand is not None:
            return None
        from r2s.cli import status

        return build("status", status)(ctx, **{**dict.fromkeys(SHARED), **given})

    version = inspect.Parameter(
        "version",
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(False, "--version", help="Print the version."),
        annotation=bool,
    )
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
    parameters = [context, version, *shared_parameters()]
    r2s.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    r2s.__annotations__ = {each.name: each.annotation for each in parameters}
    app.callback(invoke_without_command=True)(r2s)
    return app


def _summary(module: str) -> str:
    """Return the first line of a command's docstring."""
    function = function_of(importlib.import_module(module))
    return (inspect.getdoc(function) or "").split("\n", 1)[0]


def _fail(command: str, error: R2SError, as_json: bool, code: int | None = None) -> int:
    if as_json:
        write_json(error_document(command, error))
    say(str(error))
    return error.exit_code if code is None else code


def _interrupted(stop: Interrupted, command: str, argv: list[str], as_json: bool) -> int:
    import shlex

    again = shlex.join(["r2s", *argv])
    error = R2SError(
        "R2S-CLI-130",
        "interrupted; everything finished is kept",
        where=command,
        why="and the newest checkpoint of the unfinished stage, where it had come to one",
        remedy=f"{again}   # does what is left",
    )
    return _fail(command, error, as_json, stop.exit_code)


def _usage(exc: Any, command: str) -> UsageError:
    return UsageError(
        "R2S-CLI-001",
        exc.format_message().rstrip("."),
        where=f"r2s {command}".strip(),
        remedy=f"r2s {command} --help".replace("  ", " "),
    )


def _of_the_system(exc: Exception) -> R2SError | None:
    """Return what the machine refused, as it can be mended there; None for what is a defect of r2s."""
    if not isinstance(exc, OSError):
        return None
    from r2s.core.files import NO_SPACE, NOT_ALLOWED

    try:
        os.getcwd()
    except FileNotFoundError:
        return R2SError(
            "R2S-CLI-010", "the folder this command runs in was deleted", where="the current folder",
            why="workspaces are looked for from there upwards", remedy="cd ~   # or any folder that exists",
        )  # fmt: skip
    if exc.errno in NO_SPACE:
        remedy = "df -h   # make room, then the same command again"
    elif exc.errno in NOT_ALLOWED:
        remedy = "ls -l   # whose it is; then the same command again, or in another folder"
    elif exc.errno in (errno.EMFILE, errno.ENFILE):
        remedy = "ulimit -n 4096   # more open files, then the same command again"
    else:
        return None
    return R2SError(
        "R2S-CLI-011", f"the system refused: {exc.strerror}", where=str(exc.filename or "the output"),
        why="what was finished before is kept", remedy=remedy,
    )  # fmt: skip


def _defect(exc: Exception, argv: list[str]) -> R2SError:
    """Write what went wrong into a log file and return the short message that names it."""
    import platform
    import shlex
    import traceback

    from r2s import __version__

    handle, path = tempfile.mkstemp(prefix="r2s-", suffix=".log")
    with os.fdopen(handle, "w") as log:
        log.write(f"r2s {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        log.write(f"command: {shlex.join(['r2s', *argv])}\n\n")
        log.write("".join(traceback.format_exception(exc)))
    text = str(exc).split("\n", 1)[0]
    return R2SError(
        "R2S-CLI-003",
        f"r2s itself failed: {type(exc).__name__}{f': {text}' if text else ''}",
        where=path,
        why="this is a defect of r2s, not of your files; what was finished is kept",
        remedy=f"read {path}, and report it with that file",
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
