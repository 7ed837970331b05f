"""Every stage and every artifact kind there is, in pipeline order. Explicit: nothing registers itself."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from r2s.core.errors import R2SError
from r2s.engine.stage import StageSpec

if TYPE_CHECKING:
    from r2s.artifacts.base import Artifact
    from r2s.store import Stored

SCAN = StageSpec("scan", "r2s.scan.stage", "scan", {}, sources=("capture",))
RECONSTRUCT = StageSpec("reconstruct", "r2s.reconstruct.stage", "reconstruction", {"scan": "scan"})
ROBOT = StageSpec("robot", "r2s.robot.stage", "robot", {}, sources=("robot",))
BUILD_SCENE = StageSpec(
    "build_scene",
    "r2s.scene.stage",
    "scene",
    {"reconstruction": "reconstruction", "robot": "robot"},
)
TRAIN = StageSpec("train", "r2s.train.stage", "policy", {"scene": "scene"})
VALIDATE = StageSpec(
    "validate", "r2s.validate.stage", "validation", {"policy": "policy", "scene": "scene"}
)
EXPORT = StageSpec(
    "export",
    "r2s.export.stage",
    "bundle",
    {"policy": "policy", "validation": "validation", "scene": "scene"},
)

STAGES: dict[str, StageSpec] = {
    spec.name: spec for spec in (SCAN, RECONSTRUCT, ROBOT, BUILD_SCENE, TRAIN, VALIDATE, EXPORT)
}

ARTIFACTS: dict[str, str] = {
    "scan": "r2s.artifacts.scan:Scan",
    "reconstruction": "r2s.artifacts.reconstruction:Reconstruction",
    "robot": "r2s.artifacts.robot:Robot",
    "scene": "r2s.artifacts.scene:Scene",
    "policy": "r2s.artifacts.policy:Policy",
    "validation": "r2s.artifacts.validation:Validation",
    "bundle": "r2s.artifacts.bundle:Bundle",
}


def artifact_class(kind: str) -> type[Artifact]:
    """Import and return the class of an artifact kind."""
    module, name = ARTIFACTS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def decoded(stored: Stored) -> Any:
    """Return the artifact that the store keeps.

    Raises:
        R2SError: it lacks what this r2s needs, or has what it does not know (R2S-ENGINE-003).
    """
    try:
        return artifact_class(stored.kind).decode(stored.config, stored.files)
    except (ValueError, KeyError, TypeError) as exc:  # pydantic's error is a ValueError
        command = next(spec.command for spec in STAGES.values() if spec.kind == stored.kind)
        raise R2SError(
            "R2S-ENGINE-003",
            f"this {stored.kind} was made by another version of r2s, which this one cannot read",
            where=stored.digest,
            why=" ".join(str(exc).split())[:200],
            remedy=f"r2s {command}    # makes it again",
        ) from exc
