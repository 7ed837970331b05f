"""Randomization as data: a declarative list, compiled to each engine by `sim`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from r2s.artifacts.base import Frozen


class Randomize(Frozen):
    """One randomized quantity. The operation always starts from the model's default, so it never compounds.

    Attributes:
        name: unique; the name of its bucket column in logs (`friction`, `object_mass`, ...).
        target: `geom`, `body`, `joint`, `actuator`, `signal`, `action`, `base` or `object` (pose).
        select: shell-style pattern on the target's names (`robot/*`, `object_*`, `joint_pos`).
        field: `friction`, `mass`, `damping`, `armature`, `frictionloss`, `gain` (kp and kd together),
            `latency` [s], `noise` [signal unit], `bias` [signal unit], `position` [m], `yaw` [rad].
        operation: `scale` (x factor), `add` (offset) or `abs` (value).
        distribution: `uniform` or `loguniform` over [low, high].
        per: `copy` (one draw shared by all selected targets) or `target` (one draw each).
        when: `run` (once per copy) or `reset` (every episode).
        buckets: number of equal-probability buckets its returns are split into.
    """

    name: str
    target: Literal["geom", "body", "joint", "actuator", "signal", "action", "base", "object"]
    select: str = "*"
    field: Literal[
        "friction", "mass", "damping", "armature", "frictionloss", "gain",
        "latency", "noise", "bias", "position", "yaw",
    ]  # fmt: skip
    operation: Literal["scale", "add", "abs"]
    distribution: Literal["uniform", "loguniform"] = "uniform"
    low: float
    high: float
    per: Literal["copy", "target"] = "copy"
    when: Literal["run", "reset"] = "reset"
    buckets: int = 4

    @model_validator(mode="after")
    def _a_range_that_means_something(self) -> Randomize:
        neutral = 1.0 if self.operation == "scale" else 0.0
        if self.low > self.high:
            raise ValueError(f"randomization {self.name}: low {self.low} is above high {self.high}")
        if self.operation != "abs" and self.low == self.high == neutral:
            raise ValueError(
                f"randomization {self.name} changes nothing: [{self.low}, {self.high}]"
            )
        if self.distribution == "loguniform" and self.low <= 0:
            raise ValueError(f"randomization {self.name}: loguniform needs low > 0, got {self.low}")
        return self
