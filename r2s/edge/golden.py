"""Golden tests: does this computer compute what the exporting one did?

`vectors.npz`: inputs of the model, and its outputs computed in float64 from the trained weights, not from the
model file. `episode.npz`: consecutive ticks of a robot: readings in, observations, actions and commands out,
so that assembly, order of joints, memory and envelope are tested together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import numpy as np

from .contract import Contract
from .controller import Controller
from .errors import EdgeError
from .observe import Reading
from .policy import OnnxPolicy
from .safety import Verdict

INPUT, EXPECTED, VALUE, OBSERVATION = "input/", "expected/", "value/", "observation/"
MAX_TOLERANCE = 1e-3  # a bundle that asks for more is refused


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as exc:
        raise _failed(f"the golden file cannot be read: {exc}", str(path)) from exc


def check_vectors(
    policy: OnnxPolicy, arrays: Mapping[str, np.ndarray], tolerances: Mapping[str, float]
) -> float:
    """Run every golden vector; return the largest difference of an action.

    Raises:
        EdgeError: R2S-EDGE-005 naming the first vector and output out of tolerance.
    """
    inputs = {n[len(INPUT) :]: a for n, a in arrays.items() if n.startswith(INPUT)}
    expected = {n[len(EXPECTED) :]: a for n, a in arrays.items() if n.startswith(EXPECTED)}
    if {name: (1, a.shape[1]) for name, a in inputs.items()} != policy.inputs:
        raise _failed(
            f"the vectors have inputs {sorted(inputs)}", f"model: {sorted(policy.inputs)}"
        )
    rows = len(next(iter(inputs.values())))
    actual = [policy({n: a[i : i + 1] for n, a in inputs.items()}) for i in range(rows)]
    worst = 0.0
    for index, name in enumerate(("action", "joint_pos_target")):
        difference = np.abs(np.array([out[index] for out in actual], np.float64) - expected[name])
        difference = np.where(np.isfinite(difference), difference, np.inf)
        _within(difference, _tolerance(tolerances, name), f"golden vector {{}}, output {name}")
        worst = float(difference.max()) if name == "action" else worst
    return worst


def check_episode(
    contract: Contract,
    policy: OnnxPolicy,
    arrays: Mapping[str, np.ndarray],
    joint_names: tuple[str, ...],
    tolerance: float,
) -> float:
    """Replay the golden episode; return the largest difference of a command.

    Raises:
        EdgeError: R2S-EDGE-005 naming the first tick and term out of tolerance.
    """
    bound = _tolerance({"episode": tolerance}, "episode")
    controller = Controller(contract, policy, joint_names)
    worst = 0.0
    for index, reading, now_s, reset in ticks(arrays):
        if reset:
            controller.reset(reading)
        tick = controller.tick(reading, now_s)
        where = f"golden episode, tick {index}"
        if tick.verdict.value != int(arrays["verdict"][index]):
            expected = Verdict(int(arrays["verdict"][index])).name
            raise _failed(f"the verdict is {tick.verdict.name}, expected {expected}", where)
        for name, vector in (tick.observation or {}).items():
            expected = arrays.get(OBSERVATION + name)
            if expected is not None:
                _within(np.abs(vector - expected[index]), bound, f"{where}, observation {name}")
        if tick.action is not None:
            _within(np.abs(tick.action - arrays["action"][index]), bound, f"{where}, action")
        difference = np.abs(tick.target - arrays["command"][index])
        _within(difference, bound, f"{where}, command")
        worst = max(worst, float(difference.max()))
    return worst


def ticks(arrays: Mapping[str, np.ndarray]):
    """Yield (index, reading, now, whether an episode begins) of a golden episode."""
    values = {n[len(VALUE) :]: a for n, a in arrays.items() if n.startswith(VALUE)}
    for index in range(len(arrays["now_s"])):
        reading = Reading(
            {name: array[index] for name, array in values.items()}, float(arrays["stamp_s"][index])
        )
        yield index, reading, float(arrays["now_s"][index]), bool(arrays["reset"][index])


def _within(difference: np.ndarray, bound: float, where: str) -> None:
    if (difference <= bound).all():
        return
    row = int(np.argmax(~(difference <= bound).reshape(len(difference), -1).all(axis=1)))
    raise _failed(
        f"the result differs by {float(np.max(difference)):.3g} (tolerance {bound:g})",
        where.format(row),
    )


def _tolerance(tolerances: Mapping[str, float], name: str) -> float:
    value = tolerances.get(name, 0.0)
    if not 0 <= value <= MAX_TOLERANCE:
        raise _failed(
            f"the tolerance {value} for {name} is beyond {MAX_TOLERANCE}", "manifest.json"
        )
    return value


def _failed(what: str, where: str) -> EdgeError:
    return EdgeError(
        "R2S-EDGE-005",
        what,
        where=where,
        why="the policy would not act here as it did in validation",
        remedy="export again for this target: r2s export --target TARGET",
    )
