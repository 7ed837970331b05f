"""The policy as an ONNX graph, built node by node: what runs on the robot is readable in a viewer.

    named inputs ─ Concat ─ (x - mean) * 1/std ─ Clip ─ Gemm, activation ... Gemm ─ Tanh ─▶ action
    action * scale + (offset | joint_target) ─ Clip to joint limits ─▶ joint_pos_target

Opset 17 and IR 8 are the newest that every runtime of the target table reads: onnx's own defaults are
refused by onnxruntime 1.31, and JetPack 6 (Python 3.10) stops at onnxruntime 1.23.2. The batch is a static
1, everything is float32, weights are inside the file. The second output has its name also where the targets
are speeds: `r2s.actions` in the metadata says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from r2s.artifacts.policy import NetworkSpec
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.core.errors import R2SError
from r2s.policy.metadata import graph_metadata

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8
PRODUCER = "r2s"
ACTION = "action"
TARGET = "joint_pos_target"
PREVIOUS_TARGET = "joint_target"

_WEIGHT = re.compile(r"actor/(\d+)/w")


def input_widths(
    observations: Sequence[Signal], actions: ActionSpec
) -> tuple[tuple[str, int], ...]:
    """Return (name, width) of every graph input, in order."""
    widths = [(signal.name, signal.width) for signal in observations]
    if actions.mode == "relative" and PREVIOUS_TARGET not in dict(widths):
        widths.append((PREVIOUS_TARGET, len(actions.joints)))
    return tuple(widths)


def build_graph(
    *,
    observations: tuple[Signal, ...],
    actions: ActionSpec,
    network: NetworkSpec,
    observation_clip: float,
    weights: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
) -> bytes:
    """Return the serialized ONNX model of a deterministic actor.

    Args:
        observations: one input (1, width) each, concatenated in this order.
        weights: `actor/<i>/w` (in, out) and `actor/<i>/b` (out,) for every layer, `normalizer/mean` and
            `normalizer/std` (sum of widths,). Further names (`actor/log_std`, `critic/...`) are ignored.
        observation_clip: normalized inputs are clipped to +- this.
        metadata: further `metadata_props` beside those of `graph_metadata`, which win.

    Raises:
        R2SError: R2S-POLICY-001 when a weight is missing, has the wrong shape or is not finite;
            R2S-POLICY-002 when an observation cannot be an actor input.
    """
    import onnx
    from onnx import TensorProto, helper

    _check_observations(observations, actions)
    layers = _layers(weights, network, actions, sum(signal.width for signal in observations))
    graph = _Graph(helper)
    x = graph.concat([signal.name for signal in observations])
    x = graph.normalize(
        x,
        mean=_weight(weights, "normalizer/mean", (layers[0][0].shape[0],)),
        std=_weight(weights, "normalizer/std", (layers[0][0].shape[0],)),
        clip=observation_clip,
    )
    for index, (w, b) in enumerate(layers):
        x = graph.dense(x, index, w, b)
        if index < len(layers) - 1:
            x = graph.activation(x, index, network.activation)
    graph.node("Tanh", [x], ACTION)
    graph.target(actions)

    n = len(actions.joints)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])
        for name, width in input_widths(observations, actions)
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name in (ACTION, TARGET)
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "r2s_policy", inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
    )
    props = dict(metadata) | graph_metadata(observations, actions, network, observation_clip)
    helper.set_model_props(model, {key: props[key] for key in sorted(props)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Graph:
    """Nodes and constants in the order they are added; every tensor has a name that says what it is."""

    def __init__(self, helper):
        self._helper = helper
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(
            self._helper.make_node(
                op, inputs, [output], name=f"{op.lower()}/{output}", **attributes
            )
        )
        return output

    def constant(self, name: str, value) -> str:
        from onnx import numpy_helper

        array = np.ascontiguousarray(value, dtype=np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def concat(self, names: list[str]) -> str:
        return names[0] if len(names) == 1 else self.node("Concat", names, "observation", axis=1)

    def normalize(self, x: str, *, mean: np.ndarray, std: np.ndarray, clip: float) -> str:
        centered = self.node("Sub", [x, self.constant("normalizer/mean", mean[None])], "centered")
        inverse = self.constant("normalizer/inverse_std", 1.0 / std.astype(np.float64)[None])
        scaled = self.node("Mul", [centered, inverse], "scaled")
        bounds = [self.constant("normalizer/low", -clip), self.constant("normalizer/high", clip)]
        return self.node("Clip", [scaled, *bounds], "normalized")

    def dense(self, x: str, index: int, w: np.ndarray, b: np.ndarray) -> str:
        parameters = [self.constant(f"actor/{index}/w", w), self.constant(f"actor/{index}/b", b)]
        return self.node("Gemm", [x, *parameters], f"dense_{index}")

    def activation(self, x: str, index: int, kind: str) -> str:
        output = f"hidden_{index}"
        if kind == "silu":  # no Swish before opset 24
            return self.node("Mul", [x, self.node("Sigmoid", [x], f"gate_{index}")], output)
        return self.node({"elu": "Elu", "tanh": "Tanh", "relu": "Relu"}[kind], [x], output)

    def target(self, actions: ActionSpec) -> str:
        scale = self.constant("action/scale", [actions.scale])
        step = self.node("Mul", [ACTION, scale], "action_scaled")
        base = (
            self.constant("action/offset", [actions.offset])
            if actions.mode != "relative"
            else PREVIOUS_TARGET
        )
        # Clip takes scalar bounds only, so limits per joint are a Max and a Min.
        free = self.node("Add", [base, step], "target_unclipped")
        above = self.node("Max", [free, self.constant("action/low", [actions.low])], "target_above")
        return self.node("Min", [above, self.constant("action/high", [actions.high])], TARGET)


def _check_observations(observations: Sequence[Signal], actions: ActionSpec) -> None:
    names = [signal.name for signal in observations]
    for signal in observations:
        if signal.kind == "privileged" or names.count(signal.name) > 1:
            reason = (
                "it exists in simulation only"
                if signal.kind == "privileged"
                else "it is listed twice"
            )
            raise R2SError(
                "R2S-POLICY-002",
                f"signal {signal.name!r} cannot be an input of the actor: {reason}",
                where=f"observations: {', '.join(names)}",
                why="the robot could not compute the policy's inputs",
                remedy="list it under `critic`, or remove it from `observations`",
            )
        if signal.name == PREVIOUS_TARGET and signal.elements != actions.joints:
            raise R2SError(
                "R2S-POLICY-002",
                f"signal {signal.name!r} and the actions list other joints",
                where=f"{', '.join(signal.elements)} against {', '.join(actions.joints)}",
                why="a relative action is added to it, joint by joint",
                remedy="list the joints of `actions` in the same order in the signal",
            )
    if not names or not actions.joints:
        raise R2SError(
            "R2S-POLICY-002",
            "a policy needs at least one observation and one joint",
            where=f"observations: {names}, joints: {list(actions.joints)}",
            why="the graph would have no input or no output",
            remedy="check the scene's `observations` and `actions` with `r2s show scene`",
        )


def _layers(
    weights: Mapping[str, np.ndarray], network: NetworkSpec, actions: ActionSpec, width: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    widths = [width, *network.actor, len(actions.joints)]
    extra = sorted(
        name
        for name in weights
        if (found := _WEIGHT.fullmatch(name)) and int(found[1]) >= len(widths) - 1
    )
    if extra:
        raise _bad_weight(extra[0], "is beyond the layers of the network", f"widths {widths}")
    return [
        (_weight(weights, f"actor/{i}/w", (a, b)), _weight(weights, f"actor/{i}/b", (b,)))
        for i, (a, b) in enumerate(pairwise(widths))
    ]


def _weight(weights: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in weights:
        raise _bad_weight(name, "is missing", f"there are {', '.join(sorted(weights))}")
    array = np.asarray(weights[name])
    if array.shape != shape:
        raise _bad_weight(name, f"has shape {array.shape}", f"expected {shape}")
    if not np.isfinite(array).all():
        raise _bad_weight(name, "is not finite", f"{int((~np.isfinite(array)).sum())} bad values")
    if name == "normalizer/std" and (array <= 0).any():
        raise _bad_weight(name, "has values that are not positive", f"smallest {array.min()}")
    return array


def _bad_weight(name: str, what: str, where: str) -> R2SError:
    return R2SError(
        "R2S-POLICY-001",
        f"weight {name!r} {what}",
        where=where,
        why="the graph would not compute the network that was trained",
        remedy="train again: r2s train",
    )
