"""Is a task sound, before hours are spent on it? Random and idle robots first, then a short training.

Everything runs on the scene as training sees it: the same collector, the full randomization, starts
anywhere. Findings are errors that a task must not have; warnings are worth a look.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.scene import Scene
from r2s.core.context import Progress, StageContext, silent
from r2s.core.errors import Interrupted, R2SError
from r2s.core.seeds import generator
from r2s.policy.networks import PolicyState, initial_params
from r2s.policy.normalizer import empty
from r2s.sim.cpu import CpuCollector
from r2s.sim.environment import Environment
from r2s.sim.protocol import Trajectories
from r2s.tasks.task import bind
from r2s.train.config import Config, resolved
from r2s.train.loop import stream, train
from r2s.train.rollouts import Ends, Term, ends_of, joined, terms_of
from r2s.train.stage import environment_of
from r2s.train.task_findings import (
    Search,
    ends_at_once,
    never_succeeds,
    not_deterministic,
    not_finite,
    unbounded,
    unseen,
    worth_a_look,
)

ROLLOUT_COPIES = 256
CHUNK = 25  # control steps between two signs of life
SEEDS = 3
EXPLORING_STD = 1.0  # of action's 1: targets go to their limits and back
SEEN = 0.02  # share of evaluated episodes that must succeed: one may be luck
EVALUATE_EVERY = 10


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        findings: why the task is not sound, the worst first; none for a sound one.
        random, idle: ends of episodes of random actions, from anywhere, and of no action at all.
        search: None where rollouts had a success already.
    """

    task: str
    copies: int
    control_steps: int
    observation: int
    critic: int
    terms: tuple[Term, ...]
    random: Ends
    idle: Ends
    search: Search | None
    findings: tuple[R2SError, ...]
    warnings: tuple[str, ...]


def check_task(
    scene: Scene,
    *,
    copies: int = 0,
    seconds: float = 60.0,
    seed: int = 0,
    progress: Progress = silent,
) -> Report:
    """Return what is wrong with the scene's task, and its terms in numbers.

    Args:
        copies: of the scene; 0: enough for rollouts, and for a training what it always takes.
        seconds: budget of the training that looks for a success, where rollouts show none.

    Raises:
        R2SError: the task cannot even be bound (see `r2s.tasks.task.bind`).
    """
    environment = environment_of(scene, Config())
    name, weights = scene.info.task.name, bind(scene).spec.weights
    plain = _every_term(environment)
    collector = CpuCollector(plain, copies or ROLLOUT_COPIES)
    whole = plain.task.episode_steps + 1  # and the settling step
    play = _Play(collector, seed, progress, 3 * whole)
    idle = seen = play("look", 1, explore=False)
    blind = unseen(name, seen, plain)
    if not blind:  # else the first action is NaN already
        idle = play("idle", whole, explore=False)
        seen = play("random", 2 * whole, explore=True)
    terms = terms_of(joined([idle, seen]), weights, plain.task.control_s)
    ends = ends_of(seen), ends_of(idle)
    findings = [
        *(blind or unseen(name, seen, plain)),
        *not_finite(name, terms, seen, idle, plain),
        *unbounded(name, terms),
        *ends_at_once(name, ends[0]),
        *_not_repeated(name, play, scene),
    ]
    search = None
    if not findings and not ends[0].successes + ends[1].successes:
        search = search_success(
            environment, copies=copies, seconds=seconds, seed=seed, progress=progress
        )
        if search.success_rate < SEEN:
            findings.append(never_succeeds(name, search, ends))
    return Report(
        task=name,
        copies=collector.copies,
        control_steps=play.done * collector.copies,
        observation=plain.observation_width,
        critic=plain.critic_width,
        terms=terms,
        random=ends[0],
        idle=ends[1],
        search=search,
        findings=tuple(findings),
        warnings=tuple(worth_a_look(terms, *ends)),
    )


def search_success(
    environment: Environment,
    *,
    copies: int,
    seconds: float,
    seed: int,
    progress: Progress = silent,
) -> Search:
    """Train until some evaluated episodes succeed, or the time is up; evaluated once at least."""
    kind = environment.info.task.kind
    config = Config(
        engine="cpu", copies=copies, iterations=10**6, checkpoint_every=10**6, evaluate_every=EVALUATE_EVERY,
        target_success=SEEN, target_times=1, patience=10**6,
        imitated_iterations=0,  # what is asked is whether the rewards lead there
    )  # fmt: skip
    config = resolved(config, "cpu", kind)
    begun, rate, iterations = 0.0, 0.0, 0

    def show(label: str, done: float, total: float | None = None, **values: float) -> None:
        nonlocal begun, rate, iterations
        begun = begun or time.monotonic()  # compiling, before the first iteration, is not training
        rate, iterations = values.get("success_rate", 0.0), int(done)
        progress("train for a success", min(time.monotonic() - begun, seconds), seconds, **values)

    def time_is_up() -> bool:
        return iterations > EVALUATE_EVERY and time.monotonic() - begun > seconds

    context = StageContext(Path(), seed=seed, progress=show, cancelled=time_is_up)
    with suppress(Interrupted):  # the time was up
        train(environment, lambda n: CpuCollector(environment, n), config, context)
    return Search(rate, time.monotonic() - begun, iterations * config.copies * config.horizon)


