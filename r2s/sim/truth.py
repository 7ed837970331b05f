"""What a task is told of a control step: the truth. One copy; pure JAX."""

from __future__ import annotations

from collections.abc import Mapping

import jax

from r2s.artifacts.signal import COMMAND_SIGNALS
from r2s.sim.model import Layout
from r2s.tasks.task import Moment, Task, TaskState


def sensors_of(where: Layout, sensordata: jax.Array) -> dict[str, jax.Array]:
    """Return the signals that have sensors, each (..., width), of (..., nsensordata)."""
    return {name: sensordata[..., index] for name, index in where.sensor_index.items()}


def true_moment(
    task: Task,
    sensors: Mapping[str, jax.Array],
    memory: TaskState,
    target: jax.Array,
    action: jax.Array,
    previous: jax.Array,
) -> Moment:
    """Return what the task's reward and success look at after a control step.

    Args:
        sensors: see `sensors_of`; memory: the task's, from before the step.
        target, action, previous: (joints,) targets sent, the action behind them, and the one before.
    """
    own = dict(zip(COMMAND_SIGNALS, (target, action), strict=True))
    return Moment({**sensors, **own, **task.commands(memory)}, action, previous, memory)
