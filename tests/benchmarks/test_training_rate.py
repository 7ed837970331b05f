"""Training spends its time in physics and gradients: ratios within one run, so load matters less."""

import pytest
from arm_scene import arm_scene

from r2s.train.bench import bench
from r2s.train.config import Config


@pytest.mark.campaign
def test_training_is_mostly_physics_and_gradient():
    found = bench(arm_scene(6), Config(engine="cpu"), rounds=8)
    assert found["training_over_raw"] >= 0.9, found
    assert found["overhead_fraction"] <= 0.15, found
    assert found["memory_per_copy_mb"] < 1.0, found
