"""What a stage is: a pure function from artifacts to an artifact, in a module imported only when needed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from r2s.core.errors import UsageError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from r2s.artifacts.base import Artifact, Frozen
    from r2s.core.context import StageContext


class StageModule(Protocol):
    """The contract of `r2s.<package>.stage`.

    Optional besides: `source_files(role, path, config)` for stages with foreign inputs, `facets(config)`
    for platform facts that change the bytes (accelerator, XLA flags), `accept(artifact, config)` that
    raises an `R2SError` when a finished artifact must not get a ref (a failed audit), `NO_EFFECT`:
    names of config fields that change no byte of the result (threads), which stay out of the key.
    """

    STAGE_VERSION: int
    DETERMINISM: str
    TOOLS: tuple[str, ...]
    Config: type[Frozen]

    def run(
        self, inputs: Mapping[str, Artifact], config: Any, context: StageContext
    ) -> Artifact: ...


@dataclass(frozen=True)
class StageSpec:
    """A stage as the engine knows it without importing it.

    Attributes:
        name: `scan`, `reconstruct`, `robot`, `build_scene`, ...; the CLI writes `-` for `_`.
        module: dotted name of its module.
        kind: kind of the artifact it makes.
        inputs: input role to artifact kind.
        sources: roles of foreign files.
    """

    name: str
    module: str
    kind: str
    inputs: Mapping[str, str]
    sources: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The stage's name on the command line."""
        return self.name.replace("_", "-")

    def load(self) -> StageModule:
        """Import the stage's module."""
        return importlib.import_module(self.module)  # type: ignore[return-value]

    def config(self, values: Mapping[str, Any], *, where: str = "") -> Frozen:
        """Return the stage's validated config.

        Raises:
            UsageError: a field is unknown or its value is not accepted; the message names the field,
                the valid alternatives and, for a misspelt field, the nearest one.
        """
        return validated(self.load().Config, values, where=where or self.command)

    def source_files(self, role: str, path: Path, config: Frozen) -> list[Path]:
        """Return every file the source consists of, the named one first.

        A folder is not among the files that a stage lists of it: it may hold more than they.
        """
        files = getattr(self.load(), "source_files", None)
        found = list(files(role, path, config)) if files else [path]
        if path.is_dir() and path not in found:
            return found
        return [path, *(each for each in found if each != path)]

    def facets(self, config: Frozen) -> dict[str, str]:
        """Return what the stage says of its platform beyond the CPU architecture."""
        facets = getattr(self.load(), "facets", None)
        return dict(facets(config)) if facets else {}


def validated(model: type[Frozen], values: Mapping[str, Any], *, where: str) -> Frozen:
    """Build a frozen model, turning pydantic's complaint into one `UsageError`."""
    from pydantic import ValidationError

    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise UsageError(
            "R2S-CONFIG-001",
            _complaint(exc, model),
            where=where,
            why="a setting that is misread silently would change the result",
            remedy=_remedy(exc, model, where),
        ) from exc


def _complaint(error: ValidationError, model: type[Frozen]) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or model.__name__
    if first["type"] == "extra_forbidden":
        return f"there is no field {field!r}"
    text = f"{field}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    given = first.get("input")
    return text if isinstance(given, dict) else f"{text}, got {given!r}"


def _remedy(error: ValidationError, model: type[Frozen], where: str) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(unknown, known, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return f"{guess}fields: {', '.join(known)}"
    return f"r2s {where} --help"


def _fields_at(model: type[Frozen], path: tuple[int | str, ...]) -> list[str]:
    from pydantic import BaseModel

    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner  # type: ignore[assignment]
    return list(model.model_fields)
