"""Makes `synthetic_places` importable, and reconstructs without an engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def reconstruct(tmp_path):
    """`reconstruct(scan, **config)` -> Reconstruction."""
    from r2s.core.context import StageContext
    from r2s.reconstruct import stage

    def run(scan, **config):
        return stage.run({"scan": scan}, stage.Config(**config), StageContext(tmp_path))

    return run
