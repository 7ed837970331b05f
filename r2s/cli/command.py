"""A plain function becomes a command: its own parameters, the shared options, the stages' settings.

A command module has a function named like the module, taking a `Session` first and returning an
`Outcome`, and may list in `CONFIGS` the stages whose config fields become its flags, its own first.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import typer

from r2s.cli.output import Outcome, document, say, write, write_json
from r2s.cli.session import Session

if TYPE_CHECKING:
    from r2s.engine.stage import StageSpec

SHARED_PANEL = "Shared options"


def _shared(*flags: str, kind: Any, help: str, **more: Any) -> tuple[Any, Any]:
    return kind, typer.Option(None, *flags, help=help, rich_help_panel=SHARED_PANEL, **more)


# None means: as given before the command.
SHARED: dict[str, tuple[Any, Any]] = {
    "workspace": _shared(
        "--workspace",
        "-w",
        kind=Path | None,
        help="Workspace folder instead of the one found here.",
    ),
    "name": _shared(
        "--name", "-n", kind=str | None, help="Name to work on instead of the current one."
    ),
    "seed": _shared("--seed", kind=int | None, help="Seed of everything random (default: 0)."),
    "json": _shared("--json", kind=bool | None, help="Answer with one JSON document."),
    "quiet": _shared("--quiet", "-q", kind=bool | None, help="No messages, no progress."),
    "verbose": _shared("--verbose", "-v", kind=bool | None, help="Say more."),
    "trust": _shared(
        "--trust", kind=bool | None, help="Let task code run that artifacts brought from elsewhere."
    ),
}


def shared_parameters() -> list[inspect.Parameter]:
    """Return the options every command takes, before or after its name."""
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)
        for name, (kind, option) in SHARED.items()
    ]


def function_of(module: ModuleType) -> Callable[..., Outcome]:
    """Return the command function of a command module: the one named like it (`_` after a builtin)."""
    return getattr(module, module.__name__.rsplit(".", 1)[-1])


def build(name: str, module: ModuleType) -> Callable[..., int]:
    """Return the function typer turns into the command: it parses, calls, prints, returns the exit code."""
    function = function_of(module)
    stages = _stages(getattr(module, "CONFIGS", ()))
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [*own, *_config_parameters(stages), *shared_parameters()]

    def command(ctx: typer.Context, **values: Any) -> int:
        session = _session(ctx, values, stages)
        arguments = {parameter.name: values[parameter.name] for parameter in own}
        began = time.monotonic()
        try:
            outcome = function(session, **arguments)
            following = session.following(outcome.next)
        finally:
            session.close()
        answer(name, outcome, session, time.monotonic() - began, following)
        if outcome.then is not None:
            outcome.then()
        return outcome.error.exit_code if outcome.error else 0

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature([context, *keyword])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in [context, *keyword]}
    command.__doc__ = function.__doc__
    return command


def quick(command: Any) -> Any:
    """Return the command with options that are not given, and flags, left as they are.

    Typer builds a pydantic validator for every option, given or not, which costs 0.1 s per call.
    """
    get_params = command.get_params  # unlike `params`, these include `--help`

    def quick_params(ctx: Any) -> list[Any]:
        parameters = get_params(ctx)
        for each in parameters:
            if not each.required and "process_value" not in vars(each):
                each.process_value = _only_when_given(each, each.process_value)
        return parameters

    command.get_params = quick_params
    return command


def _only_when_given(
    parameter: Any, process: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    many = getattr(parameter, "multiple", False) or parameter.nargs == -1

    def process_given(ctx: Any, value: Any) -> Any:
        unchanged = value is None or value == () or isinstance(value, bool)
        if unchanged and not (parameter.is_eager and value):  # `--help` acts here
            return () if many else value
        return process(ctx, value)

    return process_given


def answer(name: str, outcome: Outcome, session: Session, seconds: float, following: str) -> None:
    """Print an outcome, and the command that follows."""
    if session.json:
        write_json(document(name, outcome, seconds, following))
    elif outcome.text:
        write(outcome.text)
    if not session.quiet:
        for note in outcome.notes:
            say(f"note: {note}")
        for warning in outcome.warnings:
            say(f"warning: {warning}")
    if outcome.error is not None:
        say(str(outcome.error))
    elif following and not session.json:
        session.tell(f"next: {following}")


def _stages(names: tuple[str, ...]) -> dict[str, StageSpec]:
    if not names:
        return {}
    from r2s.engine.catalog import STAGES

    return {name: STAGES[name] for name in names}


def _config_parameters(stages: Mapping[str, StageSpec]) -> list[inspect.Parameter]:
    if not stages:
        return []
    from r2s.cli.flags import options

    return [
        option
        for index, stage in enumerate(stages.values())
        for option in options(stage, prefixed=index > 0)
    ]


def _session(
    ctx: typer.Context, values: dict[str, Any], stages: Mapping[str, StageSpec]
) -> Session:
    before = (ctx.obj or {}) if isinstance(ctx.obj, dict) else {}
    given = {name: values[name] for name in SHARED if values.get(name) is not None}
    configs: Mapping[str, Mapping[str, Any]] = {}
    if stages:
        from r2s.cli.flags import given as given_settings

        configs = given_settings(values, stages)
    argv = tuple(before.get("argv", ()))
    shared = {name: value for name, value in {**before, **given}.items() if name in SHARED}
    return Session(**shared, configs=configs, argv=argv)
