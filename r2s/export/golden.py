"""What the robot's computer must reproduce: inputs with float64 answers, and an episode tick by tick."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from r2s.artifacts.arrays import unpack
from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.artifacts.signal import ActionSpec
from r2s.core.seeds import generator
from r2s.edge.contract import Contract
from r2s.edge.golden import EXPECTED, INPUT, MAX_TOLERANCE, OBSERVATION, VALUE
from r2s.edge.policy import OnnxPolicy
from r2s.policy.graph import PREVIOUS_TARGET, input_widths
from r2s.policy.parity import bound, stratified_inputs
from r2s.policy.reference import reference_action, reference_target
from r2s.sim.episode import Moment, arena, play

VECTORS = 1024
MIN_TICKS, MAX_EPISODES = 500, 100
# Small differences of actions add up in the remembered target: an episode may differ by so many times more.
EPISODE_FACTOR = 10.0

Arrays = dict[str, np.ndarray]


def tolerances(actions: ActionSpec, noise: float = 0.0) -> dict[str, float]:
    """Return the largest differences allowed, absolute: a target differs as its action does, times its scale.

    Angles move by less than 1 rad per action, wheels by tens of rad/s.

    Args:
        noise: see `Parity`.
    """
    scale, action = max(1.0, *actions.scale), bound(noise)
    return {
        "action": min(action, MAX_TOLERANCE),
        "joint_pos_target": min(action * scale, MAX_TOLERANCE),
        "episode": min(EPISODE_FACTOR * action * scale, MAX_TOLERANCE),
    }


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an npz file; equal arrays give equal bytes, and nothing in it is pickled."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(
                member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False
            )
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def golden_vectors(policy: Policy, episode: Arrays, seed: int) -> Arrays:
    """Return named inputs (n, width) float32 and expected outputs (n, joints) float64.

    A quarter of the rows comes from the episode, the others are spread over the normalizer's range.
    """
    info = policy.info
    weights = unpack(policy.weights)
    rows = stratified_inputs(
        weights["normalizer/mean"], weights["normalizer/std"], vectors=VECTORS, seed=seed
    )
    seen = np.concatenate([episode[OBSERVATION + s.name] for s in info.observations], axis=1)
    random = generator(seed, "golden")
    quarter = VECTORS // 4
    rows[-quarter:] = seen[random.integers(0, len(seen), quarter)]
    inputs, start = {}, 0
    for signal in info.observations:
        inputs[signal.name] = rows[:, start : start + signal.width]
        start += signal.width
    if PREVIOUS_TARGET not in inputs and PREVIOUS_TARGET in dict(
        input_widths(info.observations, info.actions)
    ):
        low, high = np.asarray(info.actions.low), np.asarray(info.actions.high)
        inputs[PREVIOUS_TARGET] = random.uniform(low, high, (VECTORS, len(low))).astype(np.float32)
    action = reference_action(weights, info.network, info.observation_clip, rows)
    previous = inputs.get(PREVIOUS_TARGET, np.zeros_like(action))
    target = reference_target(info.actions, action, previous.astype(np.float64))
    return {
        **{INPUT + name: array for name, array in inputs.items()},
        EXPECTED + "action": action,
        EXPECTED + "joint_pos_target": target,
    }


def golden_episode(policy: Policy, scene: Scene, contract: Contract, seed: int) -> Arrays:
    """Record whole episodes of the exported policy in the scene, until there are `MIN_TICKS` ticks."""
    there, session = arena(scene), OnnxPolicy(policy.onnx)
    ticks: list[Arrays] = []
    episode = 0
    while len(ticks) < MIN_TICKS and episode < MAX_EPISODES:
        moments = play(there, contract, session, generator(seed, "episode", episode))
        ticks += [_record(moment, index == 0, session) for index, moment in enumerate(moments)]
        episode += 1
    return {name: np.stack([tick[name] for tick in ticks]) for name in ticks[0]}


def _record(moment: Moment, first: bool, session: OnnxPolicy) -> Arrays:
    tick = moment.tick
    action = np.zeros(len(tick.target), np.float32) if tick.action is None else tick.action
    blank = {name: np.zeros(shape, np.float32) for name, shape in session.inputs.items()}
    seen = blank if tick.observation is None else tick.observation
    return {
        "reset": np.array(first),
        "now_s": np.array(moment.now_s),
        "stamp_s": np.array(moment.reading.stamp_s),
        "verdict": np.array(tick.verdict.value, np.uint8),
        "action": action,
        "command": tick.target,
        **{VALUE + name: value for name, value in moment.reading.values.items()},
        **{OBSERVATION + name: value[0] for name, value in seen.items()},
    }
