"""How fast is training on this machine, and how much of it is physics? Raw and training in one run.

Rounds of bare physics and of training alternate, so that a neighbour's load falls on both alike.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.core.seeds import generator
from r2s.train.config import Config, resolved
from r2s.train.loop import stream
from r2s.train.ppo import initial_learner, make_update, shuffled
from r2s.train.stage import chosen_engine, environment_of, make_collector

MEGABYTE = 1e6


def bench(scene: Scene, config: Config | None = None, rounds: int = 4) -> dict[str, Any]:
    """Return the metrics of `r2s bench`.

    `training_over_raw` compares physics steps/s inside the physics calls of training with those of the
    bare engine on the same states; `overhead_fraction` is the share of training's wall time that is
    neither physics nor gradient. On an accelerator physics and the rest are one program: there
    `training_over_raw` compares whole collections and `overhead_fraction` is what they lose.
    """
    config = config or Config()
    engine = chosen_engine(config.engine)
    config = resolved(config, engine, scene.info.task.kind)
    environment = environment_of(scene, config)
    collector = make_collector(engine, environment, config.copies)
    widths = environment.observation_width, environment.critic_width, environment.action_width
    learner = initial_learner(
        generator(0, "bench"), config.ppo, environment.network, widths, config.initial_std
    )
    update = make_update(
        config.ppo,
        environment.network,
        environment.observation_width,
        config.observation_clip,
        config.initial_std,
    )
    state = collector.initial(stream(0, "start"), staggered=True)
    raw = bare_physics(collector, config.horizon)

    wall = gradient = raw_s = 0.0
    seen = None
    for round_ in range(rounds + 1):
        if round_ == 1:  # the first round compiles
            wall = gradient = raw_s = 0.0
            collector.clock.clear()
        begun = perf_counter()
        seen, state, _ = collector.collect(
            learner.policy, state, stream(0, "play", round_), steps=config.horizon, explore=True
        )
        mark = perf_counter()
        order = shuffled(generator(0, round_), config.ppo, config.horizon * config.copies)
        learner, _ = jax.block_until_ready(update(learner, seen, order))
        gradient += perf_counter() - mark
        wall += perf_counter() - begun
        begun = perf_counter()
        raw(state)
        raw_s += perf_counter() - begun

    control_steps = rounds * config.horizon * config.copies
    physics_steps = control_steps * environment.where.substeps
    inside = physics_steps / collector.clock.physics_s
    bare = physics_steps / raw_s
    useful = gradient + (collector.clock.physics_s if engine == "cpu" else raw_s)
    return {
        "engine": engine,
        "copies": config.copies,
        "env_steps_per_s": control_steps / wall,
        "physics_steps_per_s": inside,
        "raw_physics_steps_per_s": bare,
        "training_over_raw": inside / bare,
        "overhead_fraction": max(0.0, 1.0 - useful / wall),
        "gradient_fraction": gradient / wall,
        "memory_per_copy_mb": memory(collector, state, seen) / config.copies / MEGABYTE,
    }


def bare_physics(collector: Any, control_steps: int) -> Callable[[Any], None]:
    """Return f(state): step every copy through `control_steps` control periods, and nothing else."""
    environment = collector.environment
    if collector.engine == "mjx":
        return _bare_mjx(collector, control_steps)
    from mujoco.batch import Batch

    batch = Batch(environment.model, collector.copies)

    def run(state: Any) -> None:
        batch.state[:] = state.rows
        for _ in range(control_steps):
            batch.step(nstep=environment.where.substeps)

    return run


def _bare_mjx(collector: Any, control_steps: int) -> Callable[[Any], None]:
    from r2s.sim.environment import Command

    ctrl = jnp.float32(collector.environment.where.home_ctrl)
    command = Command(ctrl, ctrl, jnp.int32(0))

    def step(physics: Any, _: Any):
        periods = jax.vmap(lambda p: collector._control_period(p, {}, command))
        return periods(physics)[0], None

    scan = jax.jit(lambda physics: jax.lax.scan(step, physics, length=control_steps)[0])
    return lambda state: jax.block_until_ready(scan(state.physics)) and None


def memory(collector: Any, state: Any, seen: Any) -> int:
    """Return the bytes that grow with the number of copies: states, per-copy fields, trajectories."""
    arrays = [*collector.arrays(state).values(), *jax.tree.leaves(seen)]
    arrays += list(getattr(collector, "_fields", {}).values())
    return sum(np.asarray(array).nbytes for array in arrays)
