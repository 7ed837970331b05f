"""The numbers each kind of artifact is known by in `--json`. The names are a contract: add, never rename."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def metrics(kind: str, artifact: Any, facts: Facts) -> dict[str, Any]:
    """Return the metrics of an artifact and of the run that made it (`facts`; {} when unknown)."""
    return plain(METRICS[kind](artifact, facts))


def plain(value: Any) -> Any:
    """Return a JSON tree of plain Python values; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def _scan(scan: Any, facts: Facts) -> dict[str, Any]:
    info = scan.info
    return {
        "points": len(scan.points),
        "unit": info.unit,
        "unit_evidence": info.unit_evidence,
        "up_axis": info.up_axis,
        "up_evidence": info.up_evidence,
        "up_confidence": info.up_confidence,
        "floor_tilt_deg": info.floor_tilt_deg,
        "walls_yaw_deg": info.walls_yaw_deg,
        "walls_yaw_confidence": info.walls_yaw_confidence,
        "noise_sigma_m": info.noise_sigma_m,
        "bounds_m": info.bounds_m,
        "dropped": info.dropped,
        "raw_points": info.raw_points,
        "voxel_m": info.voxel_m,
    }


def _reconstruction(reconstruction: Any, facts: Facts) -> dict[str, Any]:
    info = reconstruction.info
    geoms = [geom for body in info.bodies for geom in body.geoms]
    audit = info.audit.model_dump()
    names = (
        "twin_median_m", "twin_p95_m", "unexplained_fraction", "phantom_fraction",
        "blocked_all", "blocked_2cm", "blocked_5cm", "missed_2cm", "hausdorff_scan_to_twin_m",
        "hausdorff_twin_to_scan_m", "geoms", "vertices", "predicted_steps_per_s", "worst_body", "truth",
    )  # fmt: skip
    return {
        "objects": sum(body.role == "object" for body in info.bodies),
        "primitives": sum(geom.shape != "hull" for geom in geoms),
        "hulls": sum(geom.shape == "hull" for geom in geoms),
        **{name: audit[name] for name in names},
        "openings": len(info.openings),
        **{f"surface_{name}": value for name, value in _surface(info.surface).items()},
    }


def _surface(fit: Any) -> dict[str, Any]:
    """Return the surface's numbers, None each where there is no surface."""
    from r2s.artifacts.reconstruction import SurfaceFit

    return fit.model_dump() if fit else dict.fromkeys(SurfaceFit.model_fields)


def _robot(robot: Any, facts: Facts) -> dict[str, Any]:
    info = robot.info
    return {
        "robot": info.name,
        "robot_kind": info.kind,
        "base": info.base,
        "joints": len(info.joints),
        "actuators": len(info.actuators),
        "mass_kg": info.mass_kg,
        "reach_m": info.reach_m,
        "robot_repairs": len(info.repairs),
    }


def _scene(scene: Any, facts: Facts) -> dict[str, Any]:
    info = scene.info
    return {
        "bodies": info.bodies,
        "geoms": info.geoms,
        "nq": info.nq,
        "nv": info.nv,
        "nu": info.nu,
        "robot_kind": info.robot.kind,
        "robot_repairs": len(info.robot.repairs),
        "settle_speed_m_s": info.settle_speed_m_s,
        "workspace_free_fraction": info.workspace_free_fraction,
        "goal_space_m3": facts.get("goal_space_m3"),
        "spawn_area_m2": facts.get("spawn_area_m2"),
        "spawn_floor_share": facts.get("spawn_floor_share"),
        "simple_routes": facts.get("simple_routes"),
        "object": facts.get("object"),
        "push_area_m2": facts.get("push_area_m2"),
        "physics_steps_per_s": facts.get("physics_steps_per_s"),
    }


def _policy(policy: Any, facts: Facts) -> dict[str, Any]:
    training = policy.info.training
    seconds = facts.get("seconds")
    rate = training.env_steps / seconds if seconds else None
    return {
        "env_steps": training.env_steps,
        "seconds": seconds,
        "env_steps_per_s": facts.get("env_steps_per_s", rate),
        "physics_steps_per_s": facts.get("physics_steps_per_s"),
        "overhead_fraction": facts.get("overhead_fraction"),
        "success_rate": training.success_rate,
        "return_mean": training.return_mean,
        "crashes": training.crashes,
        "engine": training.engine,
    }


def _validation(validation: Any, facts: Facts) -> dict[str, Any]:
    info = validation.info
    nominal = next((s for s in info.scenarios if s.name == "nominal"), info.scenarios[0])
    return {
        "verdict": info.verdict,
        "success_rate": nominal.successes / nominal.trials if nominal.trials else None,
        "success_lower": nominal.lower,
        "success_upper": nominal.upper,
        "trials": sum(scenario.trials for scenario in info.scenarios),
        "scenarios": {
            scenario.name: {
                "verdict": scenario.verdict,
                "success_rate": scenario.successes / scenario.trials if scenario.trials else None,
                "success_lower": scenario.lower,
                "success_upper": scenario.upper,
                "trials": scenario.trials,
            }
            for scenario in info.scenarios
        },
    }


def _bundle(bundle: Any, facts: Facts) -> dict[str, Any]:
    info = bundle.info
    return {
        "target": info.target,
        "bundle_bytes": sum(len(bundle.files[name]) for name in bundle.files),
        "onnx_opset": info.onnx_opset,
        "parity_max_abs": info.parity_max_abs,
        "latency_us": facts.get("latency_us"),
        "golden_vectors": info.golden_vectors,
        "gate": info.gate,
        "gate_override": info.gate_override,
    }


METRICS = {
    "scan": _scan,
    "reconstruction": _reconstruction,
    "robot": _robot,
    "scene": _scene,
    "policy": _policy,
    "validation": _validation,
    "bundle": _bundle,
}
