"""Sessions: lint, types, tests, e2e, bench, campaign, edge. `nox -l` lists them."""

from __future__ import annotations

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "venv"


def _install(session: nox.Session) -> None:
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.install("--no-deps", "example-robot-data")


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
    session.run("pytest", "-m", "not campaign", *session.posargs)


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
        "pytest", "tests/benchmarks", "-s", "-m", "campaign or not campaign", *session.posargs
    )


@nox.session
def campaign(session: nox.Session) -> None:
    """Long tests: fuzz, kills, studies."""
    _install(session)
    session.run("pytest", "-m", "campaign", *session.posargs)


@nox.session(python=["3.10"])
def edge(session: nox.Session) -> None:
    """The edge runtime alone, on JetPack 6's Python and its last onnxruntime."""
    session.install("numpy", "onnxruntime==1.23.2", "pytest", "hypothesis")
    session.run(
        "pytest", "tests/edge", "-k", "standalone", "-p", "no:cacheprovider", *session.posargs
    )
