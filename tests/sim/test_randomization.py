"""Randomization starts from the default, reaches the physics, and refuses to do nothing."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from arm_scene import RANDOMIZATION, arm_scene

from r2s.artifacts.randomization import Randomize
from r2s.core.errors import R2SError
from r2s.sim.model import layout, load_model
from r2s.sim.randomization import compile_plan

BASE_MOVE = Randomize(
    name="mount", target="base", field="position", operation="add", low=-0.01, high=0.01
)
BASE_TURN = Randomize(
    name="turn", target="base", field="yaw", operation="add", low=0.3, high=0.3000001
)
ADDED_MASS = Randomize(
    name="payload", target="body", select="l1", field="mass", operation="add", low=0.1, high=0.5
)


def plan_of(*entries):
    scene = arm_scene(3, randomization=entries)
    model = load_model(scene)
    return compile_plan(model, scene.info, layout(model, scene)), model


def draws(plan, copies=5, seed=0):
    uniform = np.random.default_rng(seed).random((copies, plan.width), np.float32)
    return {
        name: np.asarray(v, np.float64) for name, v in plan.sample(jnp.asarray(uniform)).items()
    }


def entry(**changes):
    known = {"name": "x", "target": "geom", "field": "friction", "operation": "scale"}
    return Randomize(**{**known, "low": 0.5, "high": 1.5, **changes})


def test_samples_fill_the_range_and_never_leave_it():
    plan, _ = plan_of(
        entry(low=0.1, high=10.0, distribution="loguniform"), entry(name="y", low=2.0, high=3.0)
    )
    values = draws(plan, copies=2000)
    assert 0.1 <= values["x"].min() < 0.11 and 9 < values["x"].max() <= 10.0
    assert abs(np.median(np.log(values["x"]))) < 0.15  # half of a log-uniform draw is below 1
    assert 2.0 <= values["y"].min() < 2.01 and 2.99 < values["y"].max() <= 3.0


def test_both_engines_get_the_same_fields():
    plan, _ = plan_of(*RANDOMIZATION, BASE_MOVE, BASE_TURN, ADDED_MASS)
    values = draws(plan)
    exact, device = plan.fields(values, np), plan.fields(values, jnp)
    assert set(exact) == set(device) >= {"body_mass", "body_inertia", "body_pos", "body_quat"}
    for name in exact:
        np.testing.assert_allclose(device[name], exact[name], rtol=2e-6, atol=1e-7)


def test_nothing_compounds():
    plan, model = plan_of(*RANDOMIZATION)
    first = plan.fields(draws(plan, seed=1), np)
    plan.fields(draws(plan, seed=2), np)
    again = plan.fields(draws(plan, seed=1), np)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_array_equal(plan.defaults[name], getattr(model, name).ravel())


def test_mass_takes_inertia_along_and_gains_move_together():
    plan, model = plan_of(ADDED_MASS, entry(name="kp", target="actuator", field="gain"))
    values = draws(plan)
    fields, body = plan.fields(values, np), model.body("robot/l1").id
    added = model.body_mass[body] + values["payload"][:, 0]
    np.testing.assert_allclose(fields["body_mass"][:, body], added)
    ratio = added / model.body_mass[body]
    np.testing.assert_allclose(
        fields["body_inertia"][:, body], ratio[:, None] * model.body_inertia[body]
    )
    factor = values["kp"]
    np.testing.assert_allclose(fields["actuator_gainprm"][:, :, 0], 12 * np.tile(factor, (1, 3)))
    np.testing.assert_allclose(fields["actuator_biasprm"][:, :, 2], -1 * np.tile(factor, (1, 3)))


def test_a_turned_base_turns_the_arm_about_the_vertical():
    plan, model = plan_of(BASE_TURN)
    data, turned = mujoco.MjData(model), mujoco.MjData(model)
    data.qpos[:] = turned.qpos[:] = [0.4, 0.5, -0.3]
    mujoco.mj_kinematics(model, data)
    model.body_quat[:] = plan.fields(draws(plan, 1), np)["body_quat"][0]
    mujoco.mj_kinematics(model, turned)
    c, s = np.cos(0.3), np.sin(0.3)
    before, after = data.site("robot/ee").xpos, turned.site("robot/ee").xpos
    np.testing.assert_allclose(
        after, np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ before, atol=1e-6
    )


def test_once_per_run_is_kept_over_resets():
    kept = entry(name="kept", when="run")
    plan, _ = plan_of(kept, entry(name="new"))
    old, new = draws(plan, seed=1), draws(plan, seed=2)
    after = plan.per_run(old, new)
    assert after["kept"] is old["kept"] and after["new"] is new["new"]


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (entry(select="chair_*"), "R2S-SIM-010", "selects nothing"),
        (entry(target="joint", field="frictionloss"), "R2S-SIM-011", "0 times anything is 0"),
        (entry(target="signal", select="joint_pos", field="latency"), "R2S-SIM-011", "no latency"),
        (entry(target="object", field="yaw", operation="add"), "R2S-SIM-010", "selects nothing"),
        (entry(target="geom", field="mass"), "R2S-SIM-012", "mass of geom"),
        (entry(target="base", field="yaw"), "R2S-SIM-012", "operation: add"),
        (
            entry(target="body", field="mass", operation="add", low=-1.0),
            "R2S-SIM-013",
            "zero or neg",
        ),
    ],
)
def test_an_entry_that_would_do_nothing_is_refused(wrong, code, says):
    with pytest.raises(R2SError) as caught:
        plan_of(wrong)
    assert caught.value.code == code
    assert says in str(caught.value) and wrong.name in str(caught.value)
