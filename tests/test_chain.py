"""The README's main job, whole: a scan, a robot, one command, and a bundle that proves itself.

Nothing here is shortened: the policy is trained to its target and judged by the real gate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

RECIPE = ROOT / "pipelines" / "tabletop-reach.yaml"


def r2s(workspace: Path, *arguments: str, cwd: Path) -> dict:
    """Run the command line from another folder and return its one JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "r2s", "--workspace", str(workspace), "--json", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    return document


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace in which the main job has run once."""
    folder = tmp_path_factory.mktemp("main job")
    r2s(folder / ".r2s", "run", str(RECIPE), cwd=folder)
    return folder


@pytest.mark.slow
class TestMainJob:
    def test_the_policy_passes_its_gate(self, place: Path):
        metrics = r2s(place / ".r2s", "show", "validation/tabletop", cwd=place)["metrics"]
        assert metrics["verdict"] == "pass"
        assert metrics["success_lower"] >= 0.9

    def test_the_twin_keeps_the_free_space_free(self, place: Path):
        metrics = r2s(place / ".r2s", "show", "reconstruction/tabletop", cwd=place)["metrics"]
        assert metrics["blocked_5cm"] <= 0.01
        assert metrics["missed_2cm"] <= 0.05

    def test_a_second_run_does_nothing(self, place: Path):
        again = r2s(place / ".r2s", "run", str(RECIPE), cwd=place)
        assert again["cached"] is True

    def test_lineage_leads_from_the_bundle_back_to_the_scan(self, place: Path):
        ref = "bundle/tabletop-cpu-x86_64"
        nodes = r2s(place / ".r2s", "lineage", ref, cwd=place)["lineage"]
        kinds = {node["kind"] for node in nodes}
        assert {"bundle", "validation", "policy", "scene", "reconstruction", "scan"} <= kinds

    def test_the_bundle_tests_itself(self, place: Path):
        folder = place / "bundle"
        r2s(place / ".r2s", "export", "--target", "cpu-x86_64", "-o", str(folder), cwd=place)
        runtime = folder / "runtime"
        done = subprocess.run(
            [sys.executable, "-m", "r2s_edge", "selftest", str(folder)],
            capture_output=True,
            text=True,
            cwd=runtime,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_report_is_one_small_file_without_network(self, place: Path):
        page = place / "report.html"
        r2s(place / ".r2s", "report", "-o", str(page), cwd=place)
        text = page.read_text()
        assert page.stat().st_size < 5_000_000
        assert "pass" in text
        assert "http://" not in text
        assert "https://" not in text
        assert "<script" not in text

    def test_a_policy_can_be_filmed(self, place: Path):
        gif = place / "film.gif"
        answer = r2s(
            place / ".r2s", "render", "policy/tabletop", "-o", str(gif), "--episodes", "1",
            "--width", "160", "--height", "120", cwd=place,
        )  # fmt: skip
        assert gif.read_bytes().startswith(b"GIF8")
        assert answer["frames"] > 10
