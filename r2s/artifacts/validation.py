"""The gate's verdict on an exported policy, with the trials it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from r2s.artifacts.base import Encoded, Frozen

TRIALS_FILE = "trials.jsonl"
Verdict = Literal["pass", "marginal", "fail"]


class ScenarioResult(Frozen):
    """One scenario: the conditions, the trials and their exact one-sided 95 % bounds.

    Attributes:
        pinned: randomized quantity to the value it is held at; the others keep their defaults.
        threshold: success the lower bound must reach to pass.
        mean_error: mean of the task's final error over trials, in the task's unit.
    """

    name: str
    pinned: dict[str, float]
    trials: int
    successes: int
    lower: float
    upper: float
    threshold: float
    verdict: Verdict
    mean_error: float


class ValidationInfo(Frozen):
    verdict: Verdict
    reason: str
    scenarios: tuple[ScenarioResult, ...]
    timestep_s: float
    engine: str
    onnxruntime: str
    edge_trials_equal: int


@dataclass(frozen=True)
class Validation:
    KIND: ClassVar[str] = "validation"

    info: ValidationInfo
    trials: bytes

    def encode(self) -> Encoded:
        return Encoded(self.info.model_dump(mode="json"), {TRIALS_FILE: self.trials})

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls(ValidationInfo.model_validate(config), files[TRIALS_FILE])
