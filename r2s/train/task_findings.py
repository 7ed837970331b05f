"""What a task must not have, each as the error its author reads; and what is only worth a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.errors import R2SError
from r2s.sim.environment import Environment
from r2s.sim.protocol import Trajectories
from r2s.train.rollouts import LARGEST_REWARD, Ends, Term, blame

IDLE_SUCCESS = 0.9  # a robot that does nothing should not be this good


@dataclass(frozen=True)
class Search:
    """A short training that looked for a success.

    Attributes:
        success_rate: of the last evaluation; seconds: what it took; env_steps: control steps of all copies.
    """

    success_rate: float
    seconds: float
    env_steps: int


def not_finite(
    name: str, terms: tuple[Term, ...], seen: Trajectories, idle: Trajectories, plain: Environment
) -> list[R2SError]:
    bad = [term for term in terms if term.not_finite]
    if not bad:
        return []
    index = [plain.term_names.index(term.name) for term in bad]
    moved = np.logical_not(np.isfinite(np.asarray(seen.terms)[..., index]).all(axis=-1))
    source, rows = (seen, moved) if moved.any() else (idle, np.ones_like(idle.valid))
    copies = np.count_nonzero(moved.any(axis=0))
    cause = blame(source, rows, plain.plan.columns)
    where = f"{copies} of {moved.shape[1]} copies with random actions"
    if cause is not None:
        where += (
            f"; there {cause.column} is {cause.there:.3g} on average, {cause.overall:.3g} overall"
        )
    return [
        R2SError(
            "R2S-TASK-031",
            f"reward term {', '.join(term.name for term in bad)} of task {name} is not a finite number",
            where=where,
            why="one NaN in a reward makes every weight of the policy NaN",
            remedy="keep roots, logarithms and quotients off 0: jnp.sqrt(x + 1e-12), jnp.maximum(x, 1e-6)",
        )
    ]


def unbounded(name: str, terms: tuple[Term, ...]) -> list[R2SError]:
    large = [term for term in terms if term.largest > LARGEST_REWARD]
    return [
        R2SError(
            "R2S-TASK-032",
            f"reward term {term.name} of task {name} reaches {term.largest:.3g} per second",
            where=f"weight {term.weight:g}, values {term.low:.3g} to {term.high:.3g}",
            why=f"above {LARGEST_REWARD:g} it drowns all other terms and the critic cannot follow",
            remedy="bound it: jnp.tanh(x / scale), jnp.exp(-x**2), jnp.minimum(x, most); or a smaller weight",
        )
        for term in large
    ]


def ends_at_once(name: str, ends: Ends) -> list[R2SError]:
    if not ends.terminated or ends.at_once <= ends.whole / 2:
        return []
    return [
        R2SError(
            "R2S-TASK-034",
            f"task {name} ends {ends.at_once} of {ends.whole} episodes at their first step",
            where="`terminated` of its Judgement",
            why="nothing can be learnt from an episode of one step",
            remedy="let `terminated` say only that the episode cannot go on, and begin where it can",
        )
    ]


def unseen(name: str, seen: Trajectories, plain: Environment) -> list[R2SError]:
    """Return a finding for observations that are not finite, by signal."""
    bad = ~np.isfinite(np.asarray(seen.observation)).all(axis=(0, 1))
    names = [
        signal
        for signal in (*plain.info.observations, *plain.info.critic)
        for _ in range(plain.info.signal(signal).width)
    ]
    wrong = list(dict.fromkeys(np.asarray(names)[bad].tolist()))
    if not wrong:
        return []
    return [
        R2SError(
            "R2S-TASK-036",
            f"the policy would observe {', '.join(wrong)} that are not finite",
            where=f"task {name}",
            why="one NaN in an observation makes every action NaN",
            remedy="see what `commands` gives, and the memory it is made of",
        )
    ]


def not_deterministic(name: str, what: str) -> R2SError:
    return R2SError(
        "R2S-TASK-035",
        f"task {name} is not deterministic: {what}",
        where=f"task {name}",
        why="the same seed must give the same policy, and validation must repeat a trial",
        remedy="take all chance from `uniform` (see `draws`), and none from numpy, random or the clock",
    )


def never_succeeds(name: str, search: Search, ends: tuple[Ends, Ends]) -> R2SError:
    return R2SError(
        "R2S-TASK-033",
        f"no episode of task {name} was a success",
        where=f"{ends[0].whole} episodes of random actions, {ends[1].whole} of none, and after "
        f"{search.env_steps:,} control steps of training in {search.seconds:.0f} s: "
        f"{100 * search.success_rate:.1f} %",
        why="a policy is trained until its success reaches the target, and judged by it",
        remedy="make `success` easier, the episode longer, or the reward point the way; a hard task may "
        f"need r2s task check --seconds {5 * max(search.seconds, 60):.0f}",
    )


def worth_a_look(terms: tuple[Term, ...], random: Ends, idle: Ends) -> list[str]:
    zero = [term.name for term in terms if term.constant and term.low == 0]
    constant = [term.name for term in terms if term.constant and term.low != 0]
    never_ends = not random.terminated + idle.terminated
    said = []
    if zero:
        said.append(f"always 0 in every rollout: {', '.join(zero)}")
    if constant and never_ends:  # else it pays for staying alive
        said.append(f"constant in every rollout, so nothing to learn from: {', '.join(constant)}")
    if idle.whole and idle.successes > IDLE_SUCCESS * idle.whole:
        said.append(
            f"a robot that does nothing succeeds in {idle.successes} of {idle.whole} episodes"
        )
    if random.crashed + idle.crashed:
        said.append(f"the simulator failed in {random.crashed + idle.crashed} episodes")
    return said
