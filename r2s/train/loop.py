"""Iterations: collect, update, log, evaluate, keep; stop at the target or at the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from r2s.core.context import StageContext
from r2s.core.errors import Interrupted, R2SError
from r2s.core.seeds import derive_seed
from r2s.sim.environment import Environment
from r2s.sim.protocol import Collector, Failure, Trajectories
from r2s.train import checkpoint, metrics
from r2s.train.checkpoint import Progressed
from r2s.train.ppo import Learner, initial_learner, make_update

if TYPE_CHECKING:
    from r2s.train.stage import Config

MakeCollector = Callable[[int], Collector]
CRASHES_FORGIVEN = 10  # below this many, a share of crashed episodes says little
PROMISING = 0.8  # evaluate once training episodes succeed this share of the target


@dataclass(frozen=True)
class Trained:
    """Attributes:
    learner: the last weights.
    progressed: counters, with the evaluation of those weights.
    log: JSON lines, one per iteration.
    seconds: where this process's time went: `physics`, `update`, `evaluate`, `total`.
    """

    learner: Learner
    progressed: Progressed
    log: bytes
    seconds: dict[str, float]
    physics_steps: int


def train(
    environment: Environment, make_collector: MakeCollector, config: Config, context: StageContext
) -> Trained:
    """Train until the evaluated success reaches the target, or the budget is spent.

    Everything random derives from `context.seed` and the iteration's number, so a training that was
    interrupted goes on as if it had not been.

    Raises:
        Interrupted: the user asked to stop; the checkpoint is written first.
        R2SError: too many copies crashed (`R2S-TRAIN-002`), or the numbers diverged (`R2S-TRAIN-003`).
    """
    begun = perf_counter()
    seconds = {"physics": 0.0, "update": 0.0, "evaluate": 0.0}
    collector, judge = (
        make_collector(config.copies),
        Judge(environment, make_collector, config, context),
    )
    update = make_update(
        config.ppo, environment.network, environment.observation_width, config.observation_clip
    )
    learner, state, progressed, log = _begin(environment, collector, config, context)

    def keep() -> None:
        files = checkpoint.encode(learner, collector.arrays(state), progressed, log)
        context.checkpoint.save(progressed.iteration, files)

    while progressed.iteration < config.iterations and not progressed.done:
        iteration = progressed.iteration
        if context.cancelled():
            keep()
            raise Interrupted
        collect_key, update_key = jax.random.split(stream(context.seed, "iteration", iteration))
        seen, state, failures = collector.collect(
            learner.policy, state, collect_key, steps=config.horizon, explore=True
        )
        mark = perf_counter()
        learner, numbers = update(learner, seen, update_key)
        numbers = {name: float(value) for name, value in numbers.items()}
        seconds["update"] += perf_counter() - mark
        _refuse_nonsense(numbers, iteration)

        played = metrics.episodes(seen)
        progressed = replace(
            progressed,
            iteration=iteration + 1,
            env_steps=progressed.env_steps + config.horizon * config.copies,
            episodes=progressed.episodes + int(played["episodes"]),
            crashes=progressed.crashes + int(played["crashes"]),
        )
        _refuse_crashes(progressed, failures, config)
        evaluation = None
        if judge.wanted(progressed, played):
            mark = perf_counter()
            evaluation = judge(learner)
            seconds["evaluate"] += perf_counter() - mark
            done = evaluation["success_rate"] >= config.target_success
            progressed = replace(progressed, evaluation=evaluation, done=done)
        log += _line(environment, seen, progressed, played, numbers, failures, evaluation)
        _show(context, config, progressed, played, begun)
        if progressed.iteration % config.checkpoint_every == 0 or progressed.done:
            keep()

    clock = collector.clock
    seconds |= {
        "physics": clock.physics_s,
        "collect": clock.collect_s,
        "total": perf_counter() - begun,
    }
    return Trained(learner, progressed, log, seconds, clock.physics_steps)


class Judge:
    """Deterministic evaluation: the same episodes (goals, randomization, noise) every time."""

    def __init__(
        self, environment: Environment, make: MakeCollector, config: Config, context: StageContext
    ):
        self.environment, self.config = environment, config
        self.make, self.collector = make, None
        self.key = stream(context.seed, "evaluation")

    def wanted(self, progressed: Progressed, played: dict[str, Any]) -> bool:
        """Evaluate at the end, and regularly once training episodes promise success."""
        if progressed.iteration == self.config.iterations:
            return True
        if progressed.iteration % self.config.evaluate_every:
            return False
        return played.get("success_rate", 0.0) >= PROMISING * self.config.target_success

    def __call__(self, learner: Learner) -> dict[str, float]:
        if self.collector is None:
            self.collector = self.make(self.config.evaluation_episodes)
        start_key, play_key = jax.random.split(self.key)
        state = self.collector.initial(start_key, staggered=False)
        steps = self.environment.task.episode_steps + 1  # and the settling step
        seen, _, _ = self.collector.collect(
            learner.policy, state, play_key, steps=steps, explore=False
        )
        return metrics.first_episodes(seen)


def stream(seed: int, *names: str | int) -> jax.Array:
    """Return the JAX key of the stream called `names`."""
    return jax.random.PRNGKey(derive_seed(seed, "train", *names) & 0xFFFFFFFF)


def _begin(environment: Environment, collector: Collector, config: Config, context: StageContext):
    widths = (
        environment.observation_width, environment.critic_width, environment.action_width,
    )  # fmt: skip
    key = stream(context.seed, "weights")
    learner = initial_learner(key, config.ppo, environment.network, widths, config.initial_std)
    kept = context.checkpoint.latest()
    if kept is None:
        state = collector.initial(stream(context.seed, "start"), staggered=True)
        return learner, state, Progressed(), b""
    learner, arrays, progressed, log = checkpoint.decode(kept[1], learner)
    return learner, collector.restore(arrays), progressed, log


def _line(
    environment: Environment,
    seen: Trajectories,
    progressed: Progressed,
    played: dict[str, float],
    numbers: dict[str, float],
    failures: list[Failure],
    evaluation: dict[str, float] | None,
) -> bytes:
    terms = np.asarray(seen.terms).mean(axis=0) / environment.task.control_s
    return metrics.log_line(
        progressed.iteration,
        progressed.env_steps,
        played,
        numbers,
        dict(zip(environment.term_names, terms.tolist(), strict=True)),
        metrics.bucket_returns(seen, environment.plan.entries),
        failures,
        evaluation,
    )


def _show(
    context: StageContext,
    config: Config,
    progressed: Progressed,
    played: dict[str, float],
    begun: float,
) -> None:
    values = {k: played[k] for k in ("return_mean", "success_rate") if k in played}
    rate = config.horizon * config.copies / max(perf_counter() - begun, 1e-9)
    context.progress(
        "train",
        progressed.iteration,
        config.iterations,
        steps_per_s=rate * progressed.iteration,
        **values,
    )


def _refuse_nonsense(numbers: dict[str, float], iteration: int) -> None:
    bad = [name for name, value in numbers.items() if not np.isfinite(value)]
    if bad:
        raise R2SError(
            "R2S-TRAIN-003",
            f"training diverged: {', '.join(bad)} not finite at iteration {iteration}",
            where="update",
            why="weights that are not numbers cannot recover",
            remedy="r2s train --set ppo.learning_rate=3e-4",
        )


def _refuse_crashes(progressed: Progressed, failures: list[Failure], config: Config) -> None:
    crashes, all_ends = progressed.crashes, progressed.crashes + progressed.episodes
    if crashes <= CRASHES_FORGIVEN or crashes <= config.crash_budget * all_ends:
        return
    example = failures[-1] if failures else None
    raise R2SError(
        "R2S-TRAIN-002",
        f"the simulation failed in {crashes} of {all_ends} episodes",
        where=f"copy {example.copy}: {example.cause}, {example.sample}" if example else "collect",
        why="a policy trained around simulator failures learns the failures",
        remedy="narrow the randomization named above, or r2s build-scene with a smaller time step",
    )
