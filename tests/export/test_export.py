"""A bundle on the robot's computer: it proves itself there, and says what is wrong where it cannot."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_arm

from r2s.artifacts.arrays import pack
from r2s.artifacts.bundle import Bundle
from r2s.artifacts.validation import ScenarioResult, Validation, ValidationInfo
from r2s.core.context import StageContext
from r2s.core.errors import GateFailed, R2SError, UsageError
from r2s.edge.errors import EdgeError
from r2s.edge.kinematics import ForwardKinematics
from r2s.edge.selftest import selftest
from r2s.export import stage
from r2s.export.golden import npz
from r2s.export.targets import TARGETS, find_target
from r2s.policy.graph import build_graph

SCENE = small_arm.scene()
POLICY = small_arm.policy(of=SCENE)


def validation(verdict: str = "pass") -> Validation:
    scenario = ScenarioResult(
        name="nominal", pinned={}, trials=50, successes=50, lower=0.94, upper=1.0,
        threshold=0.9, verdict=verdict, mean_error=0.001,
    )  # fmt: skip
    info = ValidationInfo(
        verdict=verdict, reason="as the test says", scenarios=(scenario,), timestep_s=0.0005,
        engine="mujoco", onnxruntime="1.31.1", edge_trials_equal=20,
    )  # fmt: skip
    return Validation(info, b"")


def exported(tmp_path: Path, policy=POLICY, verdict="pass", **config) -> tuple[Bundle, dict]:
    context = StageContext(scratch=tmp_path)
    inputs = {"policy": policy, "scene": SCENE, "validation": validation(verdict)}
    return stage.run(inputs, stage.Config(**config), context), context.facts


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return exported(tmp_path_factory.mktemp("scratch"))[0]


@pytest.fixture
def folder(bundle, tmp_path) -> Path:
    stage.write_files(bundle.files, tmp_path / "bundle")
    return tmp_path / "bundle"


def reseal(folder: Path, **files: bytes) -> None:
    """Change files as an attacker or a careless hand would: with checksums that match again."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for item in manifest["files"]:
        data = (folder / item["path"]).read_bytes()
        item["sha256"], item["size"] = hashlib.sha256(data).hexdigest(), len(data)
    model = (folder / "policy/policy.onnx").read_bytes()
    manifest["policy"]["sha256"] = hashlib.sha256(model).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    names = [item["path"] for item in manifest["files"]] + ["manifest.json"]
    sums = "".join(
        f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(names)
    )
    (folder / "SHA256SUMS").write_text(sums)


def edit_contract(folder: Path, change) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    change(manifest["contract"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)


def rebuilt(**changes) -> bytes:
    """The policy's graph with something changed, its metadata untouched."""
    weights = {**small_arm.weights(), **changes.pop("weights", {})}
    old = onnx.load_from_string(POLICY.onnx)
    return build_graph(
        observations=POLICY.info.observations,
        actions=changes.get("actions", POLICY.info.actions),
        network=POLICY.info.network,
        observation_clip=small_arm.CLIP,
        weights=weights,
        metadata={p.key: p.value for p in old.metadata_props},
    )


# -- the good bundle -----------------------------------------------------------------------------------


def test_the_bundle_has_every_part(bundle):
    for name in (
        "manifest.json", "policy/policy.onnx", "golden/vectors.npz", "golden/episode.npz",
        "robot/limits.json", "runtime/r2s_edge/__main__.py", "install.sh", "selftest.sh",
        "systemd/r2s-policy.service", "provenance/gate-report.json", "provenance/lineage.json",
        "SHA256SUMS",
    ):  # fmt: skip
        assert name in bundle.files
    assert bundle.files["policy/policy.onnx"] == POLICY.onnx
    assert bundle.info.golden_vectors >= 1024
    assert bundle.info.golden_ticks >= 500
    assert Bundle.decode(*bundle.encode()) == bundle


def test_equal_inputs_give_equal_bytes(bundle, tmp_path):
    again, facts = exported(tmp_path)
    assert dict(again.files) == dict(bundle.files)
    assert set(facts["latency_us"]) >= {"p50", "p99", "p999"}


def test_checksums_are_those_of_sha256sum(folder):
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def _selftest(folder: Path, python: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "PYTHON": python}
    return subprocess.run(
        ["sh", str(folder / "selftest.sh")],
        capture_output=True, text=True, env=environment, cwd="/", check=False,
    )  # fmt: skip


def test_the_bundle_proves_itself_without_r2s_on_the_oldest_python(folder, edge_python):
    result = _selftest(folder, edge_python)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["ok"] and report["python"].startswith("3.10")
    assert report["golden_vectors"] == 1024
    assert report["vector_max_abs"] < 1e-5


def test_the_runtime_imports_nothing_of_r2s(folder):
    code = (
        "import sys; sys.path.insert(0, 'runtime'); sys.modules['r2s'] = None; import r2s_edge.__main__;"
        "assert not {'mujoco', 'jax', 'onnx', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-B", "-c", code], cwd=folder, check=True)


