"""Sessions: lint, types, tests, e2e, bench, campaign, edge. `nox -l` lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "venv"


def _install(session: nox.Session) -> None:
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    # Without its dependencies yourdfpy brings none of the engines that change what trimesh does.
    session.install("--no-deps", "example-robot-data", "yourdfpy", "lxml", "six")


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lint rules."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types."""
    _install(session)
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests of `.ci/run`, on every Python that is here."""
    _install(session)
    session.run("python", "-m", "pytest", "-m", "not campaign", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """The README's main job, from samples to a gated bundle."""
    _install(session)
    session.run("r2s", "--workspace", session.create_tmp(), "run", "pipelines/tabletop-reach.yaml")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks: ratios measured within one run."""
    _install(session)
    session.run(
        "python",
        "-m",
        "pytest",
        "tests/benchmarks",
        "-s",
        "-m",
        "campaign or not campaign",
        *session.posargs,
    )


@nox.session
def campaign(session: nox.Session) -> None:
    """Long tests: fuzz, kills, studies."""
    _install(session)
    session.run("python", "-m", "pytest", "-m", "campaign", *session.posargs)


@nox.session(python=["3.10"])
def edge(session: nox.Session) -> None:
    """The edge runtime alone, on JetPack 6's Python and its last onnxruntime."""
    session.install("numpy", "onnxruntime==1.23.2", "pytest", "hypothesis")
    tests = "tests/edge/test_standalone_safety.py"
    session.run("python", "-m", "pytest", tests, "-p", "no:cacheprovider", *session.posargs)


@nox.session(python=PYTHONS)
def constraints(session: nox.Session) -> None:
    """Rewrite this Python's lines of constraints.txt from what pip resolves today."""
    report = session.create_tmp() + "/report.json"
    session.install("-U", "pip")
    session.run(
        "pip", "install", "--dry-run", "--ignore-installed", "-q", "--report", report, "-e", ".[dev]"
    )  # fmt: skip
    assert isinstance(session.python, str)
    _merge_constraints(
        Path("constraints.txt"), session.python, json.loads(Path(report).read_text())
    )


def _merge_constraints(path: Path, python: str, report: dict[str, Any]) -> None:
    """Replace one Python's versions; a package that is the same on all has one line, no marker."""
    versions: dict[str, dict[str, str]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            requirement, _, marker = line.partition(" ; python_version == ")
            name, _, version = requirement.partition("==")
            pythons = [marker.strip('"')] if marker else PYTHONS
            versions.setdefault(name, {}).update(dict.fromkeys(pythons, version))
    for of_package in versions.values():
        of_package.pop(python, None)
    for item in report["install"]:
        metadata = item["metadata"]
        if metadata["name"] != "r2s-pipeline":
            versions.setdefault(metadata["name"].lower(), {})[python] = metadata["version"]
    lines = ["# The verified set, written by `nox -s constraints`."]
    for name, by_python in sorted(versions.items()):
        if len(by_python) == len(PYTHONS) and len({*by_python.values()}) == 1:
            lines.append(f"{name}=={by_python[python]}")
        else:
            lines += [
                f'{name}=={v} ; python_version == "{p}"' for p, v in sorted(by_python.items())
            ]
    path.write_text("\n".join(lines) + "\n")
