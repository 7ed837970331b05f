"""Does the ONNX graph compute the network that was trained? Measured on thousands of inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np

from r2s.artifacts.policy import Parity
from r2s.core.errors import R2SError
from r2s.core.seeds import generator
from r2s.policy.graph import ACTION

PARITY_BOUND = 1e-5  # max abs on an action in [-1, 1]; float32 noise of a 190 k MAC actor is 2.3e-6
# Weights grow in a long training, and with them what float32 rounds off: two programs may differ by so many
# times what one of them differs from float64.
NOISE_ROOM, MOST_BOUND = 4.0, 1e-3
SIGMAS = 6.0  # widest inputs, in training standard deviations: beyond the clip of the normalizer


def check_parity(
    onnx_bytes: bytes,
    reference: Callable[[np.ndarray], np.ndarray],
    exact: Callable[[np.ndarray], np.ndarray] | None = None,
    vectors: int = 4096,
    seed: int = 0,
) -> Parity:
    """Run the graph and `reference` on the same inputs and compare their actions.

    Args:
        reference: maps concatenated raw observations (vectors, width) float32 to deterministic actions
            (vectors, joints), for example the jitted JAX network.
        exact: the same in float64: how far `reference` is from it is what rounding does to this network.

    Raises:
        R2SError: R2S-POLICY-003 when any action differs by more than `bound` of that, or is not finite.
    """
    import onnxruntime

    session = open_session(onnx_bytes)
    names, widths = _observations(session)
    inputs = stratified_inputs(*_normalizer(onnx_bytes), vectors=vectors, seed=seed)
    expected = np.asarray(reference(inputs), dtype=np.float64)
    actual = np.stack([run_row(session, names, widths, row) for row in inputs]).astype(np.float64)
    if expected.shape != actual.shape:
        raise R2SError(
            "R2S-POLICY-003",
            f"the reference network gives actions of shape {expected.shape}, the graph {actual.shape}",
            where="policy.onnx",
            why="the exported policy would not act as the trained one",
            remedy="train again: r2s train",
        )
    noise = float(np.max(np.abs(expected - exact(inputs)))) if exact else 0.0
    difference, most = np.abs(actual - expected), bound(noise)
    worst = float(np.max(difference)) if np.isfinite(difference).all() else float("inf")
    if not worst <= most:
        row = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf).max(axis=1)))
        raise R2SError(
            "R2S-POLICY-003",
            f"the ONNX policy differs from the trained network by {worst:.3g} (bound {most:.3g})",
            where=f"policy.onnx, vector {row} of {vectors}, seed {seed}",
            why="the exported policy would not act as the trained one",
            remedy="train again: r2s train",
        )
    return Parity(vectors=vectors, max_abs=worst, noise=noise, onnxruntime=onnxruntime.__version__)


def bound(noise: float) -> float:
    """Return how much an action of the graph may differ, for a network that float32 rounds by `noise`."""
    return min(max(PARITY_BOUND, NOISE_ROOM * noise), MOST_BOUND)


def open_session(onnx_bytes: bytes):
    """Return an onnxruntime session as the robot runs it: one thread, sequential, CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])


def run_row(session, names: tuple[str, ...], widths: Mapping[str, int], row: np.ndarray):
    """Return the action (joints,) of one concatenated observation; inputs not in it are zero."""
    feed = {name: np.zeros((1, width), np.float32) for name, width in widths.items()}
    start = 0
    for name in names:
        feed[name] = row[None, start : start + widths[name]]
        start += widths[name]
    return session.run([ACTION], feed)[0][0]


def stratified_inputs(mean: np.ndarray, std: np.ndarray, *, vectors: int, seed: int) -> np.ndarray:
    """Return (vectors, width) float32 inputs: zeros, the mean, single extremes, and three spreads.

    A third of the random rows is within one standard deviation, a third within three, and a third out to
    six, where the normalizer clips.
    """
    width = len(mean)
    draw = generator(seed, "parity").standard_normal((vectors, width))
    spread = np.array([0.5, 1.5, SIGMAS / 2])[np.arange(vectors) % 3]
    rows = mean + std * np.clip(draw * spread[:, None], -SIGMAS, SIGMAS)
    corners = [np.zeros(width), mean]
    for i in range(width):
        for sign in (-SIGMAS, SIGMAS):
            corners.append(mean + sign * std * (np.arange(width) == i))
    corners = np.array(corners)[:vectors]
    rows[: len(corners)] = corners
    return rows.astype(np.float32)


def _observations(session) -> tuple[tuple[str, ...], dict[str, int]]:
    signals = json.loads(session.get_modelmeta().custom_metadata_map["r2s.observations"])
    widths = {node.name: int(node.shape[1]) for node in session.get_inputs()}
    return tuple(signal["name"] for signal in signals), widths


def _normalizer(onnx_bytes: bytes) -> tuple[np.ndarray, np.ndarray]:
    import onnx

    tensors = {t.name: t for t in onnx.load_from_string(onnx_bytes).graph.initializer}
    mean, inverse = (
        onnx.numpy_helper.to_array(tensors[f"normalizer/{name}"])[0].astype(np.float64)
        for name in ("mean", "inverse_std")
    )
    return mean, 1.0 / inverse
