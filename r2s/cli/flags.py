"""Config fields become options: one name for the flag, the field and the JSON key."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Union

import typer

if TYPE_CHECKING:
    from r2s.artifacts.base import Frozen
    from r2s.engine.stage import StageSpec

SEPARATOR = "__"
Path = tuple[str, ...]


def options(stage: StageSpec, *, prefixed: bool) -> list[inspect.Parameter]:
    """Return one keyword parameter per field of a stage's config, as typer understands them.

    Args:
        prefixed: write `--reconstruct-voxel-m` instead of `--voxel-m`, for stages that a command runs
            besides its own.
    """
    prefix = (stage.command,) if prefixed else ()
    panel = f"Settings of {stage.command}"
    return [
        _option(stage.name, path, prefix, panel, model)
        for path, model in leaves(stage.load().Config)
    ]


def leaves(model: type[Frozen], path: Path = ()) -> Iterator[tuple[Path, type[Frozen]]]:
    """Yield (path, model that has its last part as a field) of every setting; nested models are entered."""
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        nested: Any = inner if isinstance(inner, type) else None
        if hasattr(nested, "model_fields"):
            yield from leaves(nested, (*path, name))
        else:
            yield (*path, name), model


def given(values: Mapping[str, Any], stages: Mapping[str, StageSpec]) -> dict[str, dict[str, Any]]:
    """Return stage name to (nested) config values of the options that were given."""
    configs: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        stage, *path = key.split(SEPARATOR)
        if not path or value is None:
            continue
        models = dict(leaves(stages[stage].load().Config))
        annotation = models[tuple(path)].model_fields[path[-1]].annotation
        tree = configs.setdefault(stage, {})
        for part in path[:-1]:
            tree = tree.setdefault(part, {})
        tree[path[-1]] = value if isinstance(value, bool) else parse(value, annotation)
    return configs


def parse(text: str, annotation: Any) -> Any:
    """Return the value a flag's text means for a field; the model validates it afterwards.

    Lists and tuples are written `0.3,0,0.8`, mappings `a=1,b=2`, anything deeper as JSON.
    """
    if annotation is str:
        return text
    value = _json_or_text(text)
    if not isinstance(value, str):
        return (value,) if _takes(annotation, (tuple, list)) and _is_scalar(value) else value
    if _takes(annotation, (dict,)) and "=" in text:
        pairs = (part.split("=", 1) for part in text.split(","))
        return {key.strip(): _json_or_text(item[0]) if item else "" for key, *item in pairs}
    if _takes(annotation, (tuple, list)) and not _is_choice(text, annotation):
        return [_json_or_text(part.strip()) for part in text.split(",")]
    return value


def type_name(annotation: Any) -> str:
    """Return how a field's type is written in help: `FLOAT`, `[m|mm|ft]`, `X,Y,Z`."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "[" + "|".join(str(arg) for arg in args) + "]"
    if origin in (Union, types.UnionType):
        # A model among them is what a file becomes: no text of a flag says it.
        said = [arg for arg in args if arg is not type(None) and not hasattr(arg, "model_fields")]
        return "|".join(type_name(arg) for arg in said)
    if origin in (tuple, list):
        inner = [type_name(arg) for arg in args if arg is not Ellipsis]
        return ",".join(inner) + (",..." if Ellipsis in args or origin is list else "")
    if origin is dict or annotation is dict:
        return "KEY=VALUE,..."
    if origin is typing.Annotated:
        return type_name(args[0])
    return getattr(annotation, "__name__", "VALUE").upper()


def field_help(model: type[Frozen], name: str) -> str:
    """Return what a field means: its description, else its line of the docstring's `Attributes:`."""
    description = model.model_fields[name].description
    return description or _attribute_docs(inspect.getdoc(model) or "").get(name, "")


def _option(
    stage: str, path: Path, prefix: Path, panel: str, model: type[Frozen]
) -> inspect.Parameter:
    name = path[-1]
    field = model.model_fields[name]
    flag = "-".join((*prefix, *path)).replace("_", "-")
    is_bool = field.annotation is bool
    default = field.get_default(call_default_factory=True)
    shown = "" if default in (None, "", (), {}) else f" (default: {_shown(default)})"
    option = typer.Option(
        None,
        f"--{flag}/--no-{flag}" if is_bool else f"--{flag}",
        help=f"{field_help(model, name)}{shown}".strip(),
        metavar=None if is_bool else type_name(field.annotation),
        show_default=False,
        rich_help_panel=panel,
    )
    return inspect.Parameter(
        SEPARATOR.join((stage, *path)),
        inspect.Parameter.KEYWORD_ONLY,
        default=option,
        annotation=bool | None if is_bool else str | None,
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(_shown(item) for item in value)
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_shown(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_scalar(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _takes(annotation: Any, kinds: tuple[type, ...]) -> bool:
    """Whether an annotation is, or a member of its union is, one of the kinds."""
    members = [annotation, *typing.get_args(annotation)] if _is_union(annotation) else [annotation]
    scalar = any(member in (int, float) for member in members)
    return not scalar and any(
        typing.get_origin(member) in kinds or member in kinds for member in members
    )


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _is_choice(text: str, annotation: Any) -> bool:
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    return any(
        text in typing.get_args(member)
        for member in members
        if typing.get_origin(member) is Literal
    )


def _attribute_docs(docstring: str) -> dict[str, str]:
    """Return field to text of a Google `Attributes:` section; `a, b: text` documents both."""
    _, found, section = docstring.partition("Attributes:\n")
    docs: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines() if found else ():
        head = re.match(r" {4}(\w[\w, ]*): (.*)", line)
        if head:
            names = [name.strip() for name in head[1].split(",")]
            docs |= dict.fromkeys(names, head[2].strip())
        elif line.startswith(" " * 8) and names:
            docs |= {name: f"{docs[name]} {line.strip()}" for name in names}
        elif line.strip() and not line.startswith(" "):
            break
    return docs
