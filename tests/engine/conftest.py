"""A store, and a chain of two tiny real stages on a text file."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_stages

from r2s.engine.step import Step
from r2s.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "work" / ".r2s")


@pytest.fixture(autouse=True)
def calls():
    toy_stages.CALLS.clear()
    return toy_stages.CALLS


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("1 2 3")
    return path


@pytest.fixture
def chain(capture: Path):
    """Return a function that builds source -> double with the given settings."""

    def build(*, scale: float = 1.0, steps: int = 4, seed: int = 0, path: Path = capture) -> Step:
        source = Step(
            toy_stages.SOURCE,
            toy_stages.SOURCE.config({"scale": scale}),
            sources={"capture": path},
            seed=seed,
            ref="scan/lab",
        )
        config = toy_stages.DOUBLE.config({"steps": steps})
        return Step(toy_stages.DOUBLE, config, inputs={"scan": source}, seed=seed, ref="scan/twice")

    return build
