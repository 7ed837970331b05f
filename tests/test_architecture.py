"""The house stands as DESIGN.md draws it: arrows point down, names say what things are, imports are lazy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "r2s"
STAGES = {"scan", "reconstruct", "robot", "scene", "train", "validate", "export", "feedback"}
LEVELS = [
    {"core"},
    {"guard", "artifacts"},
    {"policy", "sim", "tasks"},
    STAGES | {"report"},
    {"engine"},
    {"cli"},
]
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
MAY_IMPORT_EDGE = {"sim", "validate", "export", "cli"}
HEAVY = {
    "numpy", "pydantic", "yaml", "rich", "mujoco", "jax", "open3d", "trimesh", "scipy", "coacd",
    "onnx", "onnxruntime", "safetensors",
}  # fmt: skip
HEAVY_IN_STAGES = {"mujoco", "jax", "open3d", "trimesh", "coacd", "onnx", "onnxruntime", "scipy"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base_utils"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else ""


def imports_of_r2s(path: Path) -> Iterator[str]:
    """Yield the r2s packages a module imports anywhere, type-checking blocks and functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "r2s":
                names = [f"r2s.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "r2s" and len(parts) > 1:
                yield parts[1]


def forbidden(importer: str, imported: str) -> str:
    """Return why `importer` must not import `imported`, or ""."""
    if importer == imported or imported.startswith("__"):
        return ""
    if importer == "edge":
        return "edge imports nothing of r2s"
    if imported == "edge":
        return "" if importer in MAY_IMPORT_EDGE else "edge is for the robot"
    if importer == "store":
        return "" if imported == "core" else "store knows only core"
    if imported == "store":
        return "" if importer in ("engine", "cli") else "only engine and cli know the store"
    if importer in STAGES and imported in STAGES:
        return "stages meet in artifacts, not in imports"
    if LEVEL[imported] > LEVEL[importer]:
        return "the arrow points up"
    return ""


def test_every_import_points_down():
    wrong = [
        f"{path.relative_to(ROOT)} imports r2s.{imported}: {reason}"
        for path in modules()
        if package_of(path)
        for imported in imports_of_r2s(path)
        if (reason := forbidden(package_of(path), imported))
    ]
    assert wrong == []


def test_every_package_has_a_place_in_the_drawing():
    packages = {package_of(path) for path in modules()} - {""}
    assert packages <= {*LEVEL, "store", "edge"}


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("core", "artifacts"),
        ("scan", "reconstruct"),
        ("store", "artifacts"),
        ("edge", "core"),
        ("train", "engine"),
    ],
)
def test_the_walk_would_notice_an_arrow_that_points_up(importer: str, imported: str):
    assert forbidden(importer, imported)


def test_no_module_has_a_name_that_says_nothing():
    vague = [str(path.relative_to(ROOT)) for path in modules() if path.stem in VAGUE]
    assert vague == []


def loaded_after(code: str, cwd: Path) -> set[str]:
    """Return the top-level modules loaded after running code in a fresh interpreter."""
    report = "print('@' + json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    program = f"{code}\nimport json, sys\n{report}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT.parent), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert "@" in done.stdout, done.stderr
    return set(json.loads(done.stdout.rsplit("@", 1)[1]))


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["status"], []])
def test_light_commands_import_nothing_heavy(argv: list[str], tmp_path: Path):
    code = (
        "from r2s.store import Store; from pathlib import Path; Store.create(Path('.r2s'))\n"
        f"from r2s.cli.app import run; assert run({argv!r}) == 0"
    )
    assert loaded_after(code, tmp_path) & HEAVY == set()


def test_stage_modules_load_nothing_heavy_before_they_run(tmp_path: Path):
    """A cached run reads every stage's version and config, so it must not pay for its libraries."""
    code = "from r2s.engine.catalog import STAGES\nfor stage in STAGES.values(): stage.load()"
    assert loaded_after(code, tmp_path) & HEAVY_IN_STAGES == set()
