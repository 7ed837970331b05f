"""Iterations: collect, update, log, evaluate, keep; stop at the target or at the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from r2s.core.context import StageContext
from r2s.core.errors import Interrupted, R2SError
from r2s.core.seeds import derive_seed, generator
from r2s.sim.environment import Environment
from r2s.sim.protocol import Collector, Failure, PhysicsClock, Trajectories
from r2s.train import checkpoint, metrics
from r2s.train.checkpoint import Progressed
from r2s.train.ppo import Learner, initial_learner, make_update, shuffled

if TYPE_CHECKING:
    from r2s.train.stage import Config

MakeCollector = Callable[[int], Collector]
CRASHES_FORGIVEN = 10  # below this many, a share of crashed episodes says little


NEAR = 0.03  # success this much below the target is near it


@dataclass(frozen=True)
class Trained:
    """Attributes:
    learner: the last weights.
    progressed: counters, with the evaluation of those weights.
    log: JSON lines, one per iteration.
    seconds: where this process's time went: `physics`, `collect`
        (with physics), `update`, `evaluate` (of it `evaluation_physics`), `total`.
    env_steps, physics_steps: of this process, evaluations apart.
    """

    learner: Learner
    progressed: Progressed
    log: bytes
    seconds: dict[str, float]
    env_steps: int
    physics_steps: int


def train(
    environment: Environment, make_collector: MakeCollector, config: Config, context: StageContext
) -> Trained:
    """Train until the evaluated success reaches the target, or stays just below, or the budget is spent.

    Everything random derives from `context.seed` and the iteration's number, so a training that was
    interrupted goes on as if it had not been.

    Raises:
        Interrupted: the user asked to stop; the checkpoint is written first.
        R2SError: too many copies crashed (`R2S-TRAIN-002`), or the numbers diverged (`R2S-TRAIN-003`).
    """
    begun = perf_counter()
    seconds = {"physics": 0.0, "update": 0.0, "evaluate": 0.0}
    collector = make_collector(config.copies)
    judge = Judge(environment, make_collector, collector, config, context.seed)
    guess = environment.first_guess()
    update = make_update(
        config.ppo,
        environment.network,
        environment.observation_width,
        config.observation_clip,
        config.initial_std,
        guess,
    )
    imitated = min(config.imitated_iterations, config.iterations // 2) if guess else 0
    learner, state, progressed, log = _begin(environment, collector, config, context)

    def keep() -> None:
        files = checkpoint.encode(learner, collector.arrays(state), progressed, log)
        context.checkpoint.save(progressed.iteration, files)

    while progressed.iteration < config.iterations and not _done(progressed, config):
        iteration = progressed.iteration
        if context.cancelled():
            keep()
            raise Interrupted
        key = stream(context.seed, "collect", iteration)
        seen, state, failures = collector.collect(
            learner.policy, state, key, steps=config.horizon, explore=True
        )
        mark = perf_counter()
        random = generator(context.seed, "train", "update", iteration)
        order = shuffled(random, config.ppo, config.horizon * config.copies)
        learner, numbers = update(learner, seen, order, iteration < imitated)
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
        if judge.wanted(progressed):
            mark = perf_counter()
            evaluation = judge(learner)
            seconds["evaluate"] += perf_counter() - mark
            progressed = progressed.judged(evaluation, config.target_success)
        log += _line(environment, seen, progressed, played, numbers, failures, evaluation)
        _show(context, config, progressed, played, begun)
        if progressed.iteration % config.checkpoint_every == 0 or _done(progressed, config):
            keep()

    seconds |= {"evaluation_physics": judge.clock.physics_s, "total": perf_counter() - begun}
    seconds |= {
        "physics": collector.clock.physics_s - judge.shared.physics_s,
        "collect": collector.clock.collect_s - judge.shared.collect_s,
    }
    physics_steps = collector.clock.physics_steps - judge.shared.physics_steps
    substeps = environment.where.substeps
    return Trained(learner, progressed, log, seconds, physics_steps // substeps, physics_steps)


def _done(progressed: Progressed, config: Config) -> bool:
    """Whether the target was reached often enough, or is near and success stays where it is."""
    evaluation = progressed.evaluation
    if evaluation is None or config.target_success > 1:
        return False
    near = evaluation["success_rate"] >= config.target_success - NEAR
    return progressed.reached >= config.target_times or (
        near and progressed.stuck >= config.patience
    )


class Judge:
    """Deterministic evaluation: the same episodes (goals, randomization, noise) every time."""

    def __init__(
        self,
        environment: Environment,
        make: MakeCollector,
        trainer: Collector,
        config: Config,
        seed: int,
    ):
        self.environment, self.config, self.seed = environment, config, seed
        self.make, self.trainer = make, trainer
        self.collector: Collector | None = None
        self.clock = PhysicsClock()  # of evaluations
        self.shared = PhysicsClock()  # the part of it that the trainer's own clock also counted

    def wanted(self, progressed: Progressed) -> bool:
        """Evaluate regularly and at the end.

        Success while training says nothing: exploration noise alone breaks a success that asks for
        stillness (measured: 2 % against 95 %).
        """
        last = progressed.iteration == self.config.iterations
        return last or progressed.iteration % self.config.evaluate_every == 0

    def __call__(self, learner: Learner) -> dict[str, float]:
        if self.collector is None:
            # Collectors keep no memory, so the trainer's serves where it has the right size: another
            # would compile its programs again.
            same = self.config.evaluation_episodes == self.config.copies
            self.collector = self.trainer if same else self.make(self.config.evaluation_episodes)
        before = replace(self.collector.clock)
        state = self.collector.initial(stream(self.seed, "evaluation", "start"), staggered=False)
        seen, _, _ = self.collector.collect(
            learner.policy,
            state,
            stream(self.seed, "evaluation", "play"),
            steps=self.environment.task.episode_steps + 1,  # and the settling step
            explore=False,
        )
        self.clock.add(before, self.collector.clock)
        if self.collector is self.trainer:
            self.shared.add(before, self.collector.clock)
        return metrics.first_episodes(seen)


def stream(seed: int, *names: str | int) -> np.ndarray:
    """Return the key (2,) uint32 of the stream called `names`, as JAX's and numpy's generators take it."""
    return np.array([derive_seed(seed, "train", *names)], np.uint64).view(np.uint32)


def _begin(environment: Environment, collector: Collector, config: Config, context: StageContext):
    widths = (
        environment.observation_width, environment.critic_width, environment.action_width,
    )  # fmt: skip
    random = generator(context.seed, "train", "weights")
    learner = initial_learner(random, config.ppo, environment.network, widths, config.initial_std)
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
    values = {"return_mean": played["return_mean"]} if "return_mean" in played else {}
    if progressed.evaluation:  # what counts: exploration noise alone breaks most successes
        values["success_rate"] = progressed.evaluation["success_rate"]
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
