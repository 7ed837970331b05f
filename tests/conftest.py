"""Fixtures every test may use. Real data lies beside the project and is skipped, by name, where absent."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order below where the tests run in several processes."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the main job first: it takes minutes, and the others run beside it."""
    items.sort(key=lambda item: item.path.name != "test_chain.py")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans, robots and logs."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not here: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def example_robots() -> Path:
    """The robots of the package `example-robot-data` (installed with --no-deps)."""
    import sysconfig

    folder = Path(sysconfig.get_path("purelib"), "cmeel.prefix/share/example-robot-data/robots")
    if not folder.is_dir():
        pytest.skip("package example-robot-data is not installed")
    return folder


@pytest.fixture(scope="session")
def edge_python() -> str:
    """A Python 3.10 with numpy and onnxruntime only, as on JetPack 6: `$R2S_EDGE_PYTHON` or `python3.10`."""
    python = os.environ.get("R2S_EDGE_PYTHON") or shutil.which("python3.10")
    if not python:
        pytest.skip("no Python 3.10 here: set R2S_EDGE_PYTHON to one with numpy and onnxruntime")
    probe = [python, "-c", "import sys, numpy, onnxruntime; assert sys.version_info[:2] == (3, 10)"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip(f"{python} is no Python 3.10 with numpy and onnxruntime; set R2S_EDGE_PYTHON")
    return python
