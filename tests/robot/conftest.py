"""Small robots written in the test, and real ones imported once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from r2s.artifacts.robot import Robot
from r2s.core.context import StageContext
from r2s.robot import stage

INERTIAL = (
    '<inertial><mass value="1"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>'
    "</inertial>"
)


def link(name: str, *, inertial: str = INERTIAL, shape: str = '<sphere radius="0.02"/>') -> str:
    geometry = f"<collision><geometry>{shape}</geometry></collision>" if shape else ""
    return f'<link name="{name}">{inertial}{geometry}</link>'


def joint(name: str, parent: str, child: str, *, kind: str = "revolute", more: str = "") -> str:
    limit = '<limit lower="-1" upper="1" effort="5" velocity="2"/>' if kind != "fixed" else ""
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="0 0 0.2"/><axis xyz="0 1 0"/>{limit}{more}</joint>'
    )


@pytest.fixture
def write_urdf(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the given elements as a URDF."""

    def write(*elements: str, name: str = "small") -> Path:
        path = tmp_path / f"{name}.urdf"
        path.write_text(f'<robot name="{name}">{"".join(elements)}</robot>')
        return path

    return write


@pytest.fixture(scope="session")
def imported() -> Callable[..., Robot]:
    """Return a function that imports a description, each one once."""

    @cache
    def run(path: Path, base: str = "auto", samples: int = 300) -> Robot:
        config = stage.Config.model_validate({"base": base, "samples": samples})
        return stage.run({}, config, StageContext(scratch=path.parent, sources={"robot": path}))

    return run
