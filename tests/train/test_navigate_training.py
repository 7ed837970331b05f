"""A few steps of training with rays, wheels and routes: same seed, same bytes, and no copy fails."""

from __future__ import annotations

import pytest
from memory_checkpoint import context
from rover_room import rover_scene

from r2s.edge.contract import parse_contract
from r2s.policy.contract import deployment_contract
from r2s.train import stage
from r2s.train.config import Config, Ppo

TINY = Config(
    engine="cpu", copies=8, horizon=6, iterations=2, evaluation_episodes=8, evaluate_every=1,
    actor=(8,), critic=(8,), target_success=1.01, ppo=Ppo(epochs=1, minibatches=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def scene():
    return rover_scene(episode_s=0.8)


def test_it_trains_without_a_crash_and_repeats(scene, tmp_path):
    made = stage.run({"scene": scene}, TINY, context(tmp_path))
    assert made.info.training.crashes == 0 and made.info.training.env_steps == 2 * 8 * 6
    assert made.info.parity.max_abs < 1e-5
    assert stage.run({"scene": scene}, TINY, context(tmp_path)).encode() == made.encode()
    contract = parse_contract(deployment_contract(made.info))
    assert contract.actions.command == "velocity"
    wanted = {"joint_pos", "joint_vel", "laser_ranges", "base_pos", "base_quat", "goal_pos"}
    assert set(contract.required) == wanted
