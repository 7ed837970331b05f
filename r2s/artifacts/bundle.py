"""What goes onto the robot's computer: the unpacked files of a bundle, checksummed by its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from r2s.artifacts.base import Encoded, Frozen


class BundleInfo(Frozen):
    """Attributes:
    target: row of the target table (`jetson-orin`, `cpu-x86_64`, ...).
    gate: verdict of the validation it was exported under.
    gate_override: true where the user exported in spite of a failed gate.
    parity_max_abs: ONNX against JAX.
    golden_vectors: number of golden input/output pairs.
    sha256sums: digest of the SHA256SUMS file.
    """

    target: str
    robot: str
    task: str
    gate: Literal["pass", "marginal", "fail"]
    gate_override: bool
    onnx_opset: int
    parity_max_abs: float
    golden_vectors: int
    golden_ticks: int
    sha256sums: str


@dataclass(frozen=True)
class Bundle:
    """`files` is the bundle folder, file by file."""

    KIND: ClassVar[str] = "bundle"

    info: BundleInfo
    files: Mapping[str, bytes]

    def encode(self) -> Encoded:
        return Encoded(self.info.model_dump(mode="json"), dict(self.files))

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls(BundleInfo.model_validate(config), files)
