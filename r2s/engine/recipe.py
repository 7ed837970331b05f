"""A recipe: the whole chain from a capture and a robot to a bundle, as data in one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from r2s.artifacts.base import Frozen
from r2s.core.errors import UsageError
from r2s.engine import catalog, graph
from r2s.engine.graph import Settings
from r2s.engine.names import checked_name
from r2s.engine.stage import validated

if TYPE_CHECKING:
    from r2s.engine.step import Step

MAX_RECIPE_BYTES = 1 << 20


class Recipe(Frozen):
    """What `r2s run` does. Paths are relative to the recipe's own folder."""

    name: str = Field(
        description="Name of everything it makes: scan/NAME, scene/NAME, policy/NAME, ..."
    )
    capture: str = Field(description="Point cloud or mesh of the place.")
    robot: str = Field(description="URDF or MJCF of the robot.")
    target: str | None = Field(
        None, description="Export target; without one the chain ends at validate."
    )
    seed: int = Field(0, description="Seed of everything random.")
    stages: dict[str, dict[str, Any]] = Field(
        {},
        description="Settings by stage (scan, reconstruct, robot, build-scene, train, validate, export).",
    )

    def settings(self) -> Settings:
        """Return its settings as the engine takes them.

        Raises:
            UsageError: a stage or a field is unknown, or a value is not accepted.
        """
        configs: dict[str, dict[str, Any]] = {}
        for command, values in self.stages.items():
            name = command.replace("-", "_")
            if name not in catalog.STAGES:
                raise _unknown_stage(command)
            configs[name] = dict(values)
        if self.target is not None:
            configs.setdefault("export", {}).setdefault("target", self.target)
        return Settings(self.seed, configs)


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides (`capture=my.pcd`, `train.iterations=50`).

    A path in an override is relative to the current folder, as everything typed on a command line.

    Raises:
        UsageError: it is no YAML, or says something no recipe says.
    """
    tree = _read(path)
    for key in ("capture", "robot"):
        if isinstance(tree.get(key), str):
            tree[key] = str(path.absolute().parent / Path(tree[key]).expanduser())
    _place_task(tree, path.absolute().parent)
    for override in overrides:
        _apply(tree, override)
    _place_task(tree, Path.cwd())
    recipe = validated(Recipe, tree, where=str(path))
    assert isinstance(recipe, Recipe)
    checked_name(recipe.name)
    return recipe


def steps(recipe: Recipe, *, replace: bool = False) -> Step:
    """Return the last step of the recipe's chain; it holds all others as inputs.

    Args:
        replace: let `scene/NAME` change its robot or task.
    """
    settings, name = recipe.settings(), recipe.name
    scan = graph.scan(Path(recipe.capture), name, settings)
    reconstruction = graph.reconstruct(scan, name, settings)
    robot = graph.robot(Path(recipe.robot), settings)
    scene = graph.build_scene(reconstruction, robot, name, settings, replace=replace)
    policy = graph.train(scene, name, settings)
    validation = graph.validate(policy, scene, name, settings)
    if recipe.target is None:
        return validation
    return graph.export(policy, validation, scene, name, settings)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, with every stage's settings, for editors."""
    tree = Recipe.model_json_schema()
    tree["properties"]["stages"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            stage.command: stage.load().Config.model_json_schema()
            for stage in catalog.STAGES.values()
        },
    }
    return tree


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_bytes()[: MAX_RECIPE_BYTES + 1]
        tree = yaml.safe_load(text)
    except OSError as exc:
        raise UsageError(
            "R2S-RECIPE-001",
            f"the recipe cannot be read: {exc.strerror}",
            where=str(path),
            remedy=f"ls {path.parent}",
        ) from exc
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        reason = " ".join(str(exc).split())
        raise UsageError(
            "R2S-RECIPE-002",
            f"this is not YAML: {reason}",
            where=str(path),
            remedy="r2s run --schema",
        ) from exc
    if len(text) > MAX_RECIPE_BYTES or not isinstance(tree, dict):
        raise UsageError(
            "R2S-RECIPE-003",
            "this is not a recipe: it is no mapping of names to values",
            where=str(path),
            why="a recipe names at least a name, a capture and a robot",
            remedy="r2s run --schema",
        )
    return tree


def _place_task(tree: dict[str, Any], folder: Path) -> None:
    """Make the path of a user's own task, `build-scene: {task: my_task.py:MyTask}`, an absolute one."""
    from r2s.tasks.user import names_file

    stages = tree.get("stages")
    for stage, values in stages.items() if isinstance(stages, dict) else ():
        task = values.get("task") if isinstance(values, dict) else None
        building = str(stage).replace("-", "_") == catalog.BUILD_SCENE.name
        if building and isinstance(task, str) and names_file(task):
            values["task"] = str(folder / Path(task).expanduser())


def _apply(tree: dict[str, Any], override: str) -> None:
    import yaml

    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(
            "R2S-RECIPE-004",
            f"{override!r} is no key=value",
            where="--set",
            remedy="--set capture=kitchen.pcd --set train.iterations=50",
        )
    stage, dot, field = key.partition(".")
    if dot:
        stages = tree.setdefault("stages", {})
        spelled = next((s for s in stages if s.replace("-", "_") == stage.replace("-", "_")), stage)
        values = stages.get(spelled) or {}
        stages[spelled] = {**values, field: yaml.safe_load(text)}
    elif key in ("capture", "robot"):
        tree[key] = str(Path(text).expanduser().absolute())
    else:
        tree[key] = text if key in ("name", "target") else yaml.safe_load(text)


def _unknown_stage(command: str) -> UsageError:
    import difflib

    known = [stage.command for stage in catalog.STAGES.values()]
    near = difflib.get_close_matches(command, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        "R2S-RECIPE-005",
        f"there is no stage {command!r}",
        where="stages",
        why="a setting for a stage that never runs would be lost silently",
        remedy=f"{guess}stages: {', '.join(known)}",
    )
