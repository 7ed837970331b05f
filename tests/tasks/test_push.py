"""Laws of the push: its terms, its success, where it begins; and the same vectors on the robot."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_scene import arm_scene, key, some_policy
from push_scene import HALF_M, THING, push_scene

from r2s.artifacts.policy import NetworkSpec, Policy
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.edge import contract as edge_contract
from r2s.edge.contract import parse_contract
from r2s.edge.observe import Observer
from r2s.policy.contract import deployment_contract
from r2s.sim.cpu import CpuCollector
from r2s.sim.environment import Environment
from r2s.sim.episode import arena, start
from r2s.sim.model import layout, load_model
from r2s.tasks import task as tasks
from r2s.tasks.push import PRESS_M, TERMS, Push
from r2s.tasks.task import Moment, bind, derive
from r2s.train import stage
from r2s.train.config import Config, Ppo
from r2s.validate import stage as gate
from r2s.validate.equality import check_equality
from r2s.validate.rollout import run_trials
from r2s.validate.scenarios import scenarios
from r2s.validate.trial import begin


@pytest.fixture(scope="module")
def scene():
    return push_scene(4)


@pytest.fixture(scope="module")
def push(scene) -> Push:
    task = bind(scene)
    assert isinstance(task, Push)
    return task


@pytest.fixture(scope="module")
def environment(scene) -> Environment:
    network = NetworkSpec(actor=(8,), critic=(8,))
    return Environment.build(scene, load_model(scene), network, 5.0, start_anywhere=0.5)


@pytest.fixture(scope="module")
def policy(scene, tmp_path_factory) -> Policy:
    """A training that ends after two iterations."""
    config = Config(
        engine="cpu", copies=8, horizon=4, iterations=2, evaluation_episodes=8, evaluate_every=2,
        actor=(8,), critic=(8,), ppo=Ppo(epochs=1, minibatches=1),
    )  # fmt: skip
    return stage.run({"scene": scene}, config, StageContext(tmp_path_factory.mktemp("scratch")))


@pytest.fixture(scope="module")
def contract(policy):
    """What the robot's runtime gets."""
    return parse_contract(deployment_contract(policy.info))


def moment(push: Push, *, short_of=0.0, speed=0.0, drop=0.0, lean=0.0, held=0) -> Moment:
    """The thing `short_of` metres before the goal of row 0, seen from its start."""
    state = {**push.reset(jnp.zeros(1)), "held": jnp.int32(held)}
    goal = np.asarray(state["goal"])
    along = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    signals = {
        "joint_pos": np.zeros(4), "joint_vel": np.zeros(4),
        "object_pos": goal - short_of * along - [0, 0, drop],
        "object_vel": np.array([speed, 0, 0]),
        "object_up": np.array([np.sin(lean), 0, np.cos(lean)]), "goal_pos": goal,
    }  # fmt: skip
    zero = jnp.zeros(4)
    return Moment({name: jnp.float32(v) for name, v in signals.items()}, zero, zero, state)


def judged(push: Push, **how):
    return push.advance(moment(push, **how), jnp.zeros(0))


def test_every_term_is_best_with_the_thing_still_at_its_goal(push):
    best = judged(push)[1].terms
    assert set(best) == set(TERMS) == set(push.spec.weights)
    for name in ("approach", "progress", "precision", "stillness"):
        assert best[name] == pytest.approx(1.0, abs=1e-3)
        assert judged(push, short_of=0.15, speed=0.1)[1].terms[name] < 0.5
    assert judged(push, speed=0.1)[1].terms["stillness"] < 0.05


def test_progress_has_a_slope_all_the_way(push):
    values = [
        float(judged(push, short_of=d)[1].terms["progress"]) for d in np.arange(0, 0.24, 0.02)
    ]
    assert all(a > b + 0.01 for a, b in itertools.pairwise(values))


