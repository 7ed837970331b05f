"""How fast the training model steps. A measured fact of this machine, never part of the scene."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from r2s.artifacts.scene import HOME_KEYFRAME

COPIES, WARM_UP, SECONDS, STEPS = 64, 20, 0.6, 25


def physics_steps_per_s(xml: bytes, assets: Mapping[str, bytes], threads: int = 2) -> float:
    """Return steps/s of `mujoco.batch` over many copies that move at random about home."""
    import mujoco
    from mujoco.batch import Batch

    model = mujoco.MjModel.from_xml_string(xml.decode(), dict(assets))
    batch = Batch(model, COPIES, nthread=threads)
    batch.reset(keyframe=model.key(HOME_KEYFRAME).id)
    random = np.random.default_rng(0)
    home = model.key_ctrl[model.key(HOME_KEYFRAME).id]
    batch.bind("ctrl")[:] = home + 0.3 * random.standard_normal((COPIES, model.nu))
    batch.step(nstep=WARM_UP)
    begin, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < SECONDS:
        batch.step(nstep=STEPS)
        steps += STEPS * COPIES
    return round(steps / spent, 1)
