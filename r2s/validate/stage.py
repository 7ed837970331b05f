"""`validate`: run the exported policy over its scenarios and say pass, marginal or fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from pydantic import Field

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.policy import Policy
from r2s.artifacts.scene import Scene
from r2s.artifacts.validation import ScenarioResult, Validation, ValidationInfo, Verdict
from r2s.core.canonical import canonical_json
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.core.seeds import derive_seed
from r2s.validate.scenarios import Scenario, scenarios
from r2s.validate.statistics import clopper_pearson, judge, overall

STAGE_VERSION = 4
DETERMINISM = "bitwise"
NO_EFFECT = ("threads",)
TOOLS = ("mujoco", "onnxruntime", "jax", "numpy", "scipy")
# For the other scenarios once the nominal one has failed: enough to see where it hurts.
FEW_TRIALS = 10
REASONS = 4  # scenarios that a verdict's reason names, the worst first


class Config(Frozen):
    """How carefully a policy is judged."""

    trials: int = Field(50, ge=20, description="Trials of the nominal scenario to begin with.")
    other_trials: int = Field(
        25, ge=15, description="Trials of every other scenario to begin with."
    )
    max_trials: int = Field(
        500, ge=20, description="Trials at most, for scenarios that are not decided yet."
    )
    longest_step_s: float = Field(
        0.0005, gt=0, le=0.0005, description="Longest physics step in seconds."
    )
    equality_trials: int = Field(
        20, ge=2, description="Trials repeated by the robot's own runtime and compared bit for bit."
    )
    threads: int = Field(0, ge=0, description="Physics threads; 0 means all. Changes no result.")


@dataclass
class _Tally:
    """What is known of one scenario so far."""

    scenario: Scenario
    rows: list[dict] = field(default_factory=list)

    @property
    def successes(self) -> int:
        return sum(row["success"] for row in self.rows)

    @property
    def bounds(self) -> tuple[float, float]:
        return clopper_pearson(self.successes, len(self.rows))

    @property
    def verdict(self) -> Verdict:
        return judge(*self.bounds, self.scenario.threshold)


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Validation:
    """Judge `policy` (its very ONNX bytes) in `scene`.

    Raises:
        R2SError: R2S-VALIDATE-001 when policy and scene do not belong together.
    """
    import onnxruntime

    policy, scene = inputs["policy"], inputs["scene"]
    assert isinstance(policy, Policy) and isinstance(scene, Scene)
    _check_belong_together(policy, scene)
    begun = perf_counter()
    bench = _bench(policy, scene, config, context)
    seed = derive_seed(context.seed, "validate")
    planned = scenarios(policy.info.randomization, scene.info.signals)
    tallies = [_Tally(scenario) for scenario in planned]
    equal = 0
    for done, tally in enumerate(tallies):
        context.progress("validate " + tally.scenario.name, done, len(tallies))
        lost = tallies[0].rows and tallies[0].verdict == "fail"
        count = config.other_trials if done else config.trials
        count = min(count, FEW_TRIALS) if lost else count
        equal += _extend(bench, tally, count, seed, _share(config, done, len(tallies)))
    _decide(bench, tallies, config, seed, context)
    seconds = perf_counter() - begun
    steps = sum(len(t.rows) for t in tallies) * bench.where.substeps * _ticks(bench)
    context.facts.update(validate_seconds=seconds, physics_steps_per_s=steps / seconds)
    return _validation(tallies, bench.model.opt.timestep, onnxruntime.__version__, equal)


def _bench(policy: Policy, scene: Scene, config: Config, context: StageContext):
    import jax

    from r2s.edge.contract import parse_contract
    from r2s.edge.policy import OnnxPolicy
    from r2s.policy.contract import deployment_contract
    from r2s.sim.model import layout
    from r2s.tasks.task import bind
    from r2s.validate.judge import make_judge
    from r2s.validate.physics import careful_model
    from r2s.validate.rollout import Bench

    model = careful_model(scene, config.longest_step_s)
    where = layout(model, scene)
    task = bind(scene)
    return Bench(
        model=model,
        scene=scene,
        where=where,
        task=task,
        judge=make_judge(task, where),
        commands=jax.jit(jax.vmap(task.commands)),
        contract=parse_contract(deployment_contract(policy.info)),
        policy=OnnxPolicy(policy.onnx),
        threads=config.threads,
        stop=context.stop_if_cancelled,
    )


def _extend(bench, tally: _Tally, count: int, seed: int, equality: int) -> int:
    """Run `count` more trials of a scenario; return how many of the first `equality` were equal."""
    from r2s.validate.equality import check_equality
    from r2s.validate.rollout import run_trials
    from r2s.validate.trial import begin

    numbers = tuple(range(len(tally.rows), len(tally.rows) + count))
    trials = begin(bench.model, bench.scene, bench.where, bench.task, tally.scenario, numbers, seed)
    outcomes = run_trials(bench, trials, seed)
    for index, (number, outcome) in enumerate(zip(numbers, outcomes, strict=True)):
        drawn = {name: values[index].tolist() for name, values in trials.draws.items()}
        tally.rows.append(
            {
                "scenario": tally.scenario.name,
                "trial": number,
                "success": outcome.success,
                "error": outcome.error if np.isfinite(outcome.error) else None,
                "cause": outcome.cause,
                "guards": outcome.guards,
                "draws": drawn,
            }
        )
    return check_equality(bench, trials, outcomes[:equality], seed) if equality else 0


def _decide(bench, tallies: list[_Tally], config: Config, seed: int, context: StageContext) -> None:
    """Give undecided scenarios more trials, while that can still change the overall verdict."""
    for tally in tallies:
        while tally.verdict == "marginal" and len(tally.rows) < config.max_trials:
            if any(t.verdict == "fail" for t in tallies):
                return
            context.progress(
                "validate " + tally.scenario.name + " again", len(tally.rows), config.max_trials
            )
            more = min(config.other_trials, config.max_trials - len(tally.rows))
            _extend(bench, tally, more, seed, 0)
        if tally.verdict == "marginal":
            return


def _share(config: Config, index: int, count: int) -> int:
    """Spread the equality trials over the first and the last scenario (nominal and all together)."""
    if count == 1:
        return config.equality_trials
    half = config.equality_trials // 2
    return {0: config.equality_trials - half, count - 1: half}.get(index, 0)


def _ticks(bench) -> int:
    from r2s.validate.rollout import SETTLE_PERIODS

    return bench.task.episode_steps + SETTLE_PERIODS


def _validation(
    tallies: list[_Tally], timestep_s: float, onnxruntime: str, equal: int
) -> Validation:
    results = tuple(_result(tally) for tally in tallies)
    verdict = overall(result.verdict for result in results)
    rows = [row for tally in tallies for row in tally.rows]
    info = ValidationInfo(
        verdict=verdict,
        reason=_reason(verdict, results),
        scenarios=results,
        timestep_s=timestep_s,
        engine="mujoco, float64, elliptic cones",
        onnxruntime=onnxruntime,
        edge_trials_equal=equal,
    )
    return Validation(info, b"".join(canonical_json(row) + b"\n" for row in rows))


def _result(tally: _Tally) -> ScenarioResult:
    lower, upper = tally.bounds
    errors = [row["error"] for row in tally.rows if row["error"] is not None]
    return ScenarioResult(
        name=tally.scenario.name,
        pinned=tally.scenario.pinned,
        trials=len(tally.rows),
        successes=tally.successes,
        lower=lower,
        upper=upper,
        threshold=tally.scenario.threshold,
        verdict=tally.verdict,
        mean_error=float(np.mean(errors)) if errors else 0.0,
    )


def _reason(verdict: Verdict, results: tuple[ScenarioResult, ...]) -> str:
    if verdict == "pass":
        worst = min(results, key=lambda r: r.lower - r.threshold)
        return (
            f"every lower bound reaches its threshold; closest is {worst.name}: "
            f"{worst.lower:.3f} for {worst.threshold:.2f}"
        )
    named = sorted(
        (r for r in results if r.verdict == verdict), key=lambda r: r.upper - r.threshold
    )
    parts = [
        f"{r.name} {r.successes}/{r.trials} (bounds {r.lower:.3f}..{r.upper:.3f}, needs {r.threshold:.2f})"
        for r in named[:REASONS]
    ]
    if len(named) > REASONS:
        parts.append(f"and {len(named) - REASONS} more of {len(results)} scenarios")
    word = "surely below the threshold" if verdict == "fail" else "not decided"
    return f"{word}: " + ", ".join(parts)


def _check_belong_together(policy: Policy, scene: Scene) -> None:
    from r2s.tasks.task import merged

    names = ("actions", "chain", "control_s")
    wrong = [name for name in names if getattr(policy.info, name) != getattr(scene.info, name)]
    wrong += ["task"] if merged(policy.info.task) != merged(scene.info.task) else []
    wrong += ["robot"] if policy.info.robot != scene.info.robot.name else []
    if wrong:
        raise R2SError(
            "R2S-VALIDATE-001",
            f"policy and scene differ in {', '.join(wrong)}",
            where=f"policy of {policy.info.robot}, scene of {scene.info.robot.name}",
            why="success in another scene says nothing of this one",
            remedy="train on this scene: r2s train",
        )
