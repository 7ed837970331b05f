"""A profile overrides what the description leaves open, and nothing it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2s.artifacts.robot import Robot
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.engine.key import source_digests
from r2s.engine.stage import StageSpec
from r2s.robot import stage
from r2s.scene.signals import absolute_actions, relative_actions

ARM6 = Path(__file__).parents[2] / "samples/arm6/arm6.urdf"
WHOLE = """
kind: other
home: {"*_pitch": 0.5, elbow_pitch: 0.25}
gains: {"*": {kp: 33}, wrist_roll: {kp: 7, kd: 1, effort: 9, velocity: 2, armature: 0.01}}
end_effector: {frame: wrist_2, position_m: [0, 0, 0.1]}
feet: [base]
action_scale: 0.5
"""


def run(folder: Path, text: str, **config) -> Robot:
    path = folder / "profile.yaml"
    path.write_text(text)
    values = {"samples": 100, "profile": str(path), **config}
    config_ = stage.Config.model_validate(values)
    return stage.run({}, config_, StageContext(scratch=folder, sources={"robot": ARM6}))


def test_everything_a_profile_says_is_taken(tmp_path):
    info = run(tmp_path, WHOLE).info
    joints = {joint.name: joint for joint in info.joints}
    assert info.kind == "other" and "the profile says other" in info.evidence[0]
    assert joints["shoulder_pitch"].home == 0.5 and joints["elbow_pitch"].home == 0.25
    assert joints["base_yaw"].kp == 33
    wrist = joints["wrist_roll"]
    assert (wrist.kp, wrist.kd, wrist.effort, wrist.velocity) == (7, 1, 9, 2)
    assert info.chain is not None and info.chain.joints[-1] == "wrist_pitch"
    assert info.chain.links[-1].position == pytest.approx((0, 0, 0.1))
    assert info.feet == ("base",) and info.action_scale == 0.5


def test_the_sample_profile_fits_its_robot(tmp_path):
    text = (ARM6.parent / "profile.yaml").read_text()
    info = run(tmp_path, text).info
    assert info.kind == "arm" and info.action_scale == 0.8 and info.chain is not None


def test_the_action_scale_halves_what_a_policy_moves(tmp_path):
    joints = run(tmp_path, "{}").info.joints[:3]
    for whole, half in (
        (absolute_actions(joints), absolute_actions(joints, 0.5)),
        (relative_actions(joints, 0.02), relative_actions(joints, 0.02, 0.5)),
    ):
        assert half.scale == pytest.approx([value / 2 for value in whole.scale], abs=1e-6)


def test_the_profile_is_part_of_the_action(tmp_path):
    path = tmp_path / "profile.yaml"
    config = stage.Config.model_validate({"profile": str(path)})
    spec = StageSpec("robot", "r2s.robot.stage", "robot", {}, ("robot",))
    found = []
    for text in ("{}", "{action_scale: 0.5}"):
        path.write_text(text)
        found.append(source_digests(spec, "robot", ARM6, config))
    assert found[0] != found[1] and len(found[0]) == len(found[1])


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("[1]", "R2S-ROBOT-030", "mapping"),
        ("kind: horse", "R2S-ROBOT-030", "kind"),
        ("gain: {}", "R2S-ROBOT-030", "gain"),
        (
            "home: {elbow_pitch: 0.1, elbow_pitch: 0.2}",
            "R2S-ROBOT-030",
            "'elbow_pitch' is given twice",
        ),
        ("home: {elbow_pitch: '0.1'}", "R2S-ROBOT-030", "home.elbow_pitch"),
        ("action_scale: yes", "R2S-ROBOT-030", "action_scale"),
        ("home: {1: 0.1}", "R2S-ROBOT-030", "key 1 is no text"),
        ("kind: 2001-01-01", "R2S-ROBOT-030", "date"),
        ("motors: {base_yaw: {stall_effort: 3}}", "R2S-ROBOT-030", "no_load_velocity"),
        ("a: {", "R2S-ROBOT-030", "not YAML"),
        ("gains: {base_yaw: {kp: -1}}", "R2S-ROBOT-030", "gains.base_yaw.kp"),
        ("home: {'elbow*': 9}", "R2S-ROBOT-031", "elbow_pitch"),
        ("home: {nose: 0}", "R2S-ROBOT-031", "'nose'"),
        ("feet: [toe]", "R2S-ROBOT-031", "'toe'"),
        ("end_effector: {frame: nowhere}", "R2S-ROBOT-031", "'nowhere'"),
        ("end_effector: {frame: base}", "R2S-ROBOT-031", "does not move"),
    ],
)
def test_each_wrong_profile_has_its_error(tmp_path, text, code, part):
    with pytest.raises(R2SError) as caught:
        run(tmp_path, text)
    assert caught.value.code == code and caught.value.remedy
    assert caught.value.where == str(tmp_path / "profile.yaml")
    assert part in f"{caught.value.what} {caught.value.why} {caught.value.remedy}"


def test_strict_refuses_the_first_repair_and_passes_what_needs_none(tmp_path):
    assert run(tmp_path, "{}", strict=True).info.repairs == ()
    straight = 'lower="-2.4" upper="2.4"'
    text = ARM6.read_text()
    assert straight in text
    text = text.replace(straight, 'lower="2.4" upper="-2.4"')
    path = tmp_path / "bent.urdf"
    path.write_text(text)
    config = stage.Config.model_validate({"samples": 100, "strict": True})
    with pytest.raises(R2SError) as caught:
        stage.run({}, config, StageContext(scratch=tmp_path, sources={"robot": path}))
    assert caught.value.code == "R2S-ROBOT-032" and "elbow_pitch" in caught.value.what
