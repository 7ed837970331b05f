"""The metric names of every kind of artifact are a contract: DESIGN.md section 3."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import toy_stages

from r2s.engine.catalog import ARTIFACTS
from r2s.engine.metrics import METRICS, metrics, plain

NAMES = {
    "scan": "points unit unit_evidence up_axis up_evidence up_confidence floor_tilt_deg walls_yaw_deg "
    "walls_yaw_confidence noise_sigma_m bounds_m dropped",
    "reconstruction": "objects primitives hulls twin_median_m twin_p95_m unexplained_fraction "
    "phantom_fraction blocked_all blocked_2cm blocked_5cm missed_2cm hausdorff_scan_to_twin_m "
    "hausdorff_twin_to_scan_m geoms vertices predicted_steps_per_s worst_body openings "
    "surface_accuracy_median_m surface_accuracy_p95_m surface_completeness surface_normal_consistency",
    "scene": "bodies geoms nq nv nu robot_kind robot_repairs settle_speed_m_s physics_steps_per_s "
    "workspace_free_fraction goal_space_m3 spawn_area_m2 spawn_floor_share object push_area_m2",
    "policy": "env_steps seconds env_steps_per_s physics_steps_per_s success_rate return_mean crashes engine",
    "validation": "verdict success_rate success_lower success_upper trials scenarios",
    "bundle": "target bundle_bytes onnx_opset parity_max_abs latency_us golden_vectors",
}


class Anything:
    """Answers every attribute, so that only the names of the metrics are looked at."""

    def __getattr__(self, name: str):
        if name in ("bodies", "scenarios", "repairs", "joints", "actuators"):
            return (self,)
        if name in ("geoms",):
            return (SimpleNamespace(shape="box"), SimpleNamespace(shape="hull"))
        return {"points": [1, 2], "files": {"a": b"12"}, "model_dump": dict.fromkeys}.get(name, 1)


class Audited(Anything):
    def model_dump(self) -> dict[str, float]:
        from r2s.artifacts.reconstruction import TwinAudit

        return dict.fromkeys(TwinAudit.model_fields, 0.5)


def artifact(kind: str):
    info = Anything()
    robot, audit, training = Anything(), Audited(), Anything()
    if kind == "scene":
        info = SimpleNamespace(
            robot=robot,
            bodies=3,
            geoms=4,
            nq=1,
            nv=1,
            nu=1,
            settle_speed_m_s=0.0,
            workspace_free_fraction=0.5,
        )
    if kind == "reconstruction":
        info = SimpleNamespace(
            bodies=(SimpleNamespace(role="object", geoms=Anything().geoms),),
            audit=audit,
            openings=(),
            surface=None,
        )
    if kind == "policy":
        info = SimpleNamespace(training=training)
    return SimpleNamespace(info=info, points=[1, 2], files={"a": b"12"})


@pytest.mark.parametrize("kind", NAMES)
def test_every_promised_name_is_there(kind: str):
    said = metrics(kind, artifact(kind), {"seconds": 2.0})
    assert set(NAMES[kind].split()) <= set(said)


def test_every_kind_of_artifact_has_metrics():
    assert METRICS.keys() == ARTIFACTS.keys()


def test_counts_of_a_reconstruction():
    said = metrics("reconstruction", artifact("reconstruction"), {})
    assert (said["objects"], said["primitives"], said["hulls"]) == (1, 1, 1)


def test_a_real_scan_has_json_metrics():
    said = metrics("scan", toy_stages.scan_of(np.arange(5.0)), {})
    assert json.loads(json.dumps(said, allow_nan=False))["points"] == 5


def test_plain_makes_json_of_numpy_and_of_nothing_that_is_no_number():
    tree = {"a": np.float32(1.5), "b": np.arange(2), "c": float("nan"), "d": (1, None), 3: "x"}
    assert plain(tree) == {"a": 1.5, "b": [0, 1], "c": None, "d": [1, None], "3": "x"}