def test_the_end_effector_is_drawn_over_the_thing_behind_it_and_then_into_it(push):
    """The place is on the far side of the thing from the goal, nearer to it for who is there already."""
    now = moment(push, short_of=0.1)
    goal, tip = np.asarray(now.state["goal"]), np.asarray(push.tip(now.signals["joint_pos"]))
    for along, off, lift in (
        ((1, 0, 0), PRESS_M, 0.0),
        ((0, 1, 0), 0.0, 1.0),
        ((-1, 0, 0), 0.0, 1.0),
    ):
        thing = tip + 0.2 * np.array(along) - push.above_m * push.up
        at = now._replace(
            signals={**now.signals, "object_pos": jnp.float32(thing)},
            state={**now.state, "goal": jnp.float32(thing + np.array([0.1, 0, goal[2]]))},
        )
        rise = push.above_m + lift * push.standoff_m
        behind = thing - (push.standoff_m - off) * np.array([1, 0, 0]) + rise * push.up
        assert float(push.way(at)) == pytest.approx(np.linalg.norm(behind - tip), abs=1e-4)


def test_success_is_the_whole_hold_time_without_a_break(push):
    steps = push.steps("hold_s")
    assert judged(push, held=steps - 1)[1].success
    assert not judged(push, held=steps - 2)[1].success
    after, verdict = judged(push, short_of=0.04, held=steps)
    assert not verdict.success and after["held"] == 0
    assert not judged(push, speed=0.06, held=steps)[1].success


def test_a_height_is_no_error_and_a_fall_or_a_lean_ends_it(push):
    assert float(push.error(moment(push, drop=0.02))) == pytest.approx(0.0, abs=1e-5)
    assert not judged(push, drop=0.02, lean=0.5)[1].terminated
    for how in ({"drop": 0.06}, {"lean": 0.9}):
        verdict = judged(push, held=100, **how)[1]
        assert verdict.terminated and not verdict.success


def test_terms_are_finite_wherever_things_are(push):
    random = np.random.default_rng(0)
    for _ in range(20):
        now = moment(push)
        wild = {name: jnp.float32(random.normal(size=v.shape)) for name, v in now.signals.items()}
        terms = push.advance(now._replace(signals=wild), jnp.zeros(0))[1].terms
        assert all(np.isfinite(value) for value in terms.values())


def test_a_scene_without_a_thing_is_refused():
    with pytest.raises(R2SError, match="nothing that testarm could push") as caught:
        bind(
            type(s := arm_scene(3))(
                s.info.model_copy(update={"task": push_scene(4).info.task}),
                s.files, s.goals, s.goal_configurations, s.spawns,
            )
        )  # fmt: skip
    assert caught.value.code == "R2S-TASK-040"
    assert "missing signals: object_pos" in caught.value.where


def test_an_episode_begins_with_the_thing_at_the_start_of_its_goal(environment, scene, push):
    state, qpos = environment.jitted.initial(chance(environment, 3), jnp.float32(0))
    row, where = np.asarray(state.task["row"]), environment.where
    assert len(set(row.tolist())) > 20
    pose = np.asarray(qpos)[:, where.thing_qpos : where.thing_qpos + 7]
    offset = np.asarray(state.draws["object_position"])[:, :2]
    np.testing.assert_allclose(pose[:, :2] - offset, scene.spawns[row, :2], atol=1e-6)
    np.testing.assert_allclose(pose[:, 2], HALF_M, atol=1e-6)
    np.testing.assert_allclose(
        2 * np.arctan2(pose[:, 6], pose[:, 3]), scene.spawns[row, 2], atol=1e-5
    )
    np.testing.assert_allclose(state.task["goal"], scene.goals[row])


def test_who_starts_elsewhere_starts_behind_its_own_thing(environment, scene):
    state, qpos = environment.jitted.initial(chance(environment, 4), jnp.float32(2))
    known = scene.goal_configurations[np.asarray(state.task["row"])]
    np.testing.assert_allclose(np.asarray(qpos)[:, environment.where.qpos_index], known)


def test_a_played_episode_begins_as_a_trained_one(scene, push):
    model = load_model(scene)
    random = np.random.default_rng(0)
    memory = push.reset(jnp.float32(random.random(push.draws.reset)))
    data = start(arena(scene), jnp.float32(random.random(push.draws.start)), memory)
    address = layout(model, scene).thing_qpos
    np.testing.assert_allclose(
        data.qpos[address : address + 2], scene.spawns[int(memory["row"]), :2], atol=1e-6
    )


