"""A page in a real browser, where one is installed, spoken to as a person would use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((path for name in NAMES if (path := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")


class Page:
    """A page in headless Chromium, spoken to over the DevTools protocol on two pipes."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        self._process = _start_browser(profile, to_browser, from_browser)
        os.close(to_browser)
        os.close(from_browser)
        self._sent, self._left, self._session = 0, b"", ""
        self.complaints: list[dict[str, Any]] = []

    def open(self, address: str) -> None:
        """Load a page and wait until it is complete."""
        target = self.tell("Target.createTarget", url="about:blank")
        attached = self.tell("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")
        self.tell("Page.navigate", url=address)
        while self.script("document.readyState + location.protocol") != "completefile:":
            pass

    def script(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key on whatever has the focus."""
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, **_KEYS[key])

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Send a mouse event with the left button at (x, y) of the window."""
        self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events are looked through."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(answer["params"])

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(10)
        os.close(self._out)
        os.close(self._in)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            data = os.read(self._in, 1 << 20)
            assert data, "the browser ended early"
            self._left += data
        message, self._left = self._left.split(b"\0", 1)
        return dict(json.loads(message))


_KEYS: dict[str, dict[str, int]] = {
    "ArrowRight": {"windowsVirtualKeyCode": 39},
    "Home": {"windowsVirtualKeyCode": 36},
    "End": {"windowsVirtualKeyCode": 35},
}


def _start_browser(profile: Path, to_browser: int, from_browser: int) -> subprocess.Popen[bytes]:
    """Start Chromium, which reads commands from descriptor 3 and answers on 4."""
    # bash moves the pipes there; plain sh cannot name a descriptor above 9.
    moved = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--window-size=1000,900",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
    )
    return subprocess.Popen(
        ["bash", "-c", moved, str(PROGRAM), *options],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
