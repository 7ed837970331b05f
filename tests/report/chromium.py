"""A headless Chromium, spoken to over its debugging protocol; no driver needed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0", "--window-size=900,600",
)  # fmt: skip
PATIENCE_S = 60.0


class Tab:
    """Attributes:
    requests: every address that the page asked for.
    said: what it wrote to its console.
    """

    def __init__(self, socket: Any):
        self._socket, self._last = socket, 0
        self.requests: list[str] = []
        self.said: list[str] = []
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self._heard(answer)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def text(self) -> str:
        """Return what can be read on the page."""
        found = self.call("Runtime.evaluate", expression="document.body.innerText")
        return found["result"].get("value", "")

    def picture(self) -> bytes:
        """Return the page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _heard(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Network.webSocketCreated":
            self.requests.append(params["url"])
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.said += [str(each.get("value", "")) for each in params["args"]]


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Yield a tab of a browser that keeps its files in `folder`."""
    from websockets.sync.client import connect

    assert PROGRAM is not None
    command = [PROGRAM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = _port(folder / "DevToolsActivePort")
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            with connect(address, max_size=None, open_timeout=PATIENCE_S) as socket:
                yield Tab(socket)
        finally:
            process.terminate()


def _port(file: Path) -> int:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        if file.exists() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    raise TimeoutError("Chromium did not start")
