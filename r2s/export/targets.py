"""The computers a bundle can be for, as data. Sources: vendors' release notes and the wheels themselves."""

from __future__ import annotations

import difflib

from r2s.artifacts.base import Frozen
from r2s.core.errors import UsageError


class Target(Frozen):
    """One computer.

    Attributes:
        id: what the user says; `variant` is its software release.
        l4t: range of NVIDIA's Linux for Tegra releases, or "".
        python: version its system has.
        onnxruntime: newest CPU wheel for that Python.
        opset_max, ir_max: what that onnxruntime (and TensorRT, where there is one) reads.
    """

    id: str
    variant: str
    machine: str
    os: str
    python: str
    onnxruntime: str
    opset_max: int
    ir_max: int
    l4t: str = ""
    ros: str = ""
    cuda: str = ""
    tensorrt: str = ""
    sm: int = 0


def _jetpack7(id_: str, *, sm: int, variant: str = "jp72", l4t: str = "r39.x") -> Target:
    return Target(
        id=id_, variant=variant, machine="aarch64", os="Ubuntu 24.04", python="3.12",
        onnxruntime="1.31.1", opset_max=25, ir_max=13, l4t=l4t, ros="jazzy", cuda="13.2",
        tensorrt="10.16.1", sm=sm,
    )  # fmt: skip


def _jetpack6(id_: str) -> Target:
    # Python 3.10 stops at onnxruntime 1.23.2 (IR 11); TensorRT 10.3 reads opset 9 to 20.
    return Target(
        id=id_, variant="jp62", machine="aarch64", os="Ubuntu 22.04", python="3.10",
        onnxruntime="1.23.2", opset_max=20, ir_max=11, l4t="36.4.4 - 36.5", ros="humble",
        cuda="12.6", tensorrt="10.3", sm=87,
    )  # fmt: skip


def _cpu(id_: str, machine: str) -> Target:
    # The oldest runtime of Python 3.10 to 3.13 decides what may be in the graph.
    return Target(
        id=id_, variant="any", machine=machine, os="Linux", python="3.10 - 3.13",
        onnxruntime="1.23.2 - 1.31.1", opset_max=23, ir_max=11,
    )  # fmt: skip


# The first variant of an id is its default.
TARGETS: tuple[Target, ...] = (
    _jetpack7("jetson-orin", sm=87),
    _jetpack6("jetson-orin"),
    _jetpack7("jetson-orin-nano", sm=87),
    _jetpack6("jetson-orin-nano"),
    _jetpack7("jetson-thor", sm=110),
    _cpu("cpu-x86_64", "x86_64"),
    _cpu("cpu-arm64", "aarch64"),
)


def find_target(name: str) -> Target:
    """Return the target called `id` or `id@variant`.

    Raises:
        UsageError: R2S-EXPORT-001 listing those there are.
    """
    for target in TARGETS:
        if name in (target.id, f"{target.id}@{target.variant}"):
            return target
    names = list(dict.fromkeys(f"{t.id}@{t.variant}" for t in TARGETS))
    close = difflib.get_close_matches(name, [*{t.id for t in TARGETS}, *names], 1)
    raise UsageError(
        "R2S-EXPORT-001",
        f"there is no target called {name!r}",
        where=f"targets: {', '.join(names)}",
        why="a bundle is made for the runtimes that a computer has",
        remedy=f"r2s export --target {close[0] if close else TARGETS[0].id}",
    )
