"""The robot stage: a foreign URDF or MJCF becomes a `Robot`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.robot import Robot
from r2s.core.context import StageContext

STAGE_VERSION: int = 3
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "tolerance"
TOOLS: tuple[str, ...] = ("mujoco", "trimesh", "scipy", "numpy")


class Config(Frozen):
    """How a robot is imported."""

    base: Literal["auto", "fixed", "floating"] = Field(
        "auto", description="whether the base is bolted down; auto: legged and wheeled robots float"
    )
    natural_frequency_hz: float = Field(
        10.0, gt=0, le=100, description="natural frequency of each joint under its actuator [Hz]"
    )
    damping_ratio: float = Field(
        1.0, gt=0, le=10, description="damping ratio of each joint under its actuator"
    )
    package_path: tuple[str, ...] = Field(
        (), description="folders in which package:// names are searched, before the usual ones"
    )
    samples: int = Field(
        2000, ge=100, le=100_000, description="configurations sampled for self-collision and reach"
    )
    robot_name: str = Field("", description="name of the robot; empty: taken from the file")
    profile: str = Field(
        "", description="YAML file that overrides kind, home, gains, end effector, feet"
    )
    strict: bool = Field(False, description="refuse a robot that needs a repair, instead of it")

    @property
    def package_folders(self) -> tuple[Path, ...]:
        """`package_path` as whole paths."""
        return tuple(Path(folder).expanduser().resolve() for folder in self.package_path)

    @property
    def profile_file(self) -> Path | None:
        """`profile` as a whole path."""
        return Path(self.profile).expanduser().resolve() if self.profile else None


def source_files(role: str, path: Path, config: Config) -> list[Path]:
    """Return the description, every file it references that exists, and the profile."""
    from r2s.robot.sources import referenced_files

    profile = [config.profile_file] if config.profile_file else []
    return [*referenced_files(path, config.package_folders), *profile]


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Robot:
    """Import the robot at `context.sources["robot"]`."""
    from r2s.robot.assemble import import_robot

    return import_robot(context.sources["robot"], config, context)
