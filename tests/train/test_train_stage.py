"""The stage: same seed, same bytes; interrupted anywhere, same bytes; and the policy it makes runs."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from arm_scene import arm_scene
from memory_checkpoint import MemoryCheckpoint, context

from r2s.artifacts.arrays import unpack
from r2s.artifacts.policy import Policy
from r2s.core.errors import Interrupted, R2SError
from r2s.tasks.specs import task_kind
from r2s.train import stage
from r2s.train.config import Config, Ppo, resolved

# Episodes of six steps, so that resets, randomization and the normalizer all take part.
SCENE = arm_scene(3, clutter=False, episode_s=0.24, hold_s=0.04)
TINY = Config(
    engine="cpu", copies=8, horizon=5, iterations=4, evaluation_episodes=8, evaluate_every=2,
    checkpoint_every=3, actor=(8,), critic=(8,), target_success=1.01,
    ppo=Ppo(epochs=2, minibatches=2),
)  # fmt: skip


def run(folder, config=TINY, **how) -> Policy:
    return stage.run({"scene": SCENE}, config, context(folder, **how))


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    return run(tmp_path_factory.mktemp("scratch"))


def test_config_is_cheap_to_import():
    code = "import sys, r2s.train.stage; print([m for m in ('jax', 'mujoco', 'onnx') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_same_seed_same_bytes_and_another_seed_others(policy, tmp_path):
    again = run(tmp_path)
    assert again.encode() == policy.encode()
    assert run(tmp_path, seed=1).weights != policy.weights


@pytest.mark.parametrize("stop_after", [1, 3])
def test_interrupted_and_resumed_is_never_interrupted(policy, tmp_path, stop_after):
    kept = MemoryCheckpoint()
    with pytest.raises(Interrupted):
        run(tmp_path, checkpoint=kept, stop_after=stop_after)
    assert kept.saved[-1][0] == stop_after
    assert run(tmp_path, checkpoint=kept).encode() == policy.encode()


def test_a_finished_training_is_not_trained_again(policy, tmp_path):
    kept = MemoryCheckpoint()
    reached = TINY.model_copy(update={"target_success": 1e-9, "target_times": 1, "iterations": 3})
    with pytest.raises(Interrupted):  # stopped between iteration 3 and the end: nothing left to do
        run(tmp_path, config=TINY, checkpoint=kept, stop_after=3)
    again = run(tmp_path, config=reached, checkpoint=kept)
    assert again.info.training.iterations == 3


@pytest.mark.parametrize("times", [1, 2])
def test_training_stops_when_the_target_was_reached_so_often_in_a_row(tmp_path, monkeypatch, times):
    monkeypatch.setattr(
        "r2s.train.loop.Judge.__call__", lambda judge, learner: {"success_rate": 0.9}
    )
    config = TINY.model_copy(
        update={"target_success": 0.9, "target_times": times, "iterations": 20}
    )
    assert run(tmp_path, config=config).info.training.iterations == 2 * times


def test_training_stops_when_success_near_the_target_stays_where_it_is(tmp_path, monkeypatch):
    seen = iter([0.5, 0.5, 0.5, 0.5, 0.88, 0.89, 0.89, 0.88, 0.89])
    monkeypatch.setattr(
        "r2s.train.loop.Judge.__call__", lambda judge, learner: {"success_rate": next(seen)}
    )
    config = TINY.model_copy(update={"target_success": 0.9, "patience": 2, "iterations": 40})
    assert run(tmp_path, config=config).info.training.iterations == 2 * 8


def test_the_policy_comes_back_equal_and_its_graph_is_its_weights(policy):
    config, files = policy.encode()
    assert Policy.decode(config, files) == policy
    assert policy.info.parity.vectors >= 4096 and policy.info.parity.max_abs <= 1e-5
    names = [signal.name for signal in policy.info.observations]
    assert names == list(SCENE.info.observations)
    weights = unpack(policy.weights)
    assert weights["normalizer/mean"].shape == (sum(s.width for s in policy.info.observations),)
    assert all(np.isfinite(array).all() for array in weights.values())


def test_the_log_is_indexed_by_iteration_and_holds_no_times(policy):
    lines = [json.loads(line) for line in policy.log.splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4]
    assert [line["env_steps"] for line in lines] == [40, 80, 120, 160]
    assert [line["iteration"] for line in lines if "evaluation" in line] == [2, 4]
    assert not any("second" in name or name[-2:] == "_s" for line in lines for name in line)
    played = [line for line in lines if line["episodes"]]
    assert played and set(played[-1]["bucket_returns"]) == {
        *(entry.name for entry in SCENE.info.randomization), "latency_joint_vel",
    }  # fmt: skip
    assert set(lines[0]["terms"]) == set(SCENE.info.task.weights)


def test_facts_say_where_the_time_went(tmp_path):
    where = context(tmp_path)
    stage.run({"scene": SCENE}, TINY, where)
    facts = where.facts
    assert facts["engine"] == "cpu" and facts["env_steps"] == 160
    assert facts["physics_steps_per_s"] > 0 and facts["env_steps_per_s"] > 0
    assert 0 <= facts["overhead_fraction"] <= 1
    assert facts["seconds"]["physics"] < facts["seconds"]["total"]


def test_a_run_that_crashes_too_often_is_refused_with_an_example(tmp_path):
    from r2s.sim.protocol import Failure
    from r2s.train.checkpoint import Progressed
    from r2s.train.loop import _refuse_crashes

    example = [Failure(3, 7, "warning mjWARN_BADQACC", {"gain[0]": 1.19})]
    _refuse_crashes(Progressed(episodes=5000, crashes=40), example, TINY)
    with pytest.raises(R2SError, match="failed in 60 of 5060 episodes") as caught:
        _refuse_crashes(Progressed(episodes=5000, crashes=60), example, TINY)
    assert "gain[0]" in caught.value.where and "BADQACC" in caught.value.where


def test_an_accelerators_number_of_copies_is_for_accelerators():
    assert jax.default_backend() == "cpu"
    for engine in ("cpu", "mjx"):
        assert resolved(Config(), engine, "reach").copies == task_kind("reach").copies["cpu"]
        assert resolved(Config(copies=7), engine, "reach").copies == 7


def test_evaluations_of_long_episodes_cost_a_share_of_the_training():
    def share(task: str) -> tuple[int, float]:
        kind, config = task_kind(task), resolved(Config(), "cpu", task)
        steps = kind.spec.parameters["episode_s"] * kind.control_hz * config.evaluation_episodes
        return config.evaluation_episodes, steps / (
            config.copies * config.horizon * config.evaluate_every
        )

    assert share("reach")[0] == 256 and share("reach")[1] < 0.25
    episodes, cost = share("velocity")
    assert 64 <= episodes < 256 and cost == pytest.approx(0.25, abs=0.01)
    assert resolved(Config(evaluate_every=1), "cpu", "velocity").evaluation_episodes == 64
    assert resolved(Config(evaluation_episodes=7), "cpu", "velocity").evaluation_episodes == 7


def test_exploration_is_chosen_for_the_task_unless_told():
    pick, reach = (resolved(Config(), "cpu", task) for task in ("pick", "reach"))
    assert pick.ppo.entropy == task_kind("pick").entropy < reach.ppo.entropy
    assert pick.initial_std == task_kind("pick").initial_std < reach.initial_std
    told = resolved(Config(initial_std=0.9, ppo=Ppo(entropy=0.02)), "cpu", "pick")
    assert (told.initial_std, told.ppo.entropy) == (0.9, 0.02)
