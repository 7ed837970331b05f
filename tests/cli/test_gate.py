"""The gate on the command line: any verdict is an answer, only a pass is exported."""

from __future__ import annotations

import dataclasses
import sys
import types
from types import SimpleNamespace

import pytest

from r2s.artifacts.base import Frozen
from r2s.artifacts.bundle import Bundle, BundleInfo
from r2s.artifacts.validation import ScenarioResult, Validation, ValidationInfo
from r2s.engine import catalog
from r2s.store import Store


class JudgeConfig(Frozen):
    """How to judge.

    Attributes:
        verdict: what to say.
    """

    verdict: str = "pass"


class BundleConfig(Frozen):
    """How to package.

    Attributes:
        target: for what.
        allow_failed_gate: package anyway.
    """

    target: str = "cpu-x86_64"
    allow_failed_gate: bool = False


def judge(inputs, config, context) -> Validation:
    scenario = ScenarioResult(
        name="nominal", pinned={}, trials=50, successes=48, lower=0.9, upper=0.99, threshold=0.9,
        verdict=config.verdict, mean_error=0.01,
    )  # fmt: skip
    info = ValidationInfo(
        verdict=config.verdict, reason="as the test says", scenarios=(scenario,), timestep_s=0.0005,
        engine="none", onnxruntime="0", edge_trials_equal=20,
    )  # fmt: skip
    return Validation(info, b"")


def package(inputs, config, context) -> Bundle:
    verdict = inputs["validation"].info.verdict
    info = BundleInfo(
        target=config.target, robot="so101", task="reach", gate=verdict, gate_override=verdict != "pass",
        onnx_opset=17, parity_max_abs=0.0, golden_vectors=0, golden_ticks=0, sha256sums="",
    )  # fmt: skip
    return Bundle(info, {"manifest.json": b"{}"})


class Raw:
    """An input the toy stages do not look into."""

    @classmethod
    def decode(cls, config, files):
        return SimpleNamespace(config=config)


@pytest.fixture
def policy(here, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace whose current name has a scene and a policy, and toy stages after them."""
    for name, run, config in (("VALIDATE", judge, JudgeConfig), ("EXPORT", package, BundleConfig)):
        module = types.ModuleType(f"toy_{name.lower()}")
        vars(module).update(
            STAGE_VERSION=1, DETERMINISM="bitwise", TOOLS=(), Config=config, run=run
        )
        monkeypatch.setitem(sys.modules, module.__name__, module)
        toy = dataclasses.replace(getattr(catalog, name), module=module.__name__)
        monkeypatch.setattr(catalog, name, toy)
        monkeypatch.setitem(catalog.STAGES, toy.name, toy)
    real = catalog.artifact_class
    monkeypatch.setattr(
        catalog, "artifact_class", lambda kind: Raw if kind in ("policy", "scene") else real(kind)
    )
    with Store.create(here / ".r2s") as store:
        scene = store.put("scene", {"n": 1}, {}, inputs={}, stage={})
        digest = store.put("policy", {"n": 2}, {}, inputs={"scene": scene}, stage={})
        store.set_ref("scene/lab", scene, "test")
        store.set_ref("policy/lab", digest, "test")
        store.set_current("lab")
    return digest


@pytest.mark.parametrize("verdict", ["pass", "marginal", "fail"])
def test_validate_exits_0_on_any_verdict(r2s, policy, verdict: str):
    said = r2s("validate", "--verdict", verdict, "--json")
    assert said.code == 0
    assert said.json["metrics"]["verdict"] == verdict
    assert said.json["metrics"]["success_lower"] == 0.9


def test_require_pass_exits_4_with_the_result(r2s, policy):
    assert r2s("validate", "--require-pass").code == 0
    said = r2s("validate", "--verdict", "fail", "--require-pass", "--json")
    assert said.code == 4
    assert said.json["ok"] is False
    assert said.json["metrics"]["verdict"] == "fail"
    assert said.json["error"]["code"] == "R2S-GATE-001"


def test_export_validates_on_the_way(r2s, policy, here):
    said = r2s("export", "--target", "jetson-orin", "--output", here / "bundle", "--json")
    assert said.code == 0, said.err
    assert said.json["artifact"]["ref"] == "bundle/lab-jetson-orin"
    assert (here / "bundle" / "manifest.json").exists()
    assert "validation/lab" in r2s("status", "--json").json["refs"]


@pytest.mark.parametrize("verdict", ["marginal", "fail"])
def test_export_refuses_what_did_not_pass_unless_told(r2s, policy, verdict: str):
    r2s("validate", "--verdict", verdict)
    refused = r2s("export")
    assert refused.code == 4
    assert "--allow-failed-gate" in refused.err
    assert "bundle" not in r2s("status").out
    forced = r2s("export", "--allow-failed-gate", "--json")
    assert forced.code == 0
    assert forced.json["metrics"]["gate_override"] is True


def test_the_whole_story_leads_back_to_the_policy(r2s, policy):
    r2s("export")
    kinds = [
        node["kind"] for node in r2s("lineage", "bundle/lab-cpu-x86_64", "--json").json["lineage"]
    ]
    assert kinds[0] == "bundle"
    assert set(kinds) == {"bundle", "policy", "scene", "validation"}
