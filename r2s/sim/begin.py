"""How an episode begins: the task's start, written into the model's positions. Pure JAX, one copy."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from r2s.core.coupled import brought
from r2s.sim.model import Layout
from r2s.tasks.task import Start, Task, TaskState


def task_start(task: Task, where: Layout, uniform: jax.Array, state: TaskState) -> Start:
    """Return joints and base where the task starts the episode of memory `state`, from the home pose."""
    home, base = jnp.float32(where.home_qpos), where.base_qpos
    pose = home[base : base + 7] if base >= 0 else jnp.zeros(7)
    return task.start(uniform, Start(home[where.qpos_index], pose), state)


def start_qpos(task: Task, where: Layout, begun: Start, state: TaskState) -> jax.Array:
    """Return positions (nq,) of a start; everything it does not speak of is at home.

    Args:
        state: the task's memory of this episode, from `Task.reset`.
    """
    qpos, base, thing = jnp.float32(where.home_qpos), where.base_qpos, where.thing_qpos
    qpos = qpos.at[where.qpos_index].set(begun.joints)
    qpos = brought(qpos, where.coupled, lambda q, at, value: q.at[at].set(value))
    if base >= 0:
        qpos = qpos.at[base : base + 7].set(begun.base)
    if thing >= 0:
        qpos = qpos.at[thing : thing + 7].set(task.thing(state, qpos[thing : thing + 7]))
    return qpos
