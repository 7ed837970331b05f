"""The ONNX session: one thread, sequential, warmed up. More threads make the worst tick 35 times slower."""

from __future__ import annotations

import json
from typing import Any, Mapping

import numpy as np
import onnxruntime

from .errors import EdgeError

ACTION = "action"
TARGET = "joint_pos_target"
PREVIOUS_TARGET = "joint_target"


class OnnxPolicy:
    """A loaded policy. Calling it maps named inputs to (action, joint position target)."""

    def __init__(self, model: bytes, warmup: int = 50):
        """Args:
            model: the bytes of policy.onnx.
            warmup: runs on zeros before the first real one.

        Raises:
            EdgeError: R2S-EDGE-006 when onnxruntime refuses the model or it has other inputs or outputs.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's exceptions share no public base class
            raise EdgeError(
                "R2S-EDGE-006",
                f"onnxruntime {onnxruntime.__version__} does not load the policy: {exc}",
                where="policy/policy.onnx",
                why="there is nothing to run",
                remedy="export for this target: r2s export --target TARGET",
            ) from exc
        self.provider: str = self._session.get_providers()[0]
        self.inputs = {node.name: tuple(node.shape) for node in self._session.get_inputs()}
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        outputs = [node.name for node in self._session.get_outputs()]
        if outputs != [ACTION, TARGET]:
            raise EdgeError(
                "R2S-EDGE-006",
                f"the policy's outputs are {outputs}, expected {[ACTION, TARGET]}",
                where="policy/policy.onnx",
                why="the runtime would not know what to command",
                remedy="export the policy again: r2s export",
            )
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self.inputs.items()}
        for _ in range(warmup):
            self._session.run(None, zeros)

    def fact(self, name: str) -> Any:
        """Return the JSON value of a metadata entry, or None where there is none."""
        text = self.metadata.get(name)
        return None if text is None else json.loads(text)

    def __call__(self, feed: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return action and target, (joints,) float32 each, of (1, width) float32 inputs."""
        action, target = self._session.run(None, dict(feed))
        return np.asarray(action)[0], np.asarray(target)[0]
