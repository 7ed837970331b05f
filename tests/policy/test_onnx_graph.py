"""Laws of the hand-built ONNX graph: it is the network, in the oldest runtime of the target table too."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise

import numpy as np
import onnx
import pytest

from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.core.errors import R2SError
from r2s.policy.graph import ACTION, TARGET, build_graph, input_widths
from r2s.policy.metadata import deployment_metadata
from r2s.policy.parity import PARITY_BOUND, check_parity, open_session

JOINTS = ("waist", "shoulder", "elbow")
OBSERVATIONS = (
    Signal(name="joint_pos", elements=JOINTS, unit="rad", kind="measured"),
    Signal(
        name="ee_to_goal",
        elements=("x", "y", "z"),
        unit="m",
        kind="derived",
        derivation="ee_to_goal",
    ),
    Signal(name="last_action", elements=JOINTS, unit="1", kind="measured"),
)
CLIP = 5.0
ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


def action_spec(mode: str) -> ActionSpec:
    return ActionSpec(
        joints=JOINTS,
        mode=mode,
        scale=(0.1, 0.2, 0.3),
        offset=(0.5, -0.5, 0.0),
        low=(-1.0, -0.55, -2.0),
        high=(0.55, 1.0, 0.1),
    )


def weights(hidden=(32, 16), seed=0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = [9, *hidden, 3]
    result = {
        "normalizer/mean": rng.standard_normal(9).astype(np.float32),
        "normalizer/std": np.exp(rng.standard_normal(9)).astype(np.float32),
        "actor/log_std": np.zeros(3, np.float32),
    }
    for i, (a, b) in enumerate(pairwise(sizes)):
        result[f"actor/{i}/w"] = (rng.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32)
        result[f"actor/{i}/b"] = rng.standard_normal(b).astype(np.float32)
    return result


def build(w=None, mode="absolute", activation="elu", hidden=(32, 16), observations=OBSERVATIONS):
    return build_graph(
        observations=observations,
        actions=action_spec(mode),
        network=NetworkSpec(actor=hidden, critic=(8,), activation=activation),
        observation_clip=CLIP,
        weights=weights() if w is None else w,
        metadata={"note": "x"},
    )


def oracle(w, activation, x):
    """The network in float64, written down a second time."""
    h = np.clip((x.astype(np.float64) - w["normalizer/mean"]) / w["normalizer/std"], -CLIP, CLIP)
    layers = sum(name.endswith("/w") for name in w)
    for i in range(layers):
        h = h @ w[f"actor/{i}/w"].astype(np.float64) + w[f"actor/{i}/b"]
        h = ACTIVATIONS[activation](h) if i < layers - 1 else np.tanh(h)
    return h


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_graph_is_the_network(activation):
    w = weights()
    parity = check_parity(build(w, activation=activation), lambda x: oracle(w, activation, x))
    assert parity.vectors == 4096
    assert 0 < parity.max_abs < PARITY_BOUND


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_targets_follow_the_action_and_stay_inside_the_limits(mode):
    session = open_session(build(mode=mode))
    spec = action_spec(mode)
    rng = np.random.default_rng(1)
    for _ in range(50):
        widths = input_widths(OBSERVATIONS, spec)
        feed = {n: rng.normal(size=(1, k)).astype(np.float32) for n, k in widths}
        action, target = (y[0] for y in session.run([ACTION, TARGET], feed))
        base = spec.offset if mode == "absolute" else feed["joint_target"][0]
        expected = np.clip(base + np.multiply(spec.scale, action), spec.low, spec.high)
        np.testing.assert_allclose(target, expected, atol=1e-6)
        assert np.abs(action).max() <= 1


def test_only_a_relative_action_asks_for_the_previous_target():
    assert [n for n, _ in input_widths(OBSERVATIONS, action_spec("absolute"))][-1] == "last_action"
    assert [n for n, _ in input_widths(OBSERVATIONS, action_spec("relative"))][-1] == "joint_target"


def test_equal_weights_give_equal_bytes_and_one_self_contained_file():
    data = build()
    assert data == build()
    model = onnx.load_from_string(data)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert not any(t.external_data for t in model.graph.initializer)
    assert model.producer_name == "r2s"


def test_metadata_holds_every_number_without_loss():
    spec = action_spec("absolute").model_copy(update={"scale": (0.1, 1 / 3, np.pi)})
    props = deployment_metadata(
        robot="arm",
        task={"name": "reach"},
        actions=spec,
        chain=None,
        control_s=1 / 30,
        gains=dict.fromkeys(JOINTS, (1 / 3, 0.1)),
        limits=dict.fromkeys(JOINTS, (-1.0, 1.0, 2.0, 3.0)),
        home=dict.fromkeys(JOINTS, 1e-17),
    )
    data = build_graph(
        observations=OBSERVATIONS,
        actions=spec,
        network=NetworkSpec(actor=(32, 16), critic=(8,)),
        observation_clip=CLIP,
        weights=weights(),
        metadata=props,
    )
    found = open_session(data).get_modelmeta().custom_metadata_map
    assert json.loads(found["r2s.actions"])["scale"] == [0.1, 1 / 3, np.pi]
    assert json.loads(found["r2s.control_s"]) == 1 / 30
    assert [float(x) for x in found["joint_stiffness"].split(",")] == [1 / 3] * 3
    assert [Signal.model_validate(s) for s in json.loads(found["r2s.observations"])] == list(
        OBSERVATIONS
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("actor/1/b"), "'actor/1/b' is missing"),
        (lambda w: w.update({"actor/0/w": np.zeros((8, 32), np.float32)}), "has shape (8, 32)"),
        (lambda w: w.update({"normalizer/mean": np.full(9, np.nan)}), "is not finite"),
        (lambda w: w.update({"normalizer/std": np.zeros(9, np.float32)}), "not positive"),
        (lambda w: w.update({"actor/3/w": np.zeros((3, 3), np.float32)}), "beyond the layers"),
    ],
)
def test_a_wrong_weight_is_named(change, words):
    w = weights()
    change(w)
    with pytest.raises(R2SError) as error:
        build(w)
    assert error.value.code == "R2S-POLICY-001"
    assert words in str(error.value)


def test_a_privileged_actor_input_is_refused():
    secret = Signal(name="goal_truth", elements=("x",), unit="m", kind="privileged")
    with pytest.raises(R2SError, match="simulation only") as error:
        build(observations=(*OBSERVATIONS, secret))
    assert error.value.code == "R2S-POLICY-002"


def test_parity_sees_a_lost_normalizer_and_swapped_inputs():
    w = weights()
    good = build(w)
    for mutate in (
        lambda x: oracle({**w, "normalizer/mean": np.zeros(9)}, "elu", x),
        lambda x: oracle(w, "elu", x[:, [1, 0, 2, 3, 4, 5, 6, 7, 8]]),
        lambda x: np.where(np.arange(len(x))[:, None] == 7, np.nan, oracle(w, "elu", x)),
    ):
        with pytest.raises(R2SError) as error:
            check_parity(good, mutate, vectors=256)
        assert error.value.code == "R2S-POLICY-003"


def test_a_network_is_held_to_what_float32_does_to_it():
    """Weights of a long training: the same difference is a fault of one network and noise of another."""
    w = weights()

    def rounded(x):
        return oracle(w, "elu", x) + 2e-5

    with pytest.raises(R2SError) as error:
        check_parity(build(w), rounded, lambda x: rounded(x) + 1e-6, vectors=256)
    assert error.value.code == "R2S-POLICY-003"
    parity = check_parity(build(w), rounded, lambda x: rounded(x) + 1e-5, vectors=256)
    assert parity.noise == pytest.approx(1e-5, rel=1e-3) and parity.max_abs > PARITY_BOUND
    with pytest.raises(R2SError):  # no noise excuses another policy
        check_parity(build(w), lambda x: rounded(x) + 0.01, lambda x: rounded(x) + 1, vectors=256)


def test_the_oldest_runtime_of_the_target_table_gives_the_same_action(tmp_path, edge_python):
    w = weights()
    (tmp_path / "p.onnx").write_bytes(build(w, mode="relative"))
    code = (
        "import sys, numpy as np, onnxruntime as o\n"
        "s = o.InferenceSession(sys.argv[1])\n"
        "f = {i.name: np.full(i.shape, 0.3, np.float32) for i in s.get_inputs()}\n"
        "print(o.__version__, *s.run(['action'], f)[0][0])"
    )
    out = subprocess.run(
        [edge_python, "-c", code, tmp_path / "p.onnx"], capture_output=True, text=True, check=True
    ).stdout.split()
    expected = oracle(w, "elu", np.full((1, 9), 0.3, np.float32))[0]
    np.testing.assert_allclose(np.array(out[1:], float), expected, atol=PARITY_BOUND)
