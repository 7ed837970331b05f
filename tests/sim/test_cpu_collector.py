"""The cpu engine is MuJoCo, at any number of threads, and names the copies that fail."""

import jax
import mujoco
import numpy as np
from arm_scene import key, small_environment, some_policy

from r2s.sim.cpu import CpuCollector

COPIES, STEPS = 6, 12


def collected(threads=0, spoil=None, steps=STEPS):
    environment = small_environment()
    collector = CpuCollector(environment, COPIES, threads)
    state = collector.initial(key(1), staggered=True)
    if spoil is not None:
        spoil(collector, state)
    return collector.collect(some_policy(environment), state, key(2), steps=steps, explore=True)


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_any_number_of_threads_gives_the_same_bits():
    one, three = collected(threads=1), collected(threads=3)
    assert_same(one[0], three[0])
    np.testing.assert_array_equal(one[1].rows, three[1].rows)


def test_collection_goes_on_from_a_stored_state_as_if_it_had_not_stopped():
    environment = small_environment()
    policy, collector = some_policy(environment), CpuCollector(environment, COPIES)
    _, state, _ = collected()
    seen, after, _ = collector.collect(policy, state, key(3), steps=STEPS, explore=True)
    other = CpuCollector(environment, COPIES)
    stored = other.restore({k: np.array(v) for k, v in collector.arrays(state).items()})
    again, later, _ = other.collect(policy, stored, key(3), steps=STEPS, explore=True)
    assert_same(seen, again)
    np.testing.assert_array_equal(after.rows, later.rows)


def test_one_copy_is_a_plain_mujoco_loop_on_its_own_model():
    environment = small_environment()
    collector = CpuCollector(environment, COPIES)
    state = collector.initial(key(1), staggered=False)
    steps = 5
    seen, after, _ = collector.collect(
        some_policy(environment), state, key(2), steps=steps, explore=True
    )
    model, copy = collector.batch.get_model(2), 2
    data = mujoco.MjData(model)
    integration = mujoco.mjtState.mjSTATE_INTEGRATION
    mujoco.mj_setState(model, data, state.rows[copy], integration)
    spec, old = environment.info.actions, np.asarray(state.env.target)[copy]
    delay = round(float(state.env.draws["action_latency"][copy, 0]) / model.opt.timestep)
    assert delay > 0
    for step in range(steps):
        action = np.clip(seen.action[step, copy], -1, 1) if step else np.zeros(3)  # settling first
        new = np.clip(old + np.float32(spec.scale) * action, spec.low, spec.high).astype(np.float32)
        for substep in range(environment.where.substeps):
            data.ctrl[environment.where.ctrl_index] = old if substep < delay else new
            mujoco.mj_step(model, data)
        old = new
    row = np.empty(mujoco.mj_stateSize(model, integration))
    mujoco.mj_getState(model, data, row, integration)
    nq, nv = model.nq, model.nv
    np.testing.assert_allclose(after.rows[copy][: 1 + nq + nv], row[: 1 + nq + nv], atol=1e-6)


def test_a_blown_up_copy_is_named_left_out_and_started_anew():
    bad = 3

    def spoil(collector, state):
        start, size = collector.batch._component(mujoco.mjtState.mjSTATE_QPOS)
        state.rows[bad, start : start + size] = np.nan

    clean, _, none = collected()
    seen, after, failures = collected(spoil=spoil)
    assert none == [] and [f.copy for f in failures] == [bad]
    assert failures[0].step == 0 and "BADQPOS" in failures[0].cause
    assert set(failures[0].sample) == set(small_environment().plan.columns)
    assert seen.crashed[0, bad] and seen.ended[0, bad] and not seen.valid[:2, bad].any()
    assert not seen.terminated[0, bad] and not seen.counted[0, bad]
    assert (
        seen.valid[2, bad] and np.isfinite(seen.observation).all() and np.isfinite(after.rows).all()
    )
    others = [i for i in range(COPIES) if i != bad]
    np.testing.assert_array_equal(seen.observation[:, others], clean.observation[:, others])


def test_every_end_is_followed_by_exactly_one_settling_step():
    seen, _, _ = collected(steps=80)
    assert seen.ended.sum() >= COPIES
    settling = ~seen.valid & ~seen.crashed
    np.testing.assert_array_equal(settling[1:], seen.ended[:-1])


def test_per_copy_models_are_the_randomization_of_the_state():
    environment = small_environment()
    collector = CpuCollector(environment, COPIES)
    state = collector.initial(key(5), staggered=True)
    _, state, _ = collector.collect(some_policy(environment), state, key(6), steps=80, explore=True)
    draws = {name: np.asarray(value, np.float64) for name, value in state.env.draws.items()}
    for name, expected in environment.plan.fields(draws, np).items():
        np.testing.assert_allclose(collector.batch.expand(name), expected, rtol=1e-12)
    for copy in range(COPIES):  # and the constants derived from them follow
        model = collector.batch.get_model(copy)
        derived = model.dof_invweight0.copy()
        mujoco.mj_setConst(model, mujoco.MjData(model))
        np.testing.assert_array_equal(derived, model.dof_invweight0)
