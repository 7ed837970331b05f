"""Names, lineage and gates: what a command builds from what the workspace holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2s.core.errors import GateFailed, R2SError, UsageError
from r2s.engine import advice, catalog, graph
from r2s.engine.graph import Settings
from r2s.engine.key import action
from r2s.engine.plan import Planner
from r2s.engine.step import Step, in_order
from r2s.store import Store

SETTINGS = Settings()


def put(
    store: Store, kind: str, ref: str = "", inputs: dict[str, str] | None = None, **config
) -> str:
    digest = store.put(kind, config, {"f": repr(config).encode()}, inputs=inputs or {}, stage={})
    if ref:
        store.set_ref(ref, digest, "test")
    return digest


@pytest.fixture
def lab(store: Store) -> dict[str, str]:
    """A workspace with a whole chain called `lab`, as manifests."""
    made: dict[str, str] = {}
    made["scan"] = put(store, "scan", "scan/lab", n=1)
    made["reconstruction"] = put(
        store, "reconstruction", "reconstruction/lab", {"scan": made["scan"]}, n=2
    )
    made["robot"] = put(store, "robot", "robot/so101", name="so101")
    made["scene"] = put(
        store,
        "scene",
        "scene/lab",
        {"reconstruction": made["reconstruction"], "robot": made["robot"]},
        robot={"name": "so101"},
        task={"name": "reach"},
    )
    made["policy"] = put(store, "policy", "policy/lab", {"scene": made["scene"]}, n=3)
    made["validation"] = put(
        store,
        "validation",
        "validation/lab",
        {"policy": made["policy"], "scene": made["scene"]},
        verdict="pass",
        reason="all scenarios passed",
    )
    return made


def test_a_scene_is_built_again_as_it_was_set(store: Store, lab):
    set_before = {"task": "reach", "goals": 60}
    scene = store.put("scene", {"n": 4}, {}, inputs={}, stage={"config": set_before})
    store.set_ref("scene/lab", scene, "test")
    kept = graph.scene_settings(store, "lab", SETTINGS).config(catalog.BUILD_SCENE)
    assert (kept.task, kept.goals) == ("reach", 60)
    given = Settings(configs={"build_scene": {"goals": 70}})
    changed = graph.scene_settings(store, "lab", given).config(catalog.BUILD_SCENE)
    assert (changed.task, changed.goals) == ("reach", 70)
    assert graph.scene_settings(store, "new", SETTINGS) is SETTINGS


def test_a_fresh_reconstruction_is_used_as_it_is(store: Store, lab):
    made = graph.reconstruction_for(store, lab["scan"], "lab", SETTINGS)
    assert made == lab["reconstruction"]


def test_one_made_here_is_made_again_as_it_was_when_its_stage_changes(store: Store, lab):
    config = catalog.RECONSTRUCT.config({"max_static_geoms": 64})
    done = action(
        catalog.RECONSTRUCT, config=config, inputs={"scan": lab["scan"]}, sources={}, seed=3
    )
    record = {"key": done.key, "components": done.components, "sources": {}}
    store.put_run(done.key, {**record, "output": lab["reconstruction"], "stage": "reconstruct"})
    made = graph.reconstruction_for(store, lab["scan"], "lab", SETTINGS)
    assert isinstance(made, Step)
    assert (made.config, made.seed, made.ref) == (config, 3, "reconstruction/lab")
    assert Planner(store).decide(made, made.inputs).record is not None


def test_one_made_with_settings_that_are_no_more_stays(store: Store, lab):
    components = {"stage": "reconstruct", "config": {"a_setting_of_old": 1}, "seed": 0}
    record = {"components": components, "output": lab["reconstruction"], "started": "2026"}
    store.put_run("0" * 64, {**record, "inputs": {}, "sources": {}})
    made = graph.reconstruction_for(store, lab["scan"], "lab", SETTINGS)
    assert made == lab["reconstruction"]


def test_a_reconstruction_of_another_scan_is_not(store: Store, lab):
    newer = put(store, "scan", "scan/lab", n=9)
    step = graph.reconstruction_for(store, newer, "lab", SETTINGS)
    assert isinstance(step, Step)
    assert step.inputs == {"scan": newer}


def test_a_setting_makes_a_new_reconstruction(store: Store, lab):
    settings = Settings(0, {"reconstruct": {"max_missed_2cm": 0.2}})
    assert isinstance(graph.reconstruction_for(store, lab["scan"], "lab", settings), Step)


def test_a_scene_stands_for_its_scan(store: Store, lab):
    variant = put(store, "scene", "scene/variant", {"reconstruction": lab["reconstruction"]}, n=1)
    assert variant
    assert graph.scan_of(store, "variant") == lab["scan"]
    assert graph.scan_of(store, "nothing") is None


def test_the_robot_is_a_file_a_ref_the_scenes_own_or_the_only_one(
    store: Store, lab, tmp_path: Path
):
    file = tmp_path / "arm.urdf"
    file.write_text("<robot/>")
    step = graph.robot_for(store, str(file), "lab", SETTINGS)
    assert isinstance(step, Step)
    assert step.ref_of({"name": "My Arm"}) == "robot/my-arm"
    assert graph.robot_for(store, "robot/so101", "lab", SETTINGS) == lab["robot"]
    absent = graph.robot_for(store, "/no where/so_1.urdf", "lab", SETTINGS)
    assert isinstance(absent, Step)  # whose run says that there is no such file
    with pytest.raises(R2SError, match="there is no robot/so10") as unknown:
        graph.robot_for(store, "robot/so10", "lab", SETTINGS)
    assert "it has robot/so101" in str(unknown.value)
    other = put(store, "robot", "robot/panda", name="panda")
    assert graph.robot_for(store, None, "lab", SETTINGS) == lab["robot"]
    with pytest.raises(UsageError, match="no robot was named") as caught:
        graph.robot_for(store, None, "new", SETTINGS)
    assert "robot/panda, robot/so101" in str(caught.value)
    store.delete_ref("robot/so101")
    assert graph.robot_for(store, None, "new", SETTINGS) == other


def refusal(store: Store, robot: str, task: str, *, replace: bool = False) -> None:
    settings = Settings(0, {"build_scene": {"task": task}})
    step = graph.build_scene("sha256:0", robot, "lab", settings, replace=replace)
    assert step.check is not None
    step.check(store, {"robot": robot})


def test_the_same_robot_and_task_may_replace_a_scene(store: Store, lab):
    refusal(store, lab["robot"], "reach")
    refusal(store, lab["robot"], "auto")


def test_another_robot_or_task_is_refused_and_both_ways_out_are_named(store: Store, lab):
    panda = put(store, "robot", "robot/panda", name="panda")
    with pytest.raises(UsageError) as caught:
        refusal(store, panda, "reach")
    assert "--name lab-panda" in caught.value.remedy
    assert "--replace" in caught.value.remedy
    with pytest.raises(UsageError, match="velocity"):
        refusal(store, lab["robot"], "velocity")
    refusal(store, panda, "velocity", replace=True)


def test_a_validation_of_this_policy_is_used_and_of_another_is_not(store: Store, lab):
    made = graph.validation_for(store, lab["policy"], lab["scene"], "lab", SETTINGS)
    assert made == lab["validation"]
    newer = put(store, "policy", "policy/lab", {"scene": lab["scene"]}, n=4)
    step = graph.validation_for(store, newer, lab["scene"], "lab", SETTINGS)
    assert isinstance(step, Step)
    assert step.inputs == {"policy": newer, "scene": lab["scene"]}


@pytest.mark.parametrize("verdict", ["marginal", "fail"])
def test_export_refuses_what_did_not_pass(store: Store, lab, verdict: str):
    judged = put(
        store, "validation", "", {"policy": lab["policy"]}, verdict=verdict, reason="too few"
    )
    step = graph.export(lab["policy"], judged, lab["scene"], "lab", SETTINGS)
    assert step.check is not None
    with pytest.raises(GateFailed) as caught:
        step.check(store, {"validation": judged})
    assert caught.value.exit_code == 4
    assert "--allow-failed-gate" in caught.value.remedy
    step.check(store, {"validation": lab["validation"]})
    allowed = Settings(0, {"export": {"allow_failed_gate": True}})
    override = graph.export(lab["policy"], judged, lab["scene"], "lab", allowed)
    assert override.check is not None
    override.check(store, {"validation": judged})


def test_a_bundle_is_called_after_its_target(store: Store, lab):
    step = graph.export(lab["policy"], lab["validation"], lab["scene"], "lab", SETTINGS)
    assert step.ref_of({"target": "jetson-orin"}) == "bundle/lab-jetson-orin"


def test_a_missing_ref_lists_those_of_its_kind(store: Store, lab):
    with pytest.raises(R2SError) as caught:
        graph.found(store, "policy/other", remedy="r2s train other")
    assert "policy/lab" in str(caught.value)
    assert caught.value.remedy == "r2s train other"


def test_inputs_come_before_their_users_and_once_each():
    shared = Step(catalog.SCAN, None)  # type: ignore[arg-type]
    left = Step(catalog.ROBOT, None, inputs={"scan": shared})  # type: ignore[arg-type]
    right = Step(catalog.RECONSTRUCT, None, inputs={"scan": shared})  # type: ignore[arg-type]
    top = Step(catalog.BUILD_SCENE, None, inputs={"a": left, "b": right, "c": "sha256:x"})  # type: ignore[arg-type]
    assert in_order(top) == [shared, left, right, top]


def states(store: Store) -> dict[str, str]:
    return {row.kind: row.state for row in advice.standing(store, "lab")}


def test_standing_and_advice_follow_the_chain(store: Store, lab):
    assert advice.next_command(store, None).startswith("r2s scan")
    assert set(states(store).values()) == {"made"}
    assert advice.next_command(store, "lab").startswith("r2s export")
    put(store, "bundle", "bundle/lab-cpu", {"policy": lab["policy"]}, n=1)
    assert advice.next_command(store, "lab").startswith("r2s unpack bundle/lab-cpu")


def test_a_newer_scan_makes_all_that_follows_stale(store: Store, lab):
    scan = put(store, "scan", "scan/lab", n=7)
    assert states(store).pop("scan") == "made"
    assert set(states(store).values()) == {"made", "stale"}
    assert "scan/lab has changed" in advice.stale(store, "lab", "policy")
    assert advice.next_command(store, "lab") == "r2s build-scene"
    made = put(store, "reconstruction", "reconstruction/lab", {"scan": scan}, n=8)
    put(store, "scene", "scene/lab", {"reconstruction": made}, n=8)
    assert states(store)["scene"] == "made" and advice.stale(store, "lab", "scene") == ""
    assert states(store)["policy"] == states(store)["validation"] == "stale"
    assert advice.next_command(store, "lab") == "r2s train"


def test_a_failed_gate_is_what_to_look_at_next(store: Store, lab):
    inputs = {"policy": lab["policy"], "scene": lab["scene"]}
    put(store, "validation", "validation/lab", inputs, verdict="fail", reason="no")
    assert advice.next_command(store, "lab") == "r2s show validation/lab"


@pytest.mark.parametrize("kind", ["scan", "robot", "scene", "policy"])
def test_what_another_version_made_is_told_and_how_to_make_it_again(store: Store, kind: str):
    digest = put(store, kind, f"{kind}/old", something="of then")
    with pytest.raises(R2SError, match="another version") as told:
        catalog.decoded(store.get(digest))
    assert told.value.code == "R2S-ENGINE-003"
    assert told.value.remedy.startswith(("r2s scan", "r2s robot", "r2s build-scene", "r2s train"))
