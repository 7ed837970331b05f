"""Fixtures every test may use. Real data lies beside the project and is skipped, by name, where absent."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
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