def test_the_selftest_says_the_reason_and_exits_non_zero(folder):
    (folder / "robot/limits.json").write_bytes(b"{}")
    result = _selftest(folder, sys.executable)
    assert result.returncode == 1
    assert "file 'robot/limits.json' is not the one that was exported" in result.stderr
    assert json.loads(result.stdout)["error"]["code"] == "R2S-EDGE-002"


ROBOT = """
import sys
sys.path.insert(0, {tests!r})
import mujoco, numpy as np, small_arm
from r2s.sim.model import layout, load_model
from r2s.sim.sensing import Sensing, disturbances, measured_columns
from r2s.sim.transport import MujocoTransport

def make(contract):
    scene = small_arm.scene()
    model = load_model(scene, "scene.xml")
    where, data = layout(model, scene), mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = where.home_qpos, where.home_ctrl
    sensors = Sensing(measured_columns(scene.info, where), disturbances(scene.info.signals, (), {{}}),
                      model.opt.timestep, np.random.default_rng(0))
    arm = MujocoTransport(model, data, scene.info, where, sensors, commands={{"goal_pos": scene.goals[3]}})
    arm.wait_until(contract.control_s)
    return arm
"""


def test_the_installed_runtime_drives_a_simulated_robot_to_its_goal(folder, tmp_path):
    tests = str(Path(small_arm.__file__).parent)
    (tmp_path / "my_robot.py").write_text(ROBOT.format(tests=tests))
    root = str(Path(stage.__file__).parents[2])
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(folder / "runtime"), str(tmp_path), root]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    result = subprocess.run(
        [
            sys.executable, "-m", "r2s_edge", "run", str(folder), "--transport", "my_robot:make",
            "--seconds", "3", "--log", str(tmp_path / "log.jsonl"),
        ],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["state"] == "active"
    tip = ForwardKinematics(small_arm.chain().model_dump()).tip_position(
        np.array(last["values"]["joint_pos"])
    )
    assert np.linalg.norm(tip - SCENE.goals[3]) < 0.005


# -- mutants: every one is found, with its reason ------------------------------------------------------


def test_any_flipped_byte_is_found(bundle, folder):
    random = np.random.default_rng(0)
    for name in sorted(bundle.files):
        data = bytearray(bundle.files[name])
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        (folder / name).write_bytes(bytes(data))
        with pytest.raises(EdgeError):
            selftest(folder)
        (folder / name).write_bytes(bundle.files[name])
    assert selftest(folder)["ok"]


def test_a_missing_and_an_extra_file_are_found(folder):
    (folder / "extra.txt").write_text("x")
    with pytest.raises(EdgeError, match=r"'extra.txt' is extra"):
        selftest(folder)
    (folder / "extra.txt").unlink()
    (folder / "install.sh").unlink()
    with pytest.raises(EdgeError, match=r"'install.sh' is missing"):
        selftest(folder)


def swap(items: list) -> None:
    items[0], items[1] = items[1], items[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: swap(c["actions"]["joints"]), "disagree on actions: joints"),
        (lambda c: swap(c["observations"][0]["elements"]), "disagree on observations"),
        (lambda c: swap(c["observations"]), "inputs|disagree on observations"),
        (lambda c: c["actions"]["scale"].__setitem__(0, 0.061), "disagree on actions: scale"),
        (lambda c: c["gains"]["yaw"].__setitem__(0, 61.0), "disagree on gains: yaw"),
        (lambda c: c["limits"]["elbow"].__setitem__(1, 9.0), "disagree on limits: elbow"),
        (lambda c: c["home"].update(yaw=0.5), "disagree on home: yaw"),
        (lambda c: c.update(control_s=0.01), "disagree on control_s"),
        (lambda c: c["chain"]["links"][2].update(axis=[0, 0, 1]), "disagree on chain"),
        (lambda c: c.update(robot="panda"), "disagree on robot"),
    ],
)
def test_a_manifest_that_contradicts_the_model_is_refused(change, words, folder):
    edit_contract(folder, change)
    with pytest.raises(EdgeError, match=words) as error:
        selftest(folder)
    assert error.value.code in ("R2S-EDGE-003", "R2S-EDGE-004")


def test_a_dropped_normalizer_is_found(folder):
    plain = {"normalizer/mean": np.zeros(9), "normalizer/std": np.ones(9)}
    reseal(folder, **{"policy/policy.onnx": rebuilt(weights=plain)})
    with pytest.raises(EdgeError, match="differs by") as error:
        selftest(folder)
    assert error.value.code == "R2S-EDGE-005"
    assert "golden vector" in error.value.where


def test_a_policy_with_two_outputs_swapped_is_found(folder):
    reseal(folder, **{"policy/policy.onnx": rebuilt(weights=small_arm.weights("swapped"))})
    with pytest.raises(EdgeError, match="differs by"):
        selftest(folder)


