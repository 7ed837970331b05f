"""Recipes: strict, helpful about misspellings, relative to their own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2s.core.errors import UsageError
from r2s.engine import recipe as recipes
from r2s.engine.step import in_order

TEXT = """
name: lab
capture: scans/room.ply
robot: ../robots/arm.urdf
target: cpu-x86_64
stages:
  scan: {unit: m}
  build-scene: {task: reach}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "pipelines" / "lab.yaml"
    file.parent.mkdir()
    file.write_text(TEXT)
    return file


def test_paths_are_relative_to_the_recipe(path: Path, monkeypatch, tmp_path: Path):
    monkeypatch.chdir("/")
    recipe = recipes.load(path)
    assert Path(recipe.capture) == path.parent / "scans/room.ply"
    assert Path(recipe.robot).resolve() == tmp_path / "robots/arm.urdf"


def test_an_override_is_relative_to_the_current_folder(path: Path, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    recipe = recipes.load(
        path, ["capture=my.pcd", "scan.unit=mm", "build_scene.task=velocity", "seed=4"]
    )
    assert recipe.capture == str(tmp_path / "my.pcd")
    assert recipe.stages["scan"] == {"unit": "mm"}
    assert recipe.stages["build-scene"] == {"task": "velocity"}
    assert recipe.seed == 4


def test_the_chain_has_every_stage_in_order(path: Path):
    pytest.importorskip("r2s.export.stage")
    names = [step.stage.name for step in in_order(recipes.steps(recipes.load(path)))]
    assert names == ["scan", "reconstruct", "robot", "build_scene", "train", "validate", "export"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nmae: x", "did you mean 'name'?"),
        ("seed: many", "seed"),
        ("stages: {trian: {}}", "did you mean 'train'?"),
        ("stages: {scan: {untis: m}}", "did you mean 'unit'?"),
        ("stages: {scan: {unit: furlong}}", "unit"),
        ("name: a/b", "--name a-b"),
        ("name: [", "not YAML"),
        ("- a list", "YAML"),
    ],
)
def test_what_is_wrong_is_named(path: Path, change: str, words: str):
    kept = [line for line in TEXT.splitlines() if not line.startswith(change.split(":")[0])]
    if change.startswith("stages"):
        kept = TEXT.splitlines()[:5]
    path.write_text("\n".join([*kept, change]))
    with pytest.raises(UsageError) as caught:
        recipes.load(path).settings().config(recipes.catalog.SCAN)
    assert words in str(caught.value)


def test_a_recipe_without_a_capture_says_so(path: Path):
    path.write_text("name: lab\nrobot: x.urdf\n")
    with pytest.raises(UsageError, match="capture"):
        recipes.load(path)


def test_an_absent_recipe_is_an_error_not_a_traceback(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        recipes.load(tmp_path / "absent.yaml")
    assert caught.value.code == "R2S-RECIPE-001"


def test_yaml_cannot_make_objects(path: Path, tmp_path: Path):
    path.write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/evil']\n")
    with pytest.raises(UsageError, match="YAML"):
        recipes.load(path)
    assert not (tmp_path / "evil").exists()


def test_the_shipped_recipes_load():
    shipped = sorted((Path(__file__).parent.parent.parent / "pipelines").glob("*.yaml"))
    assert len(shipped) >= 2
    for each in shipped:
        recipe = recipes.load(each)
        for name in recipe.settings().configs:
            recipe.settings().config(recipes.catalog.STAGES[name])
