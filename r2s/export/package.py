"""The files of a bundle: model, golden data, limits, the edge runtime, scripts, provenance, checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.artifacts.validation import Validation
from r2s.core.canonical import canonical_json, digest_bytes
from r2s.edge.manifest import MANIFEST_FILE, SCHEMA, SUMS_FILE
from r2s.export.golden import tolerances
from r2s.export.targets import Target
from r2s.policy.graph import IR_VERSION, OPSET

MODEL_FILE = "policy/policy.onnx"
VECTORS_FILE, EPISODE_FILE = "golden/vectors.npz", "golden/episode.npz"
RUNTIME_FOLDER = "runtime/r2s_edge"
SCRIPTS = {
    "install.sh": "install.sh",
    "selftest.sh": "selftest.sh",
    "r2s-policy.service": "systemd/r2s-policy.service",
}


def content_files(
    policy: Policy, scene: Scene, validation: Validation, vectors: bytes, episode: bytes
) -> dict[str, bytes]:
    """Return every file of the bundle but the manifest and the checksums."""
    info = policy.info
    limits = {
        name: dict(zip(("low", "high", "velocity", "effort"), info.limits[name], strict=True))
        | {"home": info.home[name]}
        | dict(zip(("kp", "kd"), info.gains[name], strict=True))
        for name in info.actions.joints
    }
    return {
        MODEL_FILE: policy.onnx,
        VECTORS_FILE: vectors,
        EPISODE_FILE: episode,
        "robot/limits.json": _pretty(limits),
        "provenance/gate-report.json": _pretty(validation.info.model_dump(mode="json")),
        "provenance/training.json": _pretty(info.training.model_dump(mode="json")),
        "provenance/lineage.json": _pretty(lineage(policy, scene, validation)),
        **runtime_files(),
        **script_files(),
    }


def runtime_files() -> dict[str, bytes]:
    """Return the sources of `r2s.edge` as the package `r2s_edge`."""
    folder = resources.files("r2s.edge")
    return {
        f"{RUNTIME_FOLDER}/{entry.name}": entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".py")
    }


def script_files() -> dict[str, bytes]:
    """Return the shell scripts and the systemd unit."""
    folder = resources.files("r2s.export") / "scripts"
    return {path: (folder / name).read_bytes() for name, path in SCRIPTS.items()}


def lineage(policy: Policy, scene: Scene, validation: Validation) -> dict[str, str]:
    """Return digests of what the bundle was made from."""
    encoded = validation.encode()
    return {
        "policy_onnx": digest_bytes(policy.onnx),
        "policy_weights": digest_bytes(policy.weights),
        "policy_info": digest_bytes(canonical_json(policy.info.model_dump(mode="json"))),
        "scene_xml": digest_bytes(scene.files["scene.xml"]),
        "scene_info": digest_bytes(canonical_json(scene.info.model_dump(mode="json"))),
        "validation": digest_bytes(canonical_json(encoded.config)),
        "validation_trials": digest_bytes(validation.trials),
    }


def sealed(
    files: Mapping[str, bytes],
    *,
    contract: Mapping[str, Any],
    target: Target,
    policy: Policy,
    validation: Validation,
    gate_override: bool,
    joint_names: tuple[str, ...],
) -> dict[str, bytes]:
    """Return the files with manifest.json and SHA256SUMS."""
    manifest = {
        "schema": SCHEMA,
        "name": f"{policy.info.robot}-{policy.info.task.name}-{target.id}",
        "target": target.model_dump(mode="json"),
        "policy": {
            "file": MODEL_FILE,
            "sha256": _hex(policy.onnx),
            "opset": OPSET,
            "ir": IR_VERSION,
            "precision": "fp32",
            "parity_max_abs": policy.info.parity.max_abs,
        },
        "contract": contract,
        "golden": {
            "vectors": VECTORS_FILE,
            "episode": EPISODE_FILE,
            "tolerances": tolerances(policy.info.actions, policy.info.parity.noise),
            "joint_names": list(joint_names),
        },
        "gate": {
            "verdict": validation.info.verdict,
            "reason": validation.info.reason,
            "override": gate_override,
        },
        "files": [
            {"path": name, "sha256": _hex(files[name]), "size": len(files[name])}
            for name in sorted(files)
        ],
    }
    result = {**files, MANIFEST_FILE: _pretty(manifest)}
    lines = [f"{_hex(result[name])}  {name}\n" for name in sorted(result)]
    return {**result, SUMS_FILE: "".join(lines).encode()}


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pretty(value: Any) -> bytes:
    """Return canonical JSON, indented so that a person can read it on the robot."""
    tree = json.loads(canonical_json(value))
    return (json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
