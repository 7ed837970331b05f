"""Robots of installed packages: `menagerie:NAME`, `description:NAME`. Only what is cached; no network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from r2s.core.errors import R2SError

MENAGERIE, DESCRIPTION = "menagerie:", "description:"
_CLONED = re.compile(r"clone_to_cache\(\s*\"([^\"]+)\"")


def is_packaged(wanted: str) -> bool:
    """Whether a word names a robot of a package, not a file."""
    return wanted.startswith((MENAGERIE, DESCRIPTION))


def packaged_file(wanted: str) -> Path:
    """Return the description file of a robot of a package.

    Raises:
        R2SError: the package is not installed, has no such robot, or has not downloaded it yet.
    """
    kind, _, name = wanted.partition(":")
    return _menagerie(name) if f"{kind}:" == MENAGERIE else _description(name)


def _menagerie(name: str) -> Path:
    try:
        package: Any = import_module("mujoco_menagerie")
        cache = import_module("mujoco_menagerie._cache").Cache()
    except ImportError as exc:
        raise _not_installed(f"{MENAGERIE}{name}", "mujoco-menagerie") from exc
    wanted = f"{MENAGERIE}{name}"
    if name not in package.names():
        raise _unknown(wanted, package.names())
    robot = package.get(name)
    if cache.root is None and not cache.is_cached(robot):
        raise _not_cached(
            wanted,
            str(cache.dir),
            f"python -c \"import mujoco_menagerie; mujoco_menagerie.prefetch(['{name}'])\"",
        )
    try:
        return Path(robot.xml(robot.default_model, cache))
    except package.MenagerieError as exc:
        raise _not_cached(wanted, str(cache.root), f"ls {cache.root}") from exc


def _description(name: str) -> Path:
    wanted = f"{DESCRIPTION}{name}"
    if find_spec("robot_descriptions") is None:
        raise _not_installed(wanted, "robot-descriptions")
    spec = None
    for module in (name, f"{name}_description", f"{name}_mj_description"):
        if module.isidentifier() and not module.startswith("_"):
            spec = spec or find_spec(f"robot_descriptions.{module}")
    if spec is None or spec.origin is None or not spec.name.endswith("_description"):
        known = [path.stem for path in Path(str(_folder())).glob("*_description.py")]
        raise _unknown(wanted, sorted(stem for stem in known if not stem.startswith("_")))
    cloned = _CLONED.findall(Path(spec.origin).read_text(encoding="utf-8"))
    repositories = import_module("robot_descriptions._repositories").REPOSITORIES
    cache = Path(os.environ.get("ROBOT_DESCRIPTIONS_CACHE", "~/.cache/robot_descriptions"))
    cache = cache.expanduser()
    fetch = f"python -c 'import {spec.name}'   # downloads it"
    for repository in cloned:
        if not (cache / repositories[repository].cache_path / ".git").exists():
            raise _not_cached(wanted, str(cache), fetch)
    import git

    try:
        with _no_network():
            module = import_module(spec.name)
    except (git.GitCommandError, ImportError, OSError) as exc:
        raise _not_cached(wanted, str(cache), fetch) from exc
    for attribute in ("URDF_PATH", "MJCF_PATH", "XACRO_PATH"):
        path = getattr(module, attribute, None)
        if path and not (attribute == "XACRO_PATH" and getattr(module, "XACRO_ARGS", None)):
            return Path(path)
    raise R2SError(
        "R2S-ROBOT-043",
        f"{wanted} has no URDF or MJCF that is ready to read",
        where=spec.origin,
        why="it is a xacro file that needs arguments",
        remedy=f"python -m robot_descriptions show_in_yourdfpy {name}   # or expand it with xacro",
    )


def _folder() -> Path:
    spec = find_spec("robot_descriptions")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


@contextmanager
def _no_network() -> Iterator[None]:
    """Let git read files only: what is not here is not fetched behind the user's back."""
    before = os.environ.get("GIT_ALLOW_PROTOCOL")
    os.environ["GIT_ALLOW_PROTOCOL"] = "file"
    try:
        yield
    finally:
        if before is None:
            del os.environ["GIT_ALLOW_PROTOCOL"]
        else:
            os.environ["GIT_ALLOW_PROTOCOL"] = before


def _not_installed(wanted: str, package: str) -> R2SError:
    return R2SError(
        "R2S-ROBOT-040",
        f"{wanted} needs the package {package}",
        where=wanted,
        why="it is an optional part of r2s and not installed here",
        remedy="pip install 'r2s-pipeline[robots]'",
    )


def _unknown(wanted: str, names: list[str]) -> R2SError:
    import difflib

    name = wanted.split(":", 1)[1]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return R2SError(
        "R2S-ROBOT-041",
        f"there is no robot {wanted}",
        where=f"{len(names)} robots in the package",
        why="nothing there has this name",
        remedy=f"did you mean {', '.join(near)}?"
        if near
        else f"one of: {', '.join(names[:12])} ...",
    )


def _not_cached(wanted: str, where: str, remedy: str) -> R2SError:
    return R2SError(
        "R2S-ROBOT-042",
        f"{wanted} is not on this computer yet",
        where=where,
        why="r2s downloads nothing by itself; the package keeps what it has downloaded there",
        remedy=remedy,
    )
