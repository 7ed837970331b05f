"""Velocity: what counts as a fall, as a success, and what the commands are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r2s.tasks.specs import VELOCITY
from r2s.tasks.task import Moment, Start
from r2s.tasks.velocity import Velocity

HOME_M = 0.3


def task(spawns=(), free_m=0.3):
    spec = VELOCITY.model_copy(update={"parameters": {**VELOCITY.parameters, "command_s": 0.1}})
    joints = np.zeros(2, np.float32)
    rows = np.float32(spawns).reshape(-1, 3)
    return Velocity(
        spec, 0.02, joints - 1, joints + 1, rows, free_m, HOME_M, joints, joints + 1, lambda: None
    )


def moment(
    state, speed=(0.0, 0.0, 0.0), tilt=0.0, height=HOME_M, yaw_rate=0.0, at=(0.0, 0.0), yaw=0.0
):
    quat = jnp.array([np.cos(tilt / 2), np.sin(tilt / 2), 0, 0])
    if yaw:
        quat = jnp.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
    signals = {
        "joint_pos": jnp.zeros(2),
        "joint_vel": jnp.zeros(2),
        "base_quat": quat,
        "base_lin_vel": jnp.array(speed),
        "base_ang_vel": jnp.array([0.0, 0.0, yaw_rate]),
        "base_height": jnp.array([height, *at]),
    }
    return Moment(signals, jnp.zeros(2), jnp.zeros(2), state)


def fresh(command=(0.5, 0.0, 0.2)):
    state = task().reset(jnp.full(4, 0.5))
    return {**state, "wanted": jnp.array(command), "command": jnp.array(command)}


def test_low_or_tilted_is_a_fall_and_upright_is_not():
    def fell(**how):
        return bool(task().advance(moment(fresh(), **how), jnp.zeros(4))[1].terminated)

    assert not fell() and not fell(tilt=0.9) and not fell(height=0.16)
    assert fell(tilt=1.1) and fell(tilt=np.pi) and fell(height=0.14)


def test_success_is_a_small_mean_error_of_the_episode():
    def succeeds(errors):
        state = fresh((0.5, 0.0, 0.2))
        for error in errors:
            now = moment(
                {**state, "command": jnp.array([0.5, 0.0, 0.2])}, (0.5 + error, 0, 0), yaw_rate=0.2
            )
            state, judged = task().advance(now, jnp.zeros(4))
        return bool(judged.success)

    assert succeeds([0.1, 0.1, 0.1]) and succeeds([0.4, 0.0, 0.0, 0.0])
    assert not succeeds([0.2, 0.2, 0.2])


def test_perfect_tracking_is_the_best_there_is():
    t = task()
    good = t.advance(moment(fresh(), (0.5, 0, 0), yaw_rate=0.2), jnp.zeros(4))[1].terms
    bad = t.advance(moment(fresh(), (0.0, 0, 0), yaw_rate=-0.5), jnp.zeros(4))[1].terms
    assert set(good) == set(t.spec.weights)
    for name in ("track_linear", "track_angular"):
        assert float(good[name]) == pytest.approx(1.0, abs=1e-4) and float(bad[name]) < 0.5


def test_commands_fill_their_range_and_sometimes_stand():
    uniform = np.random.default_rng(0).random((4000, 4), np.float32)
    commands = np.asarray(jax.vmap(task().wanted)(uniform))
    limits = [VELOCITY.parameters[n] for n in ("forward_m_s", "sideways_m_s", "yaw_rad_s")]
    assert np.all(np.abs(commands) <= limits) and np.all(
        np.abs(commands).max(axis=0) > 0.98 * np.array(limits)
    )
    assert np.mean(~commands.any(axis=1)) == pytest.approx(0.1, abs=0.02)


def test_a_new_command_comes_on_time():
    state, changes = fresh(), []
    for _ in range(12):
        after, _ = task().advance(moment(state), jnp.full(4, 0.9))
        changes.append(not np.array_equal(after["wanted"], state["wanted"]))
        state = {**after, "wanted": jnp.array([0.5, 0.0, 0.2])}
    assert np.flatnonzero(changes).tolist() == [4, 9]  # every 0.1 s of 0.02 s steps


def test_starts_stand_on_a_spawn_at_home_height():
    home = Start(jnp.zeros(2), jnp.array([0, 0, 0.33, 1, 0, 0, 0.0]))
    start = task(((1.0, 2.0, 0.5),)).start(jnp.array([0.0, 0.5, 0.5]), home, {})
    np.testing.assert_allclose(start.base[:3], [1.0, 2.0, 0.33])
    np.testing.assert_allclose(start.base[3:], [np.cos(0.25), 0, 0, np.sin(0.25)], atol=1e-6)
    assert task(spawns=()).start(jnp.zeros(3), home, {}).base is home.base


def corridor(half_length_m=2.0, half_width_m=0.3, spacing_m=0.1):
    """Spawns on a free strip along x, about the origin."""
    x = np.arange(-half_length_m, half_length_m + 1e-6, spacing_m)
    y = np.arange(-half_width_m, half_width_m + 1e-6, spacing_m)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.column_stack([grid, np.zeros(len(grid))])


def commanded(command, **where):
    """Return the command after one step in the corridor, which is free to 0.1 m beyond its spawns."""
    t, state = task(corridor(), free_m=0.1), fresh(command)
    return np.asarray(t.advance(moment(state, **where), jnp.zeros(4))[0]["wanted"])


def test_a_command_along_the_free_floor_stays():
    np.testing.assert_array_equal(commanded((0.8, 0.0, 0.3)), np.float32([0.8, 0.0, 0.3]))
    # The robot's own forward counts: turned to +y, its sideways runs along the corridor.
    np.testing.assert_array_equal(
        commanded((0.0, 0.4, 0.0), yaw=np.pi / 2), np.float32([0.0, 0.4, 0.0])
    )


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_a_command_out_of_the_free_floor_is_turned_inwards(end):
    for yaw in (0.0, 1.0, -2.5):
        forward = 0.8 if np.cos(yaw) * end > 0 else -0.8
        turned = commanded((forward, 0.0, 0.3), at=(end * 1.9, 0.0), yaw=yaw)
        world_x = turned[0] * np.cos(yaw) - turned[1] * np.sin(yaw)
        assert world_x * end < -0.2  # back along the corridor
        assert abs(turned[0]) <= 0.8 and abs(turned[1]) <= 0.4 + 1e-6  # within the limits
        assert turned[2] == np.float32(0.3)  # turning on the spot hits nothing


def test_without_spawns_there_are_no_walls():
    state = task().advance(moment(fresh((0.8, 0.4, 0.0)), at=(50.0, 0.0)), jnp.zeros(4))[0]
    np.testing.assert_array_equal(state["wanted"], np.float32([0.8, 0.4, 0.0]))


def test_commands_begin_at_rest_and_change_no_faster_than_they_may():
    t = task()
    state = t.reset(jnp.float32([1.0, 0.0, 1.0, 0.5]))
    assert not np.asarray(state["command"]).any()
    told = [np.zeros(3)]
    for _ in range(4):  # and before the next is wanted
        state = t.advance(moment(state), jnp.zeros(4))[0]
        told.append(np.asarray(t.commands(state)["command_velocity"]))
    limits = [VELOCITY.parameters[name] * 0.02 for name in ("command_m_s2", "command_rad_s2")]
    np.testing.assert_allclose(
        np.diff(told, axis=0), np.tile([limits[0], -limits[0], limits[1]], (4, 1)), rtol=1e-5
    )
