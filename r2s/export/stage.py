"""`export`: package a policy that passed its gate for a robot's computer, and test the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.bundle import Bundle, BundleInfo
from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.artifacts.validation import Validation
from r2s.core.canonical import digest_bytes
from r2s.core.context import StageContext
from r2s.core.errors import GateFailed, R2SError
from r2s.core.seeds import derive_seed
from r2s.export.targets import Target, find_target

STAGE_VERSION = 3
DETERMINISM = "bitwise"
TOOLS = ("mujoco", "onnxruntime", "numpy")


class Config(Frozen):
    """What to package for."""

    target: str = Field(
        "jetson-orin",
        description="Computer of the robot: jetson-orin, jetson-orin@jp62, cpu-x86_64, ...",
    )
    allow_failed_gate: bool = Field(
        False, description="Export although the gate did not pass; recorded in the bundle."
    )

    @field_validator("target")
    @classmethod
    def _known(cls, name: str) -> str:
        find_target(name)  # told before minutes of validation, not after
        return name


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Bundle:
    """Return the bundle, after its own selftest passed here.

    Raises:
        UsageError: R2S-EXPORT-001 no such target.
        GateFailed: R2S-GATE-001 the validation's verdict is not pass.
        R2SError: R2S-EXPORT-002 the target cannot read the graph, R2S-EXPORT-003 the bundle fails its
            selftest.
    """
    from r2s.edge.contract import parse_contract
    from r2s.export import package
    from r2s.export.golden import golden_episode, golden_vectors, npz
    from r2s.policy.contract import deployment_contract

    policy, scene, validation = inputs["policy"], inputs["scene"], inputs["validation"]
    assert isinstance(policy, Policy)
    assert isinstance(scene, Scene)
    assert isinstance(validation, Validation)
    target = find_target(config.target)
    _check_gate(validation, config, policy)
    _check_readable(policy, target)
    seed = derive_seed(context.seed, "export")
    contract = deployment_contract(policy.info)
    context.progress("golden episode", 0, 3)
    episode = golden_episode(policy, scene, parse_contract(contract), seed)
    vectors = golden_vectors(policy, episode, seed)
    files = package.sealed(
        package.content_files(policy, scene, validation, npz(vectors), npz(episode)),
        contract=contract,
        target=target,
        policy=policy,
        validation=validation,
        gate_override=validation.info.verdict != "pass",
        joint_names=scene.info.signal("joint_pos").elements,
    )
    context.progress("selftest", 2, 3)
    report = _selftest(files, context.scratch / "bundle")
    context.facts.update(latency_us=report["latency_us"], selftest=report)
    info = BundleInfo(
        target=f"{target.id}@{target.variant}" if "@" in config.target else target.id,
        robot=policy.info.robot,
        task=policy.info.task.name,
        gate=validation.info.verdict,
        gate_override=validation.info.verdict != "pass",
        onnx_opset=policy.info.onnx_opset,
        parity_max_abs=policy.info.parity.max_abs,
        golden_vectors=report["golden_vectors"],
        golden_ticks=report["golden_ticks"],
        sha256sums=digest_bytes(files["SHA256SUMS"]),
    )
    return Bundle(info, files)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a bundle's files under `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _selftest(files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    from r2s.edge.errors import EdgeError
    from r2s.edge.selftest import selftest

    write_files(files, folder)
    try:
        return selftest(folder)
    except EdgeError as exc:
        raise R2SError(
            "R2S-EXPORT-003",
            f"the bundle fails its own selftest: {exc.what}",
            where=exc.where,
            why=exc.why,
            remedy="train again: r2s train, then: r2s export",
        ) from exc


def _check_gate(validation: Validation, config: Config, policy: Policy) -> None:
    verdict = validation.info.verdict
    if verdict == "pass" or config.allow_failed_gate:
        return
    raise GateFailed(
        "R2S-GATE-001",
        f"the policy of {policy.info.robot} did not pass its gate: {verdict}",
        where=f"validation: {validation.info.reason}",
        why="only a policy that passes its gate may drive a robot",
        remedy="train longer: r2s train; or, recorded in the bundle: r2s export --allow-failed-gate",
    )


def _check_readable(policy: Policy, target: Target) -> None:
    import onnx

    model = onnx.load_from_string(policy.onnx)
    opset, ir = model.opset_import[0].version, model.ir_version
    if opset <= target.opset_max and ir <= target.ir_max:
        return
    raise R2SError(
        "R2S-EXPORT-002",
        f"{target.id}@{target.variant} cannot read this graph: opset {opset}, IR {ir}",
        where=f"its onnxruntime {target.onnxruntime} reads opset {target.opset_max}, IR {target.ir_max}",
        why="the policy would not load on the robot",
        remedy="train again with this version of r2s: r2s train",
    )
