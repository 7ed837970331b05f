"""A trained policy: weights, normalizer, the ONNX graph built from them, and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.kinematics import Chain
from r2s.artifacts.randomization import Randomize
from r2s.artifacts.scene import TaskSpec
from r2s.artifacts.signal import ActionSpec, Signal

WEIGHTS_FILE = "policy.safetensors"
ONNX_FILE = "policy.onnx"
LOG_FILE = "training.jsonl"


class NetworkSpec(Frozen):
    """Shape of the actor and critic: hidden layer widths and activation."""

    actor: tuple[int, ...]
    critic: tuple[int, ...]
    activation: Literal["elu", "silu", "tanh", "relu"] = "elu"


class Parity(Frozen):
    """ONNX under onnxruntime against JAX on the same inputs.

    Attributes:
        noise: JAX in float32 against the same in float64; the larger the weights, the larger.
    """

    vectors: int
    max_abs: float
    noise: float = 0.0
    onnxruntime: str


class TrainingSummary(Frozen):
    """Numbers of the finished training; measured times are in the run record, not here."""

    engine: Literal["cpu", "mjx", "warp"]
    iterations: int
    env_steps: int
    copies: int
    success_rate: float
    return_mean: float
    crashes: int
    episodes: int


class PolicyInfo(Frozen):
    """Everything needed to run the policy on the robot, matched by name.

    Attributes:
        observations: the actor's inputs in network order; widths sum to the input layer.
        actions: what the outputs mean.
        gains: joint name to (kp, kd) the policy was trained with.
        limits: joint name to (low, high, velocity, effort).
        home: joint name to home position.
        observation_clip: normalized inputs are clipped to +- this.
    """

    robot: str
    task: TaskSpec
    observations: tuple[Signal, ...]
    critic: tuple[Signal, ...]
    actions: ActionSpec
    chain: Chain | None
    control_s: float
    gains: dict[str, tuple[float, float]]
    limits: dict[str, tuple[float, float, float, float]]
    home: dict[str, float]
    network: NetworkSpec
    observation_clip: float
    randomization: tuple[Randomize, ...]
    training: TrainingSummary
    parity: Parity
    onnx_opset: int


@dataclass(frozen=True)
class Policy:
    """Attributes:
    weights: safetensors bytes: `actor/0/w` (in, out), `actor/0/b` (out,), ..., `actor/log_std`,
        `critic/...`, `normalizer/mean`, `normalizer/std` over the concatenated observations.
    onnx: the graph validate and export read, these very bytes.
    log: JSON lines indexed by iteration.
    """

    KIND: ClassVar[str] = "policy"

    info: PolicyInfo
    weights: bytes
    onnx: bytes
    log: bytes

    def encode(self) -> Encoded:
        files = {WEIGHTS_FILE: self.weights, ONNX_FILE: self.onnx, LOG_FILE: self.log}
        return Encoded(self.info.model_dump(mode="json"), files)

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        info = PolicyInfo.model_validate(config)
        return cls(info, files[WEIGHTS_FILE], files[ONNX_FILE], files[LOG_FILE])
