"""`r2s run`: a whole recipe, re-doing only what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from r2s.cli.output import Outcome, write_json
from r2s.cli.session import Session
from r2s.core.errors import UsageError


def run(
    session: Session,
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe, for example pipelines/kinect-reach.yaml.")
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override: capture=my.pcd, train.iterations=50; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and why.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a scene of another robot or task.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print a recipe's JSON Schema.")] = False,
) -> Outcome:
    """Run the chain of a recipe from its capture to its bundle, re-doing only what changed.

    A run that is interrupted or killed goes on with the same command.
    """
    from r2s.engine import recipe as recipes

    if schema:
        write_json(recipes.schema())
        raise typer.Exit
    loaded = loaded_recipe(session, recipe, set)
    target = recipes.steps(loaded, replace=replace)
    if dry_run:
        from r2s.cli.plan import planned

        return planned(session.store_to_plan(), target)
    store = session.store(create=True)
    store.set_current(loaded.name)  # first, so that `status` helps after an interruption too
    results = session.execute(store, target)
    stages = [
        {
            "stage": result.step.stage.command,
            "id": result.digest,
            "ref": result.ref,
            "cached": result.cached,
            "seconds": round(result.seconds, 3),
            "metrics": dict(result.metrics),
            "notes": list(result.notes),
            "warnings": list(result.warnings),
        }
        for result in results
    ]
    return Outcome.made(results, extra={"stages": stages})


def loaded_recipe(session: Session, path: Path | None, overrides: list[str] | None):
    """Return the recipe of a command line, with `--set`, `--name` and `--seed` applied."""
    from r2s.engine import recipe as recipes

    if path is None:
        raise UsageError(
            "R2S-RECIPE-006",
            "no recipe was named",
            remedy="r2s run pipelines/kinect-reach.yaml --set capture=my.pcd --set robot=my.urdf",
        )
    named = [f"name={session.name}"] if session.name else []
    seeded = [f"seed={session.seed}"] if session.seed else []
    return recipes.load(path, [*(overrides or []), *named, *seeded])
