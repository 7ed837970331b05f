"""Laws of the page: things are where MuJoCo has them; it is for this machine alone, and all from here."""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import chromium
import mujoco
import numpy as np
import pytest
from arm_scene import arm_scene
from PIL import Image
from report_samples import HALF, cube_reconstruction, cube_scan

from r2s.core.errors import R2SError
from r2s.report import shapes
from r2s.report.geoms import Geoms
from r2s.report.glb import glb, welded
from r2s.report.light import Item, to_linear
from r2s.report.puppet import Puppet

FOLLOWED = """<mujoco><compiler angle="radian"/><worldbody>
<body name="robot/a"><joint name="robot/lead" range="-1 1"/>
<geom size=".1"/><body name="robot/b" pos="1 0 0"><joint name="robot/led" ref=".1"/>
<geom size=".1"/><body name="robot/c"><joint name="robot/last" type="slide" range="0 .04"/>
<geom size=".1"/></body></body></body></worldbody>
<equality><joint joint1="robot/led" joint2="robot/lead" polycoef="0 -2 0 0 0"/></equality></mujoco>"""


@pytest.fixture(scope="module")
def scene():
    return arm_scene(4)


def painted(corner: tuple[float, float]) -> Item:
    """A square whose texture is red at one corner (u, v), v downwards, and blue else."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 2] = 255
    u, v = (int(40 * each) for each in corner)
    image[v : v + 24, u : u + 24] = (255, 0, 0)
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = (vertices[faces][..., :2] * (1, -1) + (0, 1)).reshape(-1, 2)
    color = to_linear((0.5, 0.5, 0.5))
    return Item(
        shapes.mesh(vertices, faces), np.eye(3), np.zeros(3), color, texture=image, uv=uv
    )  # fmt: skip


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_texture_is_the_right_way_up_in_a_glb(corner):
    import trimesh

    scene = trimesh.load_scene(io.BytesIO(glb([painted(corner)])), file_type="glb", process=False)
    (mesh,) = scene.geometry.values()
    image = np.asarray(mesh.visual.material.emissiveTexture.convert("RGB"))
    # The upper left of the picture is at x = 0, y = 1.
    spot = np.array([corner[0], 1 - corner[1], 0])
    vertex = int(np.argmin(np.linalg.norm(mesh.vertices - spot, axis=1)))
    u, v = mesh.visual.uv[vertex]
    pixel = image[
        int(np.clip((1 - v) * image.shape[0], 0, image.shape[0] - 1)),
        int(np.clip(u * image.shape[1], 0, image.shape[1] - 1)),
    ]
    np.testing.assert_array_equal(pixel, (255, 0, 0))


def test_only_the_part_of_a_texture_that_is_used_is_sent():
    item = painted((0, 0))
    some = Item(
        item.surface, item.rotation, item.position, item.color, texture=item.texture,
        uv=0.25 * item.uv + 0.5,
    )  # fmt: skip
    assert len(glb([some])) < len(glb([painted((0, 0))]))


def test_welding_keeps_every_triangle_where_it_was():
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    ball = shapes.primitive("sphere", (0.1, 0.0, 0.0))
    item = Item(ball, turned, np.array([1.0, 2.0, 3.0]), to_linear((0.5, 0.5, 0.5)))
    vertices, faces, normals, uv = welded([item, item])
    expected = ball.vertices @ turned.T + item.position
    np.testing.assert_allclose(vertices[faces].reshape(-1, 3)[: len(expected)], expected, atol=1e-6)
    np.testing.assert_allclose(
        normals[faces].reshape(-1, 3)[: len(expected)], ball.normals @ turned.T, atol=1e-6
    )
    assert uv is None and len(vertices) < len(expected) / 3


def test_followers_go_along_and_have_no_handle():
    puppet = Puppet(mujoco.MjModel.from_xml_string(FOLLOWED))
    assert [handle.name for handle in puppet.handles] == ["lead", "last"]
    puppet.move({"lead": 0.3, "last": 7.0})
    lead, led, last = puppet.data.qpos
    assert (lead, led, last) == pytest.approx((0.3, 0.1 - 2 * 0.3, 0.04))


def test_geoms_are_where_their_bodies_take_them(scene):
    """A geom in the frame of its body, with the body's pose, is the geom where MuJoCo has it."""
    from r2s.report.geoms import model_of
    from r2s.report.viewing import _in_body

    model = model_of(scene.files, "scene.xml")
    puppet, geoms = Puppet(model), Geoms(model)
    puppet.move({handle.name: handle.high / 2 for handle in puppet.handles})
    data = puppet.data
    for geom in geoms.drawn():
        body, item = model.geom_bodyid[geom], _in_body(geoms, geom)
        turn = data.xmat[body].reshape(3, 3)
        np.testing.assert_allclose(
            turn @ item.position + data.xpos[body], data.geom_xpos[geom], atol=1e-9
        )
        np.testing.assert_allclose(
            turn @ item.rotation, data.geom_xmat[geom].reshape(3, 3), atol=1e-9
        )


@pytest.fixture
def view(scene):
    pytest.importorskip("viser")
    from r2s.report.viewing import View

    shown = View({"scan": cube_scan(), "reconstruction": cube_reconstruction(), "scene": scene})
    yield shown
    shown.page.close()