def test_joints_swapped_in_manifest_and_model_alike_are_found_by_the_episode(folder):
    # Every name agrees with every other, but the robot's own order in the episode does not.
    manifest = json.loads((folder / "manifest.json").read_bytes())
    swap(manifest["golden"]["joint_names"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)
    with pytest.raises(EdgeError, match="differs by") as error:
        selftest(folder)
    assert "golden episode, tick 0" in error.value.where


def test_a_generous_tolerance_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["golden"]["tolerances"]["action"] = 1.0
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)
    with pytest.raises(EdgeError, match=r"beyond 0\.001"):
        selftest(folder)


def test_a_pickle_in_the_golden_data_is_refused(folder, tmp_path):
    np.savez(tmp_path / "evil.npz", now_s=np.array([{}], dtype=object))
    reseal(folder, **{"golden/episode.npz": (tmp_path / "evil.npz").read_bytes()})
    with pytest.raises(EdgeError, match="cannot be read"):
        selftest(folder)


def test_an_empty_folder_is_no_bundle(tmp_path):
    with pytest.raises(EdgeError, match="not an r2s bundle"):
        selftest(tmp_path)


# -- gate and targets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["marginal", "fail"])
def test_without_a_pass_there_is_no_bundle(verdict, tmp_path):
    with pytest.raises(GateFailed, match="did not pass") as error:
        exported(tmp_path, verdict=verdict)
    assert error.value.exit_code == 4


def test_an_override_is_written_into_the_bundle(tmp_path):
    bad, _ = exported(
        tmp_path,
        policy=small_arm.policy("random", of=SCENE),
        verdict="fail",
        allow_failed_gate=True,
    )
    assert bad.info.gate_override
    gate = json.loads(bad.files["manifest.json"])["gate"]
    assert gate == {"verdict": "fail", "reason": "as the test says", "override": True}


def test_weights_that_are_not_those_of_the_graph_are_not_exported(tmp_path):
    other = POLICY.__class__(POLICY.info, pack(small_arm.weights("random")), POLICY.onnx, b"")
    with pytest.raises(R2SError, match="fails its own selftest") as error:
        exported(tmp_path, policy=other)
    assert error.value.code == "R2S-EXPORT-003"


def test_targets_are_found_by_name_and_variant():
    assert find_target("jetson-orin").variant == "jp72"
    assert find_target("jetson-orin@jp62").onnxruntime == "1.23.2"
    with pytest.raises(UsageError, match="no target called 'jetson-orn'") as error:
        find_target("jetson-orn")
    assert error.value.remedy == "r2s export --target jetson-orin"


def test_every_target_reads_the_graph():
    model = onnx.load_from_string(POLICY.onnx)
    for target in TARGETS:
        assert model.opset_import[0].version <= target.opset_max
        assert model.ir_version <= target.ir_max


def test_npz_bytes_depend_on_the_arrays_only(tmp_path):
    arrays = {"b": np.arange(3), "a/x": np.eye(2, dtype=np.float32)}
    assert npz(arrays) == npz(dict(reversed(arrays.items())))
    (tmp_path / "x.npz").write_bytes(npz(arrays))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["a/x"], arrays["a/x"])


# -- install -------------------------------------------------------------------------------------------


def install(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    return subprocess.run(
        ["sh", str(folder / "install.sh"), *arguments],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


def test_install_is_idempotent_and_rollback_goes_back(folder, tmp_path):
    prefix = tmp_path / "var lib"
    first = install(folder, str(prefix))
    assert first.returncode == 0, first.stderr
    slot = (prefix / "current").resolve()
    assert (slot / "selftest.json").is_file()
    assert install(folder, str(prefix)).stdout == first.stdout
    assert not (prefix / "previous").exists()

    edit_contract(folder, lambda c: c["safety"].update(hold_ticks=6))
    assert install(folder, str(prefix)).returncode == 0
    assert (prefix / "current").resolve() != slot
    assert (prefix / "previous").resolve() == slot
    assert install(folder, "--rollback", str(prefix)).returncode == 0
    assert (prefix / "current").resolve() == slot


def test_a_bundle_that_fails_its_selftest_is_never_current(folder, tmp_path):
    prefix = tmp_path / "r2s"
    assert install(folder, str(prefix)).returncode == 0
    slot = (prefix / "current").resolve()
    (folder / "policy/policy.onnx").write_bytes(b"broken")
    result = install(folder, str(prefix))
    assert result.returncode != 0
    assert "R2S-EDGE-002" in result.stderr
    assert (prefix / "current").resolve() == slot
    assert install(folder, "--rollback", str(prefix)).returncode == 1


def test_an_unknown_target_is_refused_with_the_settings():
    from r2s.engine.catalog import EXPORT

    with pytest.raises(UsageError, match="there is no target called 'jetson-orn'") as caught:
        EXPORT.config({"target": "jetson-orn"})
    assert caught.value.remedy == "r2s export --target jetson-orin"
