"""A user's own task through the whole chain: its text is the key, its code stays with whoever trusts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_tasks import FILE, TEXT
from toy_stages import scan_of

from r2s.artifacts.robot import Robot
from r2s.cli.app import run
from r2s.engine import graph
from r2s.engine.graph import Settings
from r2s.engine.key import action
from r2s.engine.recipe import load
from r2s.engine.why import changes
from r2s.store import Store

ROBOT = Path(__file__).parent.parent.parent / "samples" / "arm6" / "arm6.urdf"
TINY = (
    "--goals", "300", "--place", "-0.3,0.0", "--parameters", "episode_s=0.48",
    "--objects", "fixed", "--no-randomize",
)  # fmt: skip
TRAIN = ("--copies", "8", "--iterations", "2", "--horizon", "8", "--actor", "16", "--critic", "16")
JUDGE = ("--trials", "20", "--other-trials", "15", "--max-trials", "20", "--equality-trials", "2")


@pytest.fixture
def r2s(tmp_path, monkeypatch, capsys):
    """Return f(*words) -> (exit code, JSON document), in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("R2S_WORKSPACE", raising=False)

    def call(*words: str | Path) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run(["--json", *map(str, words)])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def place(tmp_path, tabletop, arm: Robot) -> Path:
    """A workspace with a reconstruction and a robot, and a task beside it."""
    store = Store.create(tmp_path / ".r2s")
    config, files = scan_of(np.arange(3.0)).encode()
    scan = store.put("scan", config, files, inputs={}, stage={})
    config, files = tabletop.encode()
    twin = store.put("reconstruction", config, files, inputs={"scan": scan}, stage={})
    config, files = arm.encode()
    robot = store.put("robot", config, files, inputs={}, stage={})
    for ref, digest in (("scan/lab", scan), ("reconstruction/lab", twin), ("robot/arm6", robot)):
        store.set_ref(ref, digest, "test")
    store.set_current("lab")
    (tmp_path / "my_task.py").write_text(TEXT)
    return tmp_path


def test_the_whole_chain_with_a_task_of_ones_own(r2s, place: Path):
    build = ("build-scene", "--robot", "robot/arm6", *TINY)
    code, made = r2s(*build, "--task", "my_task.py:Wipe")
    assert code == 0, made
    scene = made["artifact"]["id"]

    # The text is the key: neither where the file lies nor what it is called.
    (place / "my_task.py").rename(place / "other.py")
    code, again = r2s(*build, "--task", "other.py:Wipe")
    assert (again["cached"], again["artifact"]["id"]) == (True, scene)
    code, same = r2s("build-scene")  # keeps the text it has
    assert (code, same["cached"]) == (0, True)

    (place / "other.py").write_text("import my_task\n" + TEXT)
    code, refused = r2s(*build, "--task", "other.py:Wipe")  # __future__ comes first in a file
    assert (code, refused["error"]["code"]) == (2, "R2S-TASK-021")
    code, missing = r2s(*build, "--task", "gone.py:Wipe")
    assert (code, missing["error"]["code"]) == (2, "R2S-TASK-020")

    code, policy = r2s("train", *TRAIN)
    assert code == 0, policy
    code, verdict = r2s("validate", *JUDGE)
    assert code == 0, verdict
    code, bundle = r2s(
        "export", "--target", "cpu-x86_64", "--allow-failed-gate", "-o", "bundle",
        *(word.replace("--", "--validate-") for word in JUDGE),
    )  # fmt: skip
    assert code == 0, bundle
    manifest = json.loads((place / "bundle" / "manifest.json").read_text())
    assert manifest["name"] == "arm6-Wipe-cpu-x86_64"
    assert manifest["contract"]["task"]["code"].startswith("sha256:")

    # Elsewhere its code is a stranger's.
    assert r2s("pack", "policy/lab", "-o", "lab.tar")[0] == 0
    there = ("-w", str(place / "there"))
    code, _ = r2s(*there, "unpack", "lab.tar")
    assert code == 0
    store = Store.open(place / "there" / ".r2s")
    policy_ref = next(ref for ref in store.refs() if ref.startswith("imported/"))
    arrived = store.get(store.resolve(policy_ref))
    store.set_ref("policy/lab", arrived.digest, "test")
    store.set_ref("scene/lab", arrived.inputs["scene"], "test")
    twin = store.get(arrived.inputs["scene"]).inputs["reconstruction"]
    store.set_ref("reconstruction/lab", twin, "test")
    store.set_ref("scan/lab", store.get(twin).inputs["scan"], "test")
    store.set_current("lab")
    film = ("render", "policy/lab", "-o", "film.gif", "--width", "64", "--episodes", "1")
    for command in (("train", *TRAIN), ("validate", *JUDGE), film, ("task", "check"), ("bench",)):
        code, refused = r2s(*there, *command)
        assert (code, refused["error"]["code"]) == (7, "R2S-TASK-029"), command
        assert "--trust" in refused["error"]["remedy"]
    code, _ = r2s(*there, "render", "scene/lab", "-o", "scene.png", "--width", "64")
    assert code == 0  # looking runs nothing
    code, filmed = r2s(*there, "--trust", *film)
    assert code == 0 and filmed["frames"] > 1, filmed
    assert r2s(*there, *film)[0] == 7  # trust is for one command
    code, refused = r2s(*there, "build-scene", "--scan", "lab")
    assert code == 7, refused  # the settings of a scene bring its code along too


def test_the_key_of_a_scene_changes_with_the_text_and_not_with_its_place(tmp_path):
    def components(folder: str, text: str) -> dict[str, Any]:
        path = tmp_path / folder / f"{folder}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        settings = Settings(configs={"build_scene": {"task": f"{path}:Wipe"}})
        step = graph.build_scene("sha256:a", "sha256:b", "lab", settings)
        made = action(step.stage, config=step.config, inputs={}, sources={}, seed=0)
        assert str(tmp_path) not in json.dumps(made.components)
        return made.components

    here, there = components("here", TEXT), components("there", TEXT)
    other = components("there", TEXT + "\n# thought of something\n")
    assert here == there != other
    (why,) = changes(here, other)
    assert why.startswith("config task.text") and " lines (" in why and len(why) < 120


def test_a_recipes_task_lies_beside_the_recipe(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    folder.mkdir()
    recipe = folder / "lab.yaml"
    recipe.write_text(
        "name: lab\ncapture: a.pcd\nrobot: b.urdf\nstages: {build-scene: {task: my_task.py:Wipe}}\n"
    )
    assert load(recipe).stages["build-scene"]["task"] == f"{folder}/my_task.py:Wipe"
    monkeypatch.chdir(tmp_path)
    set_here = load(recipe, ["build-scene.task=mine.py:Wipe"])
    assert set_here.stages["build-scene"]["task"] == f"{tmp_path}/mine.py:Wipe"
    assert (
        load(recipe, [f"build-scene.task={FILE}:Wipe"]).stages["build-scene"]["task"]
        == f"{FILE}:Wipe"
    )
