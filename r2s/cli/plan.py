"""`r2s plan`: what a command would do, and why, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r2s.cli.output import Outcome, columns
from r2s.cli.session import Session

if TYPE_CHECKING:
    from r2s.engine.step import Step
    from r2s.store import Store


def plan(
    session: Session,
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe; without one, the current name's own chain.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="Override of the recipe.")] = None,
) -> Outcome:
    """Say for every stage whether its result is reused (HIT) or made (RUN because ...)."""
    from r2s.cli.run import loaded_recipe
    from r2s.engine import graph
    from r2s.engine import recipe as recipes

    if recipe is not None:
        target = recipes.steps(loaded_recipe(session, recipe, set))
        return planned(session.store_to_plan(), target)
    store = session.store()
    return planned(store, graph.rest_of_chain(store, session.current(store), session.settings()))


def planned(store: Store, target: Step) -> Outcome:
    """Return the planner's decisions as an outcome."""
    from r2s.engine.names import short
    from r2s.engine.plan import Planner

    decisions = list(Planner(store).plan(target))
    rows = [
        (
            "HIT" if each.record else "RUN",
            each.step.stage.command,
            short(each.record["output"]) if each.record else "because " + "; ".join(each.because),
        )
        for each in decisions
    ]
    stages = [
        {
            "stage": each.step.stage.command,
            "cached": each.hit,
            "id": each.record["output"] if each.record else None,
            "key": each.action.key if each.action else None,
            "because": list(each.because),
        }
        for each in decisions
    ]
    return Outcome(columns(rows), extra={"stages": stages})
