"""`r2s why`: what changed since the last run of a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome
from r2s.cli.session import Session
from r2s.core.errors import UsageError


def why(
    session: Session,
    stage: Annotated[str, typer.Argument(help="Stage: scan, reconstruct, robot, build-scene, ...")],
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe; without one, the last two runs are compared.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="Override of the recipe.")] = None,
) -> Outcome:
    """Name in words what makes a stage run again, or what made its last run necessary."""
    from r2s.engine.catalog import STAGES

    name = stage.replace("-", "_")
    if name not in STAGES:
        known = ", ".join(each.command for each in STAGES.values())
        raise UsageError(
            "R2S-CLI-004",
            f"there is no stage {stage!r}",
            why=f"stages: {known}",
            remedy="r2s why scan",
        )
    if recipe is not None:
        return _by_plan(session, name, recipe, set)
    return _by_history(session, name)


def _by_plan(session: Session, name: str, recipe: Path, overrides: list[str] | None) -> Outcome:
    from r2s.cli.run import loaded_recipe
    from r2s.engine import recipe as recipes
    from r2s.engine.plan import Planner

    target = recipes.steps(loaded_recipe(session, recipe, overrides))
    decisions = Planner(session.store()).plan(target)
    decision = next((each for each in decisions if each.step.stage.name == name), None)
    if decision is None:
        raise UsageError(
            "R2S-CLI-005",
            f"the recipe has no stage {name}",
            where=str(recipe),
            remedy="r2s plan RECIPE",
        )
    extra = {"stage": name, "cached": decision.hit, "because": list(decision.because)}
    return Outcome(str(decision), extra=extra)


def _by_history(session: Session, name: str) -> Outcome:
    from r2s.engine.names import short

    record = next((run for run in session.store().newest_runs() if run.get("stage") == name), None)
    if record is None:
        return Outcome(f"{name} never ran", extra={"stage": name, "because": ["it never ran"]})
    because = record["because"]
    text = "\n".join(
        [
            f"{name} last ran on {record['started']} and made {short(record['output'])} because",
            *(f"  {reason}" for reason in because),
        ]
    )
    return Outcome(text, extra={"stage": name, "because": because, "id": record["output"]})
