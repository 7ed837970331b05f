"""A page in the browser that shows things in three dimensions, served by viser to this machine alone.

page = Page(port)
robot = page.layer("robot")
page.add(robot, "base_link", items, body=1)     # moves with body 1 of a model
page.pose(puppet)
"""

from __future__ import annotations

import contextlib
import errno
import io
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.report.camera import Camera
from r2s.report.glb import glb
from r2s.report.light import Item
from r2s.report.puppet import Puppet

HOST = "127.0.0.1"  # scans of homes are for nobody else
DEFAULT_PORT, PORTS = 8080, 100
EXTRA = "pip install 'r2s-pipeline[viz]'"


class Page:
    """Attributes:
    server: the `viser.ViserServer`.
    layers: name to the node that everything of the layer hangs from.
    nodes: node name to node, of all that was added.
    """

    def __init__(self, port: int = 0):
        """Serve an empty page.

        Args:
            port: 0: 8080, or the next one that is free.

        Raises:
            R2SError: viser is not installed (`R2S-REPORT-010`), or the port is taken (`-011`).
        """
        viser = _viser()
        chosen = port or _free_port()
        _check_free(chosen)
        with _silent():
            self.server = viser.ViserServer(host=HOST, port=chosen, label="r2s", verbose=False)
        if self.server.get_port() != chosen:  # taken since: viser went on to the next one
            self.close()
            raise _port_taken(chosen)
        # Sharing would send the place through somebody else's machine.
        self.server.gui.configure_theme(show_logo=False, show_share_button=False)
        self.server.scene.set_up_direction("+z")
        self.layers: dict[str, Any] = {}
        self.nodes: dict[str, Any] = {}
        self._of_body: list[tuple[int, Any]] = []
        self._switches = self.server.gui.add_folder("layers")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server.get_port()}"

    def close(self) -> None:
        """Stop serving."""
        with _silent():
            self.server.stop()

    def look(self, camera: Camera) -> None:
        """Let those who open the page begin at a camera."""
        start = self.server.initial_camera
        start.position, start.look_at = camera.position, camera.target

    def layer(self, name: str, *, shown: bool = True) -> str:
        """Make a layer with its switch, and return its name."""
        node = self.server.scene.add_frame(f"/{name}", show_axes=False, visible=shown)
        with self._switches:
            switch = self.server.gui.add_checkbox(name, shown)

        @switch.on_update
        def _(_event: Any) -> None:
            node.visible = switch.value

        self.layers[name] = node
        return name

    def add(
        self, layer: str, name: str, items: Sequence[Item], *, one_sided: bool = False,
        body: int = 0,
    ) -> None:  # fmt: skip
        """Add surfaces, whose poses are in the frame of a body.

        Args:
            name: unique in the layer.
            body: index in the model that `pose` is given; 0 is the world, which stays.
        """
        path = f"/{layer}/{name.replace('/', '.')}"
        node = self.server.scene.add_glb(path, glb(items, one_sided=one_sided))
        self.nodes[path] = node
        if body:
            self._of_body.append((body, node))

    def add_points(self, layer: str, points: np.ndarray, colors: np.ndarray, size_m: float) -> None:
        """Add (n, 3) points in the world, with (n, 3) or (3,) uint8 colours."""
        path = f"/{layer}/points"
        self.nodes[path] = self.server.scene.add_point_cloud(
            path, points, colors, point_size=size_m, precision="float32"
        )

    def pose(self, puppet: Puppet) -> None:
        """Put everything that was added with a body where the body is now."""
        data = puppet.data
        with self.server.atomic():
            for body, node in self._of_body:
                node.position, node.wxyz = data.xpos[body], data.xquat[body]


def _silent() -> contextlib.redirect_stdout:
    """Return a context in which viser tells nothing: stdout is the answer's."""
    return contextlib.redirect_stdout(io.StringIO())


def has_viser() -> bool:
    """Whether pages can be served here."""
    from importlib.util import find_spec

    return find_spec("viser") is not None


def _viser() -> Any:
    try:
        import viser  # pyright: ignore[reportMissingImports] - optional
    except ImportError as exc:
        raise R2SError(
            "R2S-REPORT-010",
            "the browser view needs viser, which is not installed",
            where=str(exc),
            why="it is optional: r2s view draws a picture without it",
            remedy=EXTRA,
        ) from exc
    return viser


def _check_free(port: int) -> None:
    """Raise where a port cannot be listened on; viser would take another one and say nothing."""
    try:
        _listen(port)
    except OSError as exc:
        if exc.errno in (errno.EADDRINUSE, errno.EACCES):
            raise _port_taken(port) from exc
        raise


def _free_port() -> int:
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS):
        try:
            _listen(port)
        except OSError:
            continue
        return port
    raise _port_taken(DEFAULT_PORT)


def _listen(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.listen()


def _port_taken(port: int) -> R2SError:
    return R2SError(
        "R2S-REPORT-011",
        f"port {port} cannot be served from: another program has it, or it is not for users",
        where=f"{HOST}:{port}",
        why="the page needs a port of its own",
        remedy="r2s view --browser   # without --port a free one is found",
    )
