"""Labels from plug-ins: an installed package may say what the things of a place are. None is needed.

A labeler is a callable under the entry point group `r2s.labelers`:

    [project.entry-points."r2s.labelers"]
    my_model = "my_package:label"

    def label(things: Sequence[Thing]) -> Mapping[str, str]:
        return {thing.name: "mug" for thing in things if is_a_mug(thing.points)}

It gets every body with its points, and returns labels by name, for as many as it likes. It must be
deterministic: its name and version are in the action key, so an update makes a reconstruction anew. What
a person says (`r2s layout edit`) and what an earlier labeler (by name) said stays. A labeler that fails
is told of in a warning, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np

from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.parts import Part, upright_box

GROUP = "r2s.labelers"
LONGEST = 60  # characters of a label


@dataclass(frozen=True)
class Thing:
    """One body as a labeler sees it.

    Attributes:
        name, role, mobility: as in `r2s.artifacts.reconstruction.Body`.
        position_m, yaw_rad, size_m: the smallest upright box around it, world frame.
        points: (n, 3) float64, metres, world frame; `colors`: (n, 3) uint8, or (0, 3) without colour.
    """

    name: str
    role: str
    mobility: str
    position_m: tuple[float, float, float]
    yaw_rad: float
    size_m: tuple[float, float, float]
    points: np.ndarray
    colors: np.ndarray


Labeler = Callable[[Sequence[Thing]], Mapping[str, str]]


def installed() -> list[metadata.EntryPoint]:
    """Return the labelers of this Python, by name."""
    return sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def versions() -> str:
    """Return the installed labelers with the versions of their packages, "" where there are none."""
    return ", ".join(
        f"{entry.name} ({entry.dist.name} {entry.dist.version})" if entry.dist else entry.name
        for entry in installed()
    )


def labelled(parts: list[Part], cloud: Cloud) -> tuple[list[Part], list[str]]:
    """Return named parts with the labels that installed labelers give, and what went wrong."""
    warnings = []
    for entry in installed():
        try:
            said = dict(entry.load()([_thing(part, cloud) for part in parts]))
        # A stranger's code may raise anything, and the reconstruction does not need it.
        except Exception as exc:
            reason = " ".join(str(exc).split())[:200]
            warnings.append(
                f"labeler {entry.name} failed and labels nothing: {type(exc).__name__}: {reason}"
            )
            continue
        wrong = _wrong(said, {part.name for part in parts})
        if wrong:
            warnings.append(f"labeler {entry.name} is not used: {wrong}")
            continue
        parts = [replace(part, label=part.label or said.get(part.name, "")) for part in parts]
    return parts, warnings


def _thing(part: Part, cloud: Cloud) -> Thing:
    position, yaw, size = upright_box(part.geoms, part.hulls)
    colors = cloud.colors[part.points] if len(cloud.colors) else cloud.colors.copy()
    points = cloud.points[part.points]  # copies: a labeler may write into them
    return Thing(part.name, part.role, part.mobility, position, yaw, size, points, colors)


def _wrong(said: Mapping[Any, Any], names: set[str]) -> str:
    """Return what is wrong with a labeler's answer, or ""."""
    for name, label in said.items():
        if name not in names:
            return f"there is no body {name!r}"
        if not isinstance(label, str) or not label.strip() or len(label) > LONGEST:
            return f"its label of {name} is no text of 1 to {LONGEST} characters: {label!r:.80}"
    return ""
