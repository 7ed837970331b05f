"""The action key: the digest of everything that may change a result, and of nothing else.

In it: the stage and its version, the manifests of its inputs, its config, the bytes of its foreign
files, the seed, the versions of its declared tools, and platform facts that change bytes. Never in it:
paths, names, times, hosts, log levels.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.core.canonical import digest_file, digest_json
from r2s.core.errors import R2SError
from r2s.guard.preflight import not_special

if TYPE_CHECKING:
    from r2s.artifacts.base import Frozen
    from r2s.engine.stage import StageSpec

FORMAT = "r2s.action/1"


@dataclass(frozen=True)
class Action:
    """A stage about to run: its key and the components the key is made of (`why` compares these)."""

    key: str
    components: dict[str, Any]


def action(
    stage: StageSpec,
    *,
    config: Frozen,
    inputs: Mapping[str, str],
    sources: Mapping[str, Path],
    seed: int,
) -> Action:
    """Return the action of a stage on manifests (`inputs`: role to digest) and foreign files."""
    module = stage.load()
    components = {
        "format": FORMAT,
        "stage": stage.name,
        "stage_version": module.STAGE_VERSION,
        "inputs": dict(inputs),
        "config": config.model_dump(mode="json", exclude=set(getattr(module, "NO_EFFECT", ()))),
        "sources": {
            role: source_digests(stage, role, path, config) for role, path in sources.items()
        },
        "seed": seed,
        "tools": {name: tool_version(name) for name in module.TOOLS},
        "facets": {**_facets(module.TOOLS), **stage.facets(config)},
    }
    return Action(digest_json(components), components)


def source_digests(stage: StageSpec, role: str, path: Path, config: Frozen) -> dict[str, str]:
    """Return name to digest of every file of a source.

    The named file counts by its suffix only, so that renaming or moving it changes nothing; its
    companions count by their place relative to it, because the source refers to them so. Of a folder
    the files that the stage lists count, by their place in it.

    Raises:
        R2SError: the file does not exist, cannot be read, or is a device or a pipe.
    """
    if not path.exists():
        raise R2SError(
            "R2S-ENGINE-001",
            f"there is no file {path.name!r}",
            where=str(path.parent),
            why=f"stage {stage.command} reads its {role} from there",
            remedy=f"ls {path.parent}   # in a recipe: --set {role}=FILE",
        )
    not_special(path)  # a pipe or /dev/zero would be read for ever
    digests = {}
    folder = path if path.is_dir() else path.parent
    for each in stage.source_files(role, path, config):
        name = path.suffix.lower() if each == path else _relative(each, folder)
        try:
            digests[name] = digest_folder(each) if each.is_dir() else digest_file(each)
        except OSError as exc:
            raise R2SError(
                "R2S-ENGINE-002",
                f"{each.name} cannot be read: {exc.strerror}",
                where=str(each),
                why=f"it is part of the {role} of stage {stage.command}",
                remedy=f"ls -l {each}",
            ) from exc
    return digests


def digest_folder(folder: Path) -> str:
    """Return one digest for all files of a folder and their places in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest_file(path) for path in files})


@cache
def tool_version(distribution: str) -> str:
    """Return the installed version of a distribution, or `absent`."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def _facets(tools: tuple[str, ...]) -> dict[str, str]:
    facets = {"machine": platform.machine()}
    if "jax" in tools:
        # XLA flags change the bytes of a jitted computation, even on one machine.
        facets |= {"xla_flags": os.environ.get("XLA_FLAGS", ""), "jax_platform": _jax_platform()}
    return facets


def _jax_platform() -> str:
    """Return what JAX will compute on, without the second that importing it takes."""
    chosen = os.environ.get("JAX_PLATFORMS", "").split(",")[0]
    has_cuda = any(tool_version(f"jax-cuda{n}-plugin") != "absent" for n in (12, 13))
    return chosen or ("cuda" if has_cuda and Path("/dev/nvidia0").exists() else "cpu")


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
