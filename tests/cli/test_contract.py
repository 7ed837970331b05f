"""What every command keeps: one JSON document, errors with a remedy, the exit codes, quiet streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from r2s.cli import app
from r2s.core import errors

ROOT = Path(__file__).parent.parent.parent
KEYS = {"schema", "command", "ok", "artifact", "cached", "seconds", "metrics"}


@pytest.mark.parametrize("command", app.COMMANDS)
def test_every_command_has_help_and_the_shared_options(r2s, command: str):
    said = r2s(command, "--help")
    assert said.code == 0
    for flag in ("--workspace", "--name", "--seed", "--json", "--quiet"):
        assert flag in said.out


@pytest.mark.parametrize("command", ["train", "build-scene", "export"])
def test_help_shows_every_flag_in_full(r2s, command: str, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = r2s(command, "--help").out
    assert "…" not in said
    assert {
        "train": "--ppo-learning-rate ",
        "build-scene": "--reconstruct-max-object-mass-kg ",
    }.get(command, "--validate-max-trials ") in said
    assert "Settings of" in said and "Shared options" in said


def test_a_stage_answers_with_the_contract(r2s, numbers):
    said = r2s("scan", numbers, "--name", "lab", "--json")
    assert said.code == 0
    assert set(said.json) >= KEYS
    assert said.json["schema"] == "r2s.cli/1"
    assert (said.json["command"], said.json["ok"], said.json["cached"]) == ("scan", True, False)
    artifact = said.json["artifact"]
    assert (artifact["kind"], artifact["ref"]) == ("scan", "scan/lab")
    assert artifact["id"].startswith("sha256:")
    assert said.json["notes"] == ["3 numbers"] and said.json["warnings"] == []
    assert set(said.json["metrics"]) >= {
        "points", "unit", "unit_evidence", "up_axis", "up_evidence", "noise_sigma_m", "bounds_m", "dropped",
    }  # fmt: skip
    again = r2s("scan", numbers, "--name", "lab", "--json").json
    assert again["cached"] is True
    assert (again["artifact"], again["metrics"]) == (artifact, said.json["metrics"])


@pytest.mark.parametrize(
    "argv",
    [
        ("status",),
        ("log",),
        ("gc",),
        ("fsck",),
        ("show", "scan"),
        ("lineage", "scan"),
        ("why", "scan"),
    ],
)
def test_every_other_command_answers_with_the_contract(r2s, numbers, argv):
    r2s("scan", numbers, "--name", "lab")
    said = r2s(*argv, "--json")
    assert said.code == 0, said.err
    assert set(said.json) >= KEYS
    assert said.json["command"] == argv[0]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("sacn",), 2, "Did you mean 'scan'"),
        (("scan",), 2, "CAPTURE"),
        (("scan", "absent.pcd"), 1, "absent.pcd"),
        (("train",), 1, "not an r2s workspace"),
        (("show", "scan/none"), 1, "not an r2s workspace"),
        (("run", "absent.yaml"), 2, "cannot be read"),
        (("why", "scna"), 2, "stages:"),
        (("status", "--sed", "1"), 2, "--seed"),
    ],
)
def test_errors_say_what_to_do_in_both_forms(r2s, toy_scan, argv, code: int, words: str):
    said = r2s(*argv)
    assert (said.code, said.out) == (code, "")
    assert "error[R2S-" in said.err
    assert "hint: " in said.err
    assert words in said.err
    assert "Traceback" not in said.err
    document = r2s(*argv, "--json").json
    assert set(document) == {"schema", "command", "ok", "error"}
    assert document["ok"] is False
    assert set(document["error"]) == {"code", "what", "where", "why", "remedy"}


@pytest.mark.parametrize(
    "kind",
    [
        errors.R2SError, errors.UsageError, errors.GateFailed, errors.IntegrityError,
        errors.LockTimeout, errors.UnsafeInput, errors.NotReproducible, errors.ResourceError,
    ],
)  # fmt: skip
def test_every_error_class_ends_with_its_exit_code(r2s, numbers, monkeypatch, kind):
    def fail(inputs, config, context):
        raise kind("R2S-TOY-009", "it failed", where="here", why="because", remedy="do this")

    monkeypatch.setattr("toy_source.run", fail)
    said = r2s("scan", numbers)
    assert said.code == kind.exit_code
    assert said.err.rstrip().endswith("hint: do this")


def test_a_defect_is_a_short_message_and_a_log_file(r2s, numbers, monkeypatch):
    def fail(inputs, config, context):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("toy_source.run", fail)
    said = r2s("scan", numbers, "--json")
    assert said.code == 3
    assert "Traceback" not in said.err
    log = Path(said.json["error"]["where"])
    try:
        assert "ZeroDivisionError: division by zero" in log.read_text()
        assert "command: r2s scan" in log.read_text()
    finally:
        log.unlink()


def test_an_interrupt_says_how_to_go_on(r2s, numbers, monkeypatch):
    def stop(inputs, config, context):
        raise KeyboardInterrupt

    monkeypatch.setattr("toy_source.run", stop)
    said = r2s("scan", numbers)
    assert said.code == 130
    assert f"hint: r2s scan {numbers}" in said.err


def test_results_go_to_stdout_and_everything_else_to_stderr(r2s, numbers):
    said = r2s("scan", numbers, "--name", "lab")
    assert said.out.startswith("scan/lab  ")
    assert "runs because" in said.err
    assert "next: " in said.err
    quiet = r2s("scan", numbers, "--name", "lab", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_shared_options_work_before_the_command_too(r2s, numbers, here: Path):
    said = r2s("--workspace", here / "other", "--json", "--name", "early", "scan", numbers)
    assert said.json["artifact"]["ref"] == "scan/early"
    assert (here / "other" / ".r2s").is_dir()


def test_config_fields_are_flags_with_their_words_and_defaults(r2s, toy_scan):
    said = r2s("scan", "--help")
    assert "--scale" in said.out
    assert "every number is multiplied by this" in " ".join(said.out.replace("│", " ").split())
    assert "(default: 1.0)" in " ".join(said.out.replace("│", " ").split())


def test_a_flag_reaches_the_stage_and_its_key(r2s, numbers):
    plain = r2s("scan", numbers, "--json").json["artifact"]["id"]
    scaled = r2s("scan", numbers, "--scale", "2.5", "--json").json
    assert scaled["artifact"]["id"] != plain
    assert scaled["metrics"]["points"] == 3
    shown = r2s("show", "scan", "--json").json
    assert shown["stage"]["config"]["scale"] == 2.5


@pytest.mark.parametrize(
    ("flag", "value"), [("--scale", "-1"), ("--scale", "wide"), ("--drop", "1.5")]
)
def test_a_bad_value_is_refused_with_its_field(r2s, numbers, flag: str, value: str):
    said = r2s("scan", numbers, flag, value)
    assert said.code == 2
    assert flag[2:] in said.err
    assert value.strip("-") in said.err


def test_hostile_file_names_cannot_draw_on_the_terminal(r2s, here: Path, toy_scan):
    path = here / "a\x1b[2Jb.txt"
    path.write_text("1 2")
    r2s("scan", path, "--name", "lab")
    for argv in (("lineage", "scan"), ("why", "scan"), ("log",), ("show", "scan")):
        said = r2s(*argv)
        assert said.code == 0
        assert "\x1b[2J" not in said.out + said.err


def in_a_process(*argv: str, cwd: Path, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "r2s", *argv],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_reader_that_went_away_is_no_error(here: Path):
    read, write = os.pipe()
    os.close(read)
    child = in_a_process("status", cwd=here, stdout=write)
    os.close(write)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"Error" not in said
    assert b"Traceback" not in said


def test_the_module_is_the_command(here: Path):
    child = in_a_process("--version", cwd=here, stdout=subprocess.PIPE)
    out, _ = child.communicate(timeout=60)
    assert out.startswith(b"r2s ")


def test_what_the_machine_refuses_is_no_defect_of_r2s(tmp_path):
    command = [sys.executable, "-m", "r2s"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            child = subprocess.run(
                [*command, "--version"],
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment,
                text=True,
            )
        assert child.returncode == 1 and "R2S-CLI-011" in child.stderr
    gone = f"mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} -m r2s status"
    child = subprocess.run(
        ["sh", "-c", gone], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert child.returncode == 1 and "R2S-CLI-010" in child.stderr
