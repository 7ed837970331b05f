"""The first guess of a walk: it walks where it is told, and stands where it is told to."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from dog_scene import CONTROL_S, CORNERS, HEIGHT_M, STRIDE_S, dog_scene

from r2s.edge.kinematics import phase as robots_phase
from r2s.sim.model import layout, load_model
from r2s.tasks.gait import LIFT, Gait
from r2s.tasks.kinematics import phase
from r2s.tasks.task import bind


@pytest.fixture(scope="module")
def scene():
    return dog_scene()


@pytest.fixture(scope="module")
def gait(scene):
    found = Gait.of(scene, STRIDE_S)
    assert found is not None
    return found


def at(share: float) -> jnp.ndarray:
    return phase(jnp.float32(share * STRIDE_S), STRIDE_S)


def feet_moved(scene, joints) -> np.ndarray:
    """Return how far MuJoCo moves the feet (4, 3) for small changes of the joints (12,) from home."""
    model = load_model(scene)
    where, places = layout(model, scene), []
    for share in (0.0, 1.0):
        data = mujoco.MjData(model)
        data.qpos[:] = where.home_qpos
        data.qpos[where.qpos_index] += share * np.asarray(joints)
        mujoco.mj_kinematics(model, data)
        places.append([data.body(f"robot/{corner}_foot").xpos.copy() for corner in CORNERS])
    return np.diff(places, axis=0)[0]


def test_a_quadruped_trots(gait):
    turns = dict(zip(CORNERS, gait.turns, strict=True))
    assert turns["FL"] == turns["RR"] == -turns["FR"] == -turns["RL"]


def test_feet_in_the_air_rise_and_the_others_push_back(scene, gait):
    """A quarter of a stride: two feet are highest and half way, the others half way on the ground."""
    step = 0.01
    before, after = (gait.joints(at(0.25 + way), jnp.float32([0.4, 0, 0])) for way in (-step, step))
    lifted = gait.turns > 0
    height = feet_moved(scene, (before + after) / 2)[:, 2]
    np.testing.assert_allclose(height[lifted], LIFT * HEIGHT_M, rtol=0.15)
    assert np.abs(height[~lifted]).max() < 0.003
    speed = feet_moved(scene, after - before)[:, 0] / (2 * step * STRIDE_S)
    assert np.all(speed[lifted] > 0.4)
    np.testing.assert_allclose(speed[~lifted], -0.44, rtol=0.15)  # of their middles


def test_told_to_stand_it_stays_at_home(gait):
    for share in np.linspace(0, 1, 9):
        assert np.abs(gait.joints(at(share), jnp.zeros(3))).max() < 1e-4


@pytest.mark.parametrize(
    "command", [(0.4, 0.0, 0.0), (-0.4, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.8)]
)
def test_the_open_loop_goes_where_it_is_told(scene, command):
    """In MuJoCo, for three seconds; the mean of the last two, after the first steps."""
    task, model = bind(scene), load_model(scene)
    where, spec = layout(model, scene), scene.info.actions
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = where.home_qpos, where.home_ctrl
    guess = jax.jit(task.guess)
    speeds = []
    for step in range(150):
        clock = jnp.float32(step * CONTROL_S)
        seen = {
            "gait_phase": phase(clock, STRIDE_S),
            "command_velocity": jnp.float32(command),
        }
        action = np.asarray(guess(seen))
        assert np.abs(action).max() <= 1.0
        data.ctrl[where.ctrl_index] = np.array(spec.offset) + np.array(spec.scale) * action
        mujoco.mj_step(model, data, where.substeps)
        speed, spin = (data.sensor(f"base_{kind}_vel").data for kind in ("lin", "ang"))
        speeds.append([*speed[:2], spin[2]])
    assert data.body("robot/trunk").xmat[8] > 0.95
    np.testing.assert_allclose(np.mean(speeds[50:], axis=0), command, atol=0.15)


def with_feet(scene, *names: str):
    robot = scene.info.robot.model_copy(update={"feet": names})
    return replace(scene, info=scene.info.model_copy(update={"robot": robot}))


@pytest.mark.parametrize("names", [("FL_foot",), ("FL_foot", "FR_foot", "RL_foot")])
def test_legs_that_cannot_take_turns_have_no_gait(scene, names):
    alone = with_feet(scene, *names)
    assert Gait.of(alone, STRIDE_S) is None and not bind(alone).guesses


def test_a_foot_is_where_it_touches_whatever_body_it_belongs_to(gait):
    """A ball at the end of a shin; the shin's own origin is the knee."""
    other = Gait.of(dog_scene(feet=False), STRIDE_S)
    for name in ("places", "turns", "joints_per_m"):
        np.testing.assert_allclose(getattr(other, name), getattr(gait, name), atol=1e-5)


def test_two_feet_of_one_leg_are_one(scene, gait):
    """Heel and toe: thigh and shin here, which the same joints move but for the knee."""
    twice = Gait.of(
        with_feet(scene, *(f"{c}_{b}" for c in CORNERS for b in ("foot", "shin"))), STRIDE_S
    )
    assert twice is not None and len(twice.turns) == 4


def test_the_robots_clock_is_the_simulators():
    for clock_s in (0.0, 0.02, 0.1, 0.3, 7.77, 1000.0):
        np.testing.assert_allclose(
            robots_phase(clock_s, 0.3), phase(jnp.float32(clock_s), 0.3), atol=3e-3
        )