class _Play:
    """Rollouts of a policy whose mean action is 0, with signs of life."""

    def __init__(self, collector: CpuCollector, seed: int, progress: Progress, total: int):
        self.collector, self.seed, self.progress = collector, seed, progress
        self.policy = _still(collector.environment)
        self.total, self.done = total, 0

    def __call__(self, name: str, steps: int, *, explore: bool) -> Trajectories:
        state = self.begin(name, staggered=explore)
        parts = []
        for start in range(0, steps, CHUNK):
            self.progress("roll out", self.done, self.total)
            count = min(CHUNK, steps - start)
            key = stream(self.seed, "check", name, start)
            part, state, _ = self.collector.collect(
                self.policy, state, key, steps=count, explore=explore
            )
            parts.append(part)
            self.done += count
        self.progress("roll out", self.done, self.total)
        return joined(parts)

    def begin(self, name: str, *, staggered: bool, seed: int = 0) -> Any:
        return self.collector.initial(stream(self.seed + seed, "check", name), staggered=staggered)


def _every_term(environment: Environment) -> Environment:
    """Return the environment telling each copy's terms, all weights 1: a weight of 0 hides nothing."""
    task: Any = environment.task
    ones = task.spec.model_copy(update={"weights": dict.fromkeys(task.spec.weights, 1.0)})
    return replace(environment, task=replace(task, spec=ones), every_term=True)


def _still(environment: Environment) -> PolicyState:
    """Return a policy whose mean action is 0."""
    widths = environment.observation_width, environment.critic_width, environment.action_width
    params = initial_params(generator(0, "check"), environment.network, *widths, std=EXPLORING_STD)
    still = {
        name: value if name == "actor/log_std" else jnp.zeros_like(value)
        for name, value in params.items()
    }
    return PolicyState(still, empty(environment.critic_width))


def _not_repeated(name: str, play: _Play, scene: Scene) -> list[R2SError]:
    """Return a finding where the same seed does not give the same: bound, observed, rewarded."""
    width = play.collector.environment.critic_width
    for seed in range(SEEDS):
        play.progress("repeat", seed, SEEDS)
        state, key = play.begin("repeat", staggered=True, seed=seed), stream(seed, "check", "again")
        once, twice = (
            play.collector.collect(play.policy, state, key, steps=2, explore=True)[0]
            for _ in range(2)
        )
        parts = ("observation", "terms", "success", "terminated")
        if not all(_equal(getattr(once, part), getattr(twice, part)) for part in parts):
            return [not_deterministic(name, "its methods give other numbers for the same ones")]
        if once.observation.shape[-1] != width:
            given = f"{once.observation.shape[-1]} numbers for seed {seed}, not {width}"
            return [not_deterministic(name, f"it observes {given}")]
    play.progress("repeat", SEEDS, SEEDS)
    one, other = bind(scene), bind(scene)
    names = [field.name for field in fields(one)]  # type: ignore[arg-type]
    changed = [each for each in names if not _equal(getattr(one, each), getattr(other, each))]
    if not changed:
        return []
    return [not_deterministic(name, f"`bind` makes another {', '.join(changed)} each time")]


def _equal(one: Any, other: Any) -> bool:
    """Whether two trees of arrays, numbers and names are equal; functions are not compared."""
    a, b = jax.tree.leaves(_plain(one)), jax.tree.leaves(_plain(other))
    return len(a) == len(b) and all(
        callable(x)
        or (np.array_equal(x, y, equal_nan=_is_float(x)) if np.ndim(x) else x == y or x != x)
        for x, y in zip(a, b, strict=True)
    )


def _plain(value: Any) -> Any:
    """Return the tree with dataclasses, such as what moves an arm in a first guess, as dicts."""
    return jax.tree.map(lambda x: _plain(vars(x)) if is_dataclass(x) else x, value)


def _is_float(array: Any) -> bool:
    return np.issubdtype(np.asarray(array).dtype, np.floating)
