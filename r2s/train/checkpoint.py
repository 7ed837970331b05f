"""The whole state of a training as files, and back: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.arrays import pack, unpack
from r2s.train.ppo import Learner

LEARNER, COLLECTOR, COUNTERS, LOG = (
    "learner.safetensors", "collector.safetensors", "counters.json", "training.jsonl",
)  # fmt: skip


@dataclass(frozen=True)
class Progressed:
    """Counters of a training.

    Attributes:
        iteration: iterations finished.
        env_steps: control steps of all copies.
        episodes, crashes: so far.
        evaluation: the last evaluation, or None.
        reached: evaluations in a row that reached the target.
        best, stuck: the best evaluated success, and evaluations since there was a better one.
    """

    iteration: int = 0
    env_steps: int = 0
    episodes: int = 0
    crashes: int = 0
    evaluation: dict[str, float] | None = None
    reached: int = 0
    best: float = 0.0
    stuck: int = 0

    def judged(self, evaluation: dict[str, float], target: float) -> Progressed:
        """Return the counters after an evaluation."""
        success = evaluation["success_rate"]
        return replace(
            self,
            evaluation=evaluation,
            reached=self.reached + 1 if success >= target else 0,
            best=max(self.best, success),
            stuck=0 if success > self.best else self.stuck + 1,
        )


def encode(
    learner: Learner, collector: Mapping[str, np.ndarray], progressed: Progressed, log: bytes
) -> dict[str, bytes]:
    """Return the checkpoint's files."""
    return {
        LEARNER: pack(named_leaves(learner)),
        COLLECTOR: pack(dict(collector)),
        COUNTERS: json.dumps(progressed.__dict__, sort_keys=True).encode(),
        LOG: log,
    }


def decode(
    files: Mapping[str, bytes], skeleton: Learner
) -> tuple[Learner, dict[str, np.ndarray], Progressed, bytes]:
    """Return what `encode` was given; `skeleton` has the learner's structure."""
    learner = restored(unpack(files[LEARNER]), skeleton)
    counters = Progressed(**json.loads(files[COUNTERS]))
    return learner, unpack(files[COLLECTOR]), counters, bytes(files[LOG])


def named_leaves(tree: Any) -> dict[str, np.ndarray]:
    """Return every array of a tree under its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def restored(arrays: Mapping[str, np.ndarray], skeleton: Any) -> Any:
    """Return a tree shaped like `skeleton` with the arrays of `named_leaves`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jnp.asarray(arrays[jax.tree_util.keystr(path)]), skeleton
    )
