"""What every stage makes of tiny inputs, in numbers that fit a page.

    python tests/golden_outputs.py     # after a stage was changed on purpose, and its STAGE_VERSION raised

Each artifact becomes facts: for every field (list positions as `*`) and every array how many values there are
and their root mean square. They are compared at the stage's tolerance, so that another processor's
rounding passes and another algorithm does not.
"""

from __future__ import annotations

import importlib
import json
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_arrays

from r2s.artifacts.base import Artifact
from r2s.core.context import StageContext
from r2s.engine.catalog import STAGES

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden.json"
SOURCES = {"scan": {"capture": "workbench.pcd"}, "robot": {"robot": "arm6/arm6.urdf"}}
CONFIGS: dict[str, dict[str, Any]] = {
    "scan": {"voxel_m": 0.01},
    "build_scene": {"task": "reach", "goals": 60, "parameters": {"episode_s": 1.0}},
    "train": {
        "iterations": 2, "copies": 16, "horizon": 8, "evaluate_every": 2, "actor": [16], "critic": [16],
    },
    "validate": {"trials": 20, "other_trials": 15, "max_trials": 20, "equality_trials": 2},
    "export": {"allow_failed_gate": True, "target": "cpu-x86_64"},
}  # fmt: skip
# Relative. Training and what follows from it amplify rounding.
TOLERANCE = defaultdict(lambda: 0.05, scan=2e-3, reconstruct=2e-2, robot=2e-3, build_scene=2e-2)
LONGEST_WORD = 24  # longer texts are evidence, with measured numbers in them
MEASURED = (
    "latency",
    "seconds",
    "sha256",
    "digest",
    "bytes",
    "checksum",
)  # of this machine, or of bytes

Facts = dict[str, list[Any]]


def outputs() -> Iterator[tuple[str, int, Facts]]:
    """Run the chain; yield (stage, STAGE_VERSION, facts) of each stage as it finishes."""
    made: dict[str, Artifact] = {}
    for name, spec in STAGES.items():
        module = importlib.import_module(spec.module)
        sources = {role: ROOT / "samples" / file for role, file in SOURCES.get(name, {}).items()}
        with tempfile.TemporaryDirectory() as scratch:
            context = StageContext(scratch=Path(scratch), sources=sources)
            config = module.Config.model_validate(CONFIGS.get(name, {}))
            artifact = module.run(
                {role: made[kind] for role, kind in spec.inputs.items()}, config, context
            )
        made[artifact.KIND] = artifact
        yield name, module.STAGE_VERSION, facts_of(artifact)


def facts_of(artifact: Artifact) -> Facts:
    """Return path to [count, root mean square] of numbers, or [count, checksum] of words."""
    config, files = artifact.encode()
    values: dict[str, list[Any]] = defaultdict(list)
    for path, value in leaves(json.loads(json.dumps(config)), "config"):
        values[path].append(value)
    facts = {path: _summary(found) for path, found in values.items() if not _is_measured(path)}
    for file in sorted(files):
        if file.endswith(".safetensors"):
            for key, array in load_arrays(bytes(files[file])).items():
                facts[f"{file}/{key}"] = [array.size, _rms(array)]
    return {path: fact for path, fact in sorted(facts.items()) if fact}


def leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key in tree:
            yield from leaves(tree[key], f"{path}.{key}")
    elif isinstance(tree, list):
        for each in tree:
            yield from leaves(each, f"{path}.*")
    elif tree is not None:
        yield path, tree


def difference(stage: str, found: Facts, golden: Facts) -> list[str]:
    """Return one line per fact that changed beyond the stage's tolerance."""
    lines = [
        f"{path} is {'new' if path in found else 'gone'}" for path in sorted({*found} ^ {*golden})
    ]
    for path in sorted({*found} & {*golden}):
        if not all(
            _same(a, b, TOLERANCE[stage]) for a, b in zip(found[path], golden[path], strict=True)
        ):
            lines.append(f"{path}: {golden[path]} -> {found[path]}")
    return lines


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return abs(a - b) <= tolerance * max(abs(a), abs(b)) + 1e-4


def _summary(values: list[Any]) -> list[Any]:
    if all(isinstance(value, (int, float)) for value in values):
        return [len(values), _rms(np.array(values, float))]
    words = [str(value) for value in values]
    if max(map(len, words)) > LONGEST_WORD:
        return []
    return [len(words), f"{zlib.crc32(' '.join(words).encode()):08x}"]


def _is_measured(path: str) -> bool:
    return any(word in path for word in MEASURED)


def _rms(array: np.ndarray) -> float:
    return float(
        f"{np.sqrt(np.mean(np.square(array, dtype=np.float64))) if array.size else 0.0:.6g}"
    )


if __name__ == "__main__":
    golden = {name: {"version": version, "facts": facts} for name, version, facts in outputs()}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"wrote {GOLDEN}")
