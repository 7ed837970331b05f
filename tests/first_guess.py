"""Play a task's first guess on its own: no policy, in the scene's exact model, without noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.sim.episode import arena, start
from r2s.sim.truth import sensors_of, true_moment
from r2s.tasks.task import bind, derive


def succeeds(scene: Scene, seeds: range) -> list[bool]:
    """Return for each seed whether an episode of the guess alone is a success."""
    there, task, info = arena(scene), bind(scene), scene.info
    spec, complete = info.actions, derive(info, info.observations)
    scale, low, high = (jnp.float32(each) for each in (spec.scale, spec.low, spec.high))

    @jax.jit
    def act(sensordata, memory, target, action):
        own = {"joint_target": target, "last_action": action, **task.commands(memory)}
        action = jnp.clip(
            task.guess(complete({**sensors_of(there.where, sensordata), **own})), -1.0, 1.0
        )
        return action, jnp.clip(target + scale * action, low, high)

    @jax.jit
    def judge(sensordata, memory, target, action, previous):
        sensors = sensors_of(there.where, sensordata)
        moment = true_moment(task, sensors, memory, target, action, previous)
        return task.advance(moment, jnp.zeros(task.draws.advance))

    found = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        memory = task.reset(jnp.float32(random.random(task.draws.reset)))
        data = start(there, jnp.float32(random.random(task.draws.start)), memory)
        mujoco.mj_forward(there.model, data)
        target = jnp.float32(data.ctrl[there.where.ctrl_index])
        action, judged = jnp.zeros(len(spec.joints)), None
        for _ in range(task.episode_steps):
            previous = action
            action, target = act(jnp.float32(data.sensordata), memory, target, previous)
            data.ctrl[there.where.ctrl_index] = target
            mujoco.mj_step(there.model, data, there.where.substeps)
            memory, judged = judge(jnp.float32(data.sensordata), memory, target, action, previous)
            if judged.terminated:
                break
        found.append(judged is not None and bool(judged.success))
    return found