def test_a_things_mass_is_not_the_robots_and_held_things_move_in_the_model(environment, scene):
    fields = {write.entry: write for write in environment.plan.writes}
    body = load_model(scene).body(THING).id
    assert fields["object_mass"].field == "body_inertia"
    assert set(fields["object_mass"].positions // 3) == {body}
    held = fields["object_position"]
    assert held.field == "body_pos" and held.draw.tolist() == [2, 3]
    assert [o.draw.tolist() for o in environment.plan.offsets] == [[0]]
    assert {e.name: n for e, n in environment.plan.entries}["object_position"] == 4


def test_the_robot_derives_what_the_task_does(scene, contract):
    """Numpy on the robot, JAX in training: the same vectors from the same readings."""
    assert edge_contract.BETWEEN == tasks.BETWEEN and edge_contract.TIP == tasks.TIP
    complete = derive(scene.info, scene.info.observations)
    observer = Observer(contract, scene.info.signal("joint_pos").elements)
    random = np.random.default_rng(0)
    for _ in range(20):
        names = {"joint_pos": 4, "joint_vel": 4, "object_pos": 3, "goal_pos": 3}
        values = {name: random.normal(size=n) for name, n in names.items()}
        memory = {"joint_target": random.normal(size=4), "last_action": random.normal(size=4)}
        feed = observer.assemble(values, memory, 0.0)
        truth = complete({name: jnp.float32(v) for name, v in {**values, **memory}.items()})
        for name in scene.info.observations:
            np.testing.assert_allclose(feed[name][0], truth[name], atol=2e-6)


def test_the_robot_must_deliver_where_the_thing_is(contract):
    assert set(contract.required) == {"joint_pos", "joint_vel", "object_pos", "goal_pos"}


def test_the_thing_is_pushed_and_seen_late(environment):
    """A collection runs; what the policy reads of the thing is noisy and late, the critic's view is not."""
    collector = CpuCollector(environment, 8)
    state = collector.initial(key(1), staggered=False)
    seen, state, failures = collector.collect(
        some_policy(environment), state, key(2), steps=10, explore=True
    )
    assert not failures
    start = sum(environment.info.signal(n).width for n in environment.info.observations[:4])
    read = np.asarray(seen.observation)[2:, :, start : start + 3]
    assert 0.002 < np.abs(np.diff(read, axis=0)).mean() < 0.02


def test_a_trial_of_the_gate_begins_at_a_start_and_is_what_the_robots_runtime_does(
    scene, policy, tmp_path
):
    """All randomization at once, the thing seen late: the batched trials equal the runtime's, bit for bit."""
    bench = gate._bench(policy, scene, gate.Config(), StageContext(tmp_path))
    everything = scenarios(policy.info.randomization, scene.info.signals)[-1]
    trials = begin(bench.model, scene, bench.where, bench.task, everything, (0, 1), 0)
    address, row = bench.where.thing_qpos, np.asarray(trials.task_state["row"])
    offset = trials.draws["object_position"][:, :2]
    starts = trials.qpos[:, address : address + 2] - offset
    np.testing.assert_allclose(starts, scene.spawns[row, :2], atol=1e-6)
    assert check_equality(bench, trials, run_trials(bench, trials, 0), 0) == 2


def chance(environment: Environment, number: int):
    """Return the numbers of one control step of 64 copies."""
    return jax.tree.map(lambda x: x[0], environment.host_chance(key(number), 1, 64))


def test_the_first_guess_goes_to_its_place_and_rests_once_the_thing_is_there(push):
    joints = jnp.float32([0.3, -0.6, 1.2, 0.6])

    def guessed(short_of):
        now = moment(push, short_of=short_of)
        thing, goal = now.signals["object_pos"], now.state["goal"]
        tip = push.tip(joints)
        seen = {
            **now.signals,
            "joint_pos": joints,
            "ee_to_object": thing - tip,
            "object_to_goal": goal - thing,
        }
        action = push.guess(seen)
        place = push.place(thing, push.flat(goal - thing), tip)
        moved = push.tip(joints + push.rate.scale * action)
        return action, float(jnp.linalg.norm(place - tip) - jnp.linalg.norm(place - moved))

    assert guessed(0.15)[1] > 1e-3 and np.abs(guessed(0.15)[0]).max() <= 1.0
    assert not np.asarray(guessed(0.01)[0]).any()
