"""Tiny real stages for the engine's tests: a text file becomes a scan of its numbers, then is doubled.

Real artifacts, real store, pure functions. Two stage modules live here as namespaces, because the
engine wants one module per stage: `SOURCE` and `DOUBLE`. `CALLS` counts how often each really ran.
"""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from r2s.artifacts.base import Frozen
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.engine.stage import StageSpec

CALLS: Counter[str] = Counter()
LIMIT = 1000.0
IDENTITY = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 1.0))


def scan_of(values: np.ndarray, warnings: tuple[str, ...] = ()) -> Scan:
    """Return a scan whose points are (value, 0, 0)."""
    points = np.zeros((len(values), 3), np.float32)
    points[:, 0] = values
    return Scan(
        info=ScanInfo(
            source_format="text", raw_points=len(values), dropped={}, unit="m", unit_evidence="given",
            up_axis="+z", up_evidence="given", up_confidence=1.0, noise_sigma_m=0.0, voxel_m=1.0,
            bounds_m=((0, 0, 0), (1, 1, 1)), T_world_source=IDENTITY, viewpoints_source="unknown",
            viewpoint_evidence="none", warnings=warnings, notes=(f"{len(values)} numbers",),
        ),
        points=points,
        normals=np.zeros_like(points),
        colors=np.zeros((0, 3), np.uint8),
        counts=np.ones(len(values), np.uint32),
        viewpoints=np.zeros((0, 3), np.float32),
        viewpoint_of=np.full(len(values), -1, np.int32),
        mesh_vertices=np.zeros((0, 3), np.float32),
        mesh_faces=np.zeros((0, 3), np.int32),
    )  # fmt: skip


class SourceConfig(Frozen):
    scale: float = Field(1.0, description="every number is multiplied by this", gt=0)
    drop: int = Field(0, description="leave out the first numbers")


def source_run(inputs: Mapping[str, Any], config: SourceConfig, context: StageContext) -> Scan:
    CALLS["source"] += 1
    text = context.sources["capture"].read_text().split()
    try:
        values = np.array([float(word) for word in text[config.drop :]]) * config.scale
    except ValueError as exc:
        raise R2SError("R2S-TOY-001", "no number", where="capture", remedy="write numbers") from exc
    (context.scratch / "work").write_text("only here")
    context.progress("reading", len(values), len(values))
    context.facts["numbers_per_s"] = 12.5
    return scan_of(values, warnings=("short",) if len(values) < 2 else ())


class DoubleConfig(Frozen):
    steps: int = Field(4, description="how many steps to double in")


def double_run(inputs: Mapping[str, Any], config: DoubleConfig, context: StageContext) -> Scan:
    """Double every number in steps, with a checkpoint after each."""
    CALLS["double"] += 1
    saved = context.checkpoint.latest()
    done = saved[0] if saved else 0
    context.facts["resumed_from"] = done
    for step in range(done, config.steps):
        context.stop_if_cancelled()
        context.progress("doubling", step, config.steps)
        CALLS["double step"] += 1
        context.checkpoint.save(step + 1, {"state": str(step + 1).encode()})
    return scan_of(np.asarray(inputs["scan"].points)[:, 0] * 2)


def accept(artifact: Scan, config: Any) -> None:
    if len(artifact.points) and float(artifact.points[:, 0].max()) > LIMIT:
        raise R2SError("R2S-TOY-002", "too large", where="points", why="it is", remedy="smaller")


def _module(name: str, **members: Any) -> str:
    module = types.ModuleType(name)
    vars(module).update(STAGE_VERSION=1, DETERMINISM="bitwise", TOOLS=("numpy",), **members)
    sys.modules[name] = module
    return name


def companions(role: str, path: Path, config: SourceConfig) -> list[Path]:
    return [path, *sorted(path.parent.glob("*.side"))]


SOURCE = StageSpec(
    "source",
    _module("toy_source", Config=SourceConfig, run=source_run, source_files=companions),
    "scan",
    {},
    sources=("capture",),
)
DOUBLE = StageSpec(
    "double",
    _module("toy_double", Config=DoubleConfig, run=double_run, accept=accept),
    "scan",
    {"scan": "scan"},
)