def settled(law, patience_s: float = 5.0) -> None:
    """Wait until a law holds: what sliders do, they do in another thread."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            return law()
        except AssertionError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def test_a_slider_moves_the_robot_to_where_kinematics_has_it(view, scene):
    from r2s.report.geoms import model_of

    model = model_of(scene.files, "scene.xml")
    wanted = {
        handle.name: handle.low + share * (handle.high - handle.low)
        for handle, share in zip(view.puppet.handles, (0.2, 0.7, 0.4, 0.9), strict=False)
    }
    for name, value in wanted.items():
        view.sliders[name].value = value
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    for name, value in wanted.items():
        data.joint(f"robot/{name}").qpos[0] = value
    mujoco.mj_kinematics(model, data)

    def law():
        assert view.page._of_body
        for body, node in view.page._of_body:
            np.testing.assert_allclose(node.position, data.xpos[body], atol=1e-4)
            turned = abs(float(np.dot(node.wxyz, data.xquat[body])))
            assert turned == pytest.approx(1.0, abs=1e-6)

    settled(law)
    view.reset()
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_kinematics(model, data)
    settled(law)


def test_the_page_has_its_layers_and_a_switch_for_each(view):
    assert list(view.page.layers) == [
        "scan points", "surface", "colliders", "robot", "robot colliders",
    ]  # fmt: skip
    assert any(name.startswith("/robot/") for name in view.page.nodes)
    assert "/scan points/points" in view.page.nodes
    assert view.page.layers["robot"].visible and not view.page.layers["colliders"].visible


def test_a_place_alone_has_points_surface_and_colliders():
    pytest.importorskip("viser")
    from r2s.report.viewing import View

    shown = View({"scan": cube_scan(), "reconstruction": cube_reconstruction()})
    try:
        assert shown.page.layers["colliders"].visible  # there is no surface to show instead
        assert {"/scan points/points", "/colliders/object_0"} <= set(shown.page.nodes)
        points = shown.page.nodes["/scan points/points"].points
        assert np.abs(points).max() == pytest.approx(HALF, abs=1e-6)
    finally:
        shown.page.close()


def test_the_page_is_for_this_machine_alone_and_ends_when_it_is_closed(scene):
    pytest.importorskip("viser")
    from r2s.report.browser import Page

    page = Page()
    address = urlsplit(page.url)
    assert address.hostname == "127.0.0.1"
    with urlopen(page.url, timeout=10) as answer:
        assert b"<html" in answer.read().lower()
    page.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((address.hostname, address.port))


def test_a_busy_port_is_told_with_a_remedy():
    pytest.importorskip("viser")
    from r2s.report.browser import Page

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(R2SError, match=f"port {port} cannot be served from") as told:
            Page(port)
    assert told.value.code == "R2S-REPORT-011" and "--browser" in told.value.remedy


@pytest.mark.slow
def test_chromium_draws_the_scene_and_asks_nobody_else(view, tmp_path: Path):
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium here")
    with chromium.browser(tmp_path / "profile") as tab:
        tab.open(view.page.url)

        def seen() -> np.ndarray:
            image = np.asarray(Image.open(io.BytesIO(tab.picture())).convert("L"), int)
            return image[130:, 320:560]  # beside the panel and the notice

        def drawn():
            assert "robot colliders" in tab.text()
            assert np.ptp(seen()) > 50, "the page is bare"

        settled(drawn, chromium.PATIENCE_S)
        for layer in view.page.layers.values():
            layer.visible = False

        def bare():
            assert np.ptp(seen()) < 10, "something is left of what was switched off"

        settled(bare, chromium.PATIENCE_S)
        asked = [urlsplit(url) for url in tab.requests]
        hosts = {url.hostname for url in asked if url.scheme in ("http", "https", "ws", "wss")}
        assert hosts == {"127.0.0.1"}


def test_a_policy_plays_with_its_goal_shown():
    pytest.importorskip("viser")
    import small_arm

    from r2s.core.rigid import quat_to_matrix
    from r2s.report.viewing import View

    scene = small_arm.scene()
    shown = View({"scene": scene, "policy": small_arm.policy(of=scene)})
    try:
        assert all(slider.disabled for slider in shown.sliders.values())
        before = shown.puppet.data.qpos.copy()
        for _ in range(10):
            shown._play_on()
        assert np.abs(shown.puppet.data.qpos - before).max() > 1e-3
        for body, node in shown.page._of_body:
            np.testing.assert_allclose(node.position, shown.puppet.data.xpos[body], atol=1e-4)
        base = np.asarray(scene.info.base_position_m)
        goals = base + scene.goals @ quat_to_matrix(scene.info.base_quaternion).T
        gap = np.linalg.norm(goals - shown.goal.position, axis=1).min()
        assert shown.goal.visible and gap < 1e-5
        assert shown.told.value.startswith("episode 1, ")
        shown._playing.value = False
        joints = shown.puppet.values()

        def law():
            for name, slider in shown.sliders.items():
                assert slider.value == pytest.approx(joints[name], abs=1e-9) and not slider.disabled

        settled(law)
    finally:
        shown.page.close()
