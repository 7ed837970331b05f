"""Everything that must hold on this computer before a policy may move the robot."""

from __future__ import annotations

import gc
import platform
import time
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import onnxruntime

from .controller import Controller
from .errors import EdgeError
from .golden import check_episode, check_vectors, read_arrays, ticks
from .manifest import Manifest, load_manifest, verify_agreement, verify_files
from .policy import OnnxPolicy

LATENCY_TICKS = 2000


def selftest(root: Path) -> dict[str, Any]:
    """Test a bundle folder and return the report.

    In order: manifest, checksums of every file, model against manifest, golden vectors, golden episode,
    time of a whole tick.

    Raises:
        EdgeError: the first thing that is wrong, with its reason.
    """
    manifest = load_manifest(root)
    files = verify_files(manifest)
    policy = OnnxPolicy(manifest.model_file.read_bytes())
    verify_agreement(manifest, policy)
    golden = manifest.data["golden"]
    vectors = read_arrays(manifest.root / golden["vectors"])
    episode = read_arrays(manifest.root / golden["episode"])
    joint_names = tuple(golden["joint_names"])
    worst_vector = check_vectors(policy, vectors, golden["tolerances"])
    worst_command = check_episode(
        manifest.contract, policy, episode, joint_names, golden["tolerances"]["episode"]
    )
    latency = measure_latency(manifest, policy, episode, joint_names)
    return {
        "schema": "r2s.selftest/1",
        "ok": True,
        "target": manifest.data["target"]["id"],
        "robot": manifest.contract.robot,
        "files": files,
        "golden_vectors": len(next(iter(vectors.values()))),
        "golden_ticks": len(episode["now_s"]),
        "vector_max_abs": worst_vector,
        "command_max_abs": worst_command,
        "latency_us": latency,
        "control_s": manifest.contract.control_s,
        "provider": policy.provider,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def measure_latency(
    manifest: Manifest,
    policy: OnnxPolicy,
    episode: Mapping[str, np.ndarray],
    joint_names: tuple[str, ...],
    count: int = LATENCY_TICKS,
) -> dict[str, float]:
    """Return p50, p99 and p99.9 [us] of a whole tick, replaying the golden episode.

    `cpu_p99` leaves out the time in which other programs had the processor.

    Raises:
        EdgeError: R2S-EDGE-008 when one tick in a hundred computes longer than the control period.
    """
    controller = Controller(manifest.contract, policy, joint_names)
    steps = list(ticks(episode))
    times_ns, cpu_ns = [], []
    gc.collect()
    gc.disable()
    try:
        for index in range(count + 200):
            _, reading, now_s, reset = steps[index % len(steps)]
            if reset or index == 0:
                controller.reset(reading)
            cpu_begin, begin = time.thread_time_ns(), time.perf_counter_ns()
            controller.tick(reading, now_s)
            times_ns.append(time.perf_counter_ns() - begin)
            cpu_ns.append(time.thread_time_ns() - cpu_begin)
    finally:
        gc.enable()
    p50, p99, p999 = np.percentile(np.array(times_ns[200:]) / 1e3, [50, 99, 99.9]).tolist()
    cpu_p99 = float(np.percentile(np.array(cpu_ns[200:]) / 1e3, 99))
    if cpu_p99 > 1e6 * manifest.contract.control_s:
        raise EdgeError(
            "R2S-EDGE-008",
            f"one tick in a hundred computes for {cpu_p99 / 1e3:.1f} ms or more",
            where=f"the control period is {1e3 * manifest.contract.control_s:.1f} ms",
            why="the robot would get its commands late",
            remedy="choose a faster power mode, or train a smaller network or a longer control period",
        )
    names = ("p50", "p99", "p999", "cpu_p99")
    return {n: round(v, 1) for n, v in zip(names, (p50, p99, p999, cpu_p99), strict=True)}
