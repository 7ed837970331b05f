"""The task's own success event, asked with true signals at every control step of many trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from r2s.sim.model import Layout
from r2s.sim.truth import sensors_of, true_moment
from r2s.tasks.task import Task, TaskState


class Ruling(NamedTuple):
    """Attributes, each (n,): would the trial succeed if it ended now, can it not go on, the task's error."""

    success: Any
    terminated: Any
    error: Any


Judge = Callable[..., tuple[TaskState, Ruling]]


def make_judge(task: Task, where: Layout) -> Judge:
    """Return f(task_state, sensordata, target, action, previous_action, chance) -> (task_state, ruling).

    Leading axis n everywhere; sensordata is (n, nsensordata), chance (n, task.draws.advance) in [0, 1),
    the others (n, joints).
    """

    def one(state, sensordata, target, action, previous, chance):
        sensors = sensors_of(where, sensordata)
        moment = true_moment(task, sensors, state, target, action, previous)
        after, judged = task.advance(moment, chance)
        return after, Ruling(judged.success, judged.terminated, task.error(moment))

    # A loop, not vmap: vector code rounds by position, and a trial must not depend on the others.
    step = jax.jit(lambda *rows: jax.lax.map(lambda row: one(*row), rows))

    def judge(state, *arrays: np.ndarray) -> tuple[TaskState, Ruling]:
        after, ruling = step(state, *(jnp.float32(array) for array in arrays))
        return after, Ruling(*(np.asarray(part) for part in ruling))

    return judge
