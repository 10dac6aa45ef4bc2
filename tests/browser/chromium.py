# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's chromium in a container without a network, driven by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import subprocess
import threading
import typing as t

HERE = pathlib.Path(__file__).parent
IMAGE = "localhost/cfcr-browser"
# chromium reads messages from descriptor 3, and writes them to descriptor 4, each with a zero byte at its end.
START = """exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --force-color-profile=srgb \
  --remote-debugging-pipe about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1"""


def image() -> str:
    """Return the image. It is built if it is missing."""
    if subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode:
        subprocess.run([HERE / "build-image", IMAGE], check=True)
    return IMAGE


class Chromium:
    """A browser with one page."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process, self._number, self._session = process, 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **({"sessionId": self._session} if self._session else {})}
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self) -> dict[str, t.Any]:
        text = bytearray()
        while (byte := self._process.stdout.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("chromium has ended")
            text += byte
        return json.loads(text)

    def show(self, page: str, *, width: int, scheme: str = "light", media: str = "screen", height: int = 900) -> None:
        """Show a page in a window of this width."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.setDocumentContent", frameId=self._frame, html=page)

    def evaluate(self, script: str) -> t.Any:
        """Return the value of a script, or of its promise."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", result["exceptionDetails"]["text"]))
        return result["result"].get("value")

    def picture(self, height: int | None = None) -> bytes:
        """Return a PNG of the whole page, or of its upper part."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height or size["height"], size["height"], 8000), "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"])

    def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        return base64.b64decode(self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])


@contextlib.contextmanager
def chromium(seconds: float = 100) -> t.Iterator[Chromium]:
    """Start a browser, and end it, also if it hangs."""
    command = ["podman", "--runtime", "runc", "run", "--rm", "--interactive", "--network=none", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]
    process = subprocess.Popen([*command, image(), "sh", "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    timer = threading.Timer(seconds, process.terminate)
    timer.start()
    try:
        browser = Chromium(process)
        yield browser
        with contextlib.suppress(RuntimeError):
            browser._session = None
            browser.call("Browser.close")
    finally:
        timer.cancel()
        process.stdin.close()
        process.terminate()
        process.wait(10)
