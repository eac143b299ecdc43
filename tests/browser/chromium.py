"""A headless Chromium driven over its DevTools protocol on two pipes: real clicks and keys, console, requests.

No driver and no package is needed: the protocol is JSON, a null byte after each message.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    "--remote-debugging-pipe",
]
PATIENCE_S = 60.0


class Page:
    """One tab. console: errors and warnings of the page's scripts. requests: addresses that it asked for."""

    def __init__(self, read: int, write: int) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self._read, self._write, self._rest = read, write, b""
        self._numbers, self._session = itertools.count(1), ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next(method)).get("id") != number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        found: dict[str, Any] = answer["result"]
        return found

    def open(self, path: Path, width: int = 1100, height: int = 800, dark: bool = False, scripts: bool = True) -> None:
        """Open a file in a window of this size, as a phone does if it is narrow, and wait until it has loaded."""
        phone, scheme = width < 600, "dark" if dark else "light"
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} is not true; console: {self.console}")
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Press and release the left button over an element, scrolled into view."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, selector: str, by: int) -> None:
        """Move the pressed mouse from the middle of an element to the right."""
        x, y = self.middle(selector)
        for kind, at, buttons in (("mousePressed", x, 1), ("mouseMoved", x + by, 1), ("mouseReleased", x + by, 0)):
            self.call("Input.dispatchMouseEvent", type=kind, x=at, y=y, button="left", buttons=buttons, clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where the middle of an element is in the window."""
        found = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return found[0], found[1]

    def press(self, key: str, code: int) -> None:
        """Press a key: its name, and its virtual key code."""
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    def _next(self, method: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], PATIENCE_S)[0]:
                raise TimeoutError(f"{method}: no answer from the browser")
            received = os.read(self._read, 1 << 20)
            if not received:
                raise ConnectionError(f"{method}: the browser has ended")
            self._rest += received
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        method, found = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(found["exceptionDetails"].get("exception", found)))
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning", "assert"):
            self.console.append(" ".join(str(part.get("value", part)) for part in found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.console.append(found["entry"]["text"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with an empty profile in a folder, and its one tab."""
    to_browser, ours = os.pipe()
    read, from_browser = os.pipe()
    # the browser expects the numbers 3 and 4; bash, since other shells know numbers of a single digit only
    command = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", BROWSER]
    with open(profile.parent / "chromium.log", "wb") as log:
        process = subprocess.Popen(
            [*command, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(to_browser, from_browser), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Page(read, ours)
    finally:
        os.close(ours)  # the browser ends when its pipe does
        os.close(read)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
