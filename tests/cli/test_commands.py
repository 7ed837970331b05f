"""Each command on a small workspace: what it says is what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2s.core.errors import IntegrityError


@pytest.fixture
def lab(r2s, numbers: Path):
    """A workspace with two versions of scan/lab."""
    r2s("scan", numbers, "--name", "lab")
    r2s("scan", numbers, "--name", "lab", "--scale", "2")
    return r2s


def test_nothing_here_yet_is_welcome_not_an_error(r2s):
    said = r2s()
    assert said.code == 0
    assert "r2s scan" in said.out


def test_a_workspace_is_found_upwards(lab, here: Path, monkeypatch):
    (here / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(here / "deep" / "er")
    assert lab("status", "--json").json["current"] == "lab"


def test_notes_are_shown_apart_from_warnings(r2s, numbers, here: Path):
    numbers.write_text("1")
    said = r2s("scan", numbers)
    assert "note: 1 numbers" in said.err and "warning: short" in said.err
    assert "notes\n  1 numbers" in r2s("show", "scan").out
    assert "note:" not in r2s("scan", numbers, "--quiet").err


def test_the_scans_name_comes_from_its_file_and_becomes_current(r2s, numbers, here: Path):
    path = here / "My Lab (2).txt"
    path.write_text("1")
    assert r2s("scan", path, "--json").json["artifact"]["ref"] == "scan/my-lab-2"
    assert r2s("status", "--json").json["current"] == "my-lab-2"


def test_status_names_the_next_command(lab):
    said = lab("status", "--json").json
    assert said["next"].startswith("r2s build-scene --robot")
    assert said["stages"][0]["state"] == "made"


def test_the_next_command_works_on_what_this_one_worked_on(lab, numbers: Path, here: Path):
    lab("scan", numbers, "--name", "t")  # a letter of every command, and not said by it
    lab("scan", numbers, "--name", "other")
    assert "next: r2s --name t build-scene" in lab("status", "--name", "t").err
    assert "next: r2s --name lab build-scene" in lab("status", "--name", "lab").err
    assert (
        lab("status", "-w", here / ".r2s", "--json")
        .json["next"]
        .startswith(f"r2s -w {here / '.r2s'} build-scene")
    )


def test_a_plan_goes_as_far_as_is_known(lab):
    assert [each["stage"] for each in lab("plan", "--json").json["stages"]] == ["reconstruct"]


def test_status_refuses_what_cannot_be_a_name(lab):
    said = lab("--name", "../../x", "status")
    assert (said.code, said.out) == (2, "")
    assert "cannot be a name" in said.err


def test_log_lists_runs_newest_first_and_a_names_history(lab):
    runs = lab("log", "--json").json["runs"]
    assert [run["components"]["config"]["scale"] for run in runs] == [2.0, 1.0]
    history = lab("log", "scan", "--json").json["history"]
    assert [entry["number"] for entry in history] == [2, 1]


def test_why_tells_what_made_the_last_run_necessary(lab):
    assert "config scale 1.0 -> 2.0" in lab("why", "scan").out


def test_diff_shows_the_setting_that_differs(lab):
    said = lab("diff", "scan@1", "scan@2", "--json").json
    assert said["differences"]["settings"] == {"config.scale": [1.0, 2.0]}
    assert lab("diff", "scan@2", "scan@2").out == "they are equal\n"


def test_lineage_ends_at_the_bytes_of_the_capture(lab, numbers: Path):
    (node,) = lab("lineage", "scan", "--json").json["lineage"]
    (digest,) = node["sources"]["capture"].values()
    assert digest.startswith("sha256:")
    assert node["tools"].keys() == {"numpy"}
    assert numbers.name in lab("lineage", "scan").out


def test_tag_and_untag(lab):
    lab("tag", "scan/best", "scan@1")
    assert "scan/best" in lab("status", "--json").json["refs"]
    lab("tag", "scan/best", "--delete")
    assert "scan/best" not in lab("status", "--json").json["refs"]
    assert lab("tag", "scan/best").code == 2


def test_a_tag_cannot_say_another_kind(lab):
    said = lab("tag", "scene/lab", "scan/lab")
    assert said.code == 2
    assert "scene/lab would name a scan as if it were a scene" in said.err
    assert "r2s tag scan/lab scan/lab" in said.err
    assert "scene/lab" not in lab("status", "--json").json["refs"]


def test_gc_only_shows_a_plan_until_it_is_told(lab, here: Path):
    options = ("--keep-days", "0", "--keep-history-days", "0", "--keep-runs", "0")
    before = sorted((here / ".r2s" / "blobs").rglob("*"))
    shown = lab("gc", *options, "--json").json
    assert [each["kind"] for each in shown["items"]] == ["scan"]
    assert shown["collected"] is None
    assert sorted((here / ".r2s" / "blobs").rglob("*")) == before
    assert lab("gc", *options, "--yes", "--json").json["collected"]
    assert lab("show", "scan@1").code != 0
    assert lab("gc", "--undo").code == 0
    assert lab("show", "scan@1").code == 0


def test_fsck_finds_and_repairs(lab, here: Path):
    assert lab("fsck").code == 0
    blob = max((here / ".r2s/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"\x00\x01")
    said = lab("fsck", "--json")
    assert said.code == IntegrityError.exit_code
    assert blob.name in said.json["findings"][0]["path"]
    assert lab("fsck", "--repair").code == 0
    assert lab("fsck").code == 0


def test_repair_recalls_the_current_name(lab, here: Path, numbers: Path):
    lab("scan", numbers, "--name", "newer", "--scale", "3")
    (here / ".r2s" / "current").write_bytes(b"damage")
    assert lab("fsck").code == IntegrityError.exit_code
    assert "made newer current" in lab("fsck", "--repair").out
    assert lab("status", "--json").json["current"] == "newer"


def test_pack_and_unpack_carry_an_artifact_to_another_workspace(lab, here: Path):
    there = here / "there"
    assert lab("pack", "scan", "-o", here / "lab.r2s").code == 0
    imported = lab("unpack", here / "lab.r2s", "-w", there, "--json").json["imported"]
    assert imported[0]["id"] == lab("show", "scan", "--json").json["artifact"]["id"]
    assert lab("show", imported[0]["ref"], "-w", there).code == 0


def test_push_and_pull_through_an_oci_layout(lab, here: Path):
    assert lab("push", here / "layout", "scan").code == 0
    assert (here / "layout" / "oci-layout").exists()
    assert lab("pull", here / "layout", "-w", here / "there", "--json").json["imported"]


def test_unpack_writes_an_artifacts_files_into_an_empty_folder_only(lab, here: Path):
    assert lab("unpack", "scan", "-o", here / "files").code == 0
    assert (here / "files" / "points.safetensors").exists()
    assert lab("unpack", "scan", "-o", here / "files").code == 2


def test_later_stages_name_the_command_that_is_missing(lab):
    assert "hint: r2s build-scene --name lab" in lab("train").err
    assert "hint: r2s train" in lab("validate").err


def test_commands_that_only_look_change_nothing(lab, here: Path):
    def tree():
        files = (path for path in (here / ".r2s").rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if "locks" not in path.parts}

    before = tree()
    for argv in (("status",), ("log",), ("show", "scan"), ("lineage", "scan"), ("diff", "scan@1", "scan@2"),
                 ("why", "scan"), ("gc",), ("fsck",)):  # fmt: skip
        assert lab(*argv).code == 0
    assert tree() == before
