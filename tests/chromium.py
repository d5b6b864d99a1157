"""A real Chromium, driven by its DevTools protocol over a pipe, with a virtual authenticator in it.

Messages are JSON, each ended by a zero byte; the browser reads its third file descriptor and writes its fourth.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
ENDS = """
import os, sys
for number, wanted in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(number), wanted)
    os.set_inheritable(wanted, True)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE_SECONDS = 20.0
VERIFYING = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def program() -> str | None:
    """The browser of this machine, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """One page of the browser."""

    reading: Any
    writing: Any
    session: str = ""
    number: int = 0
    unread: bytes = b""
    authenticator: str = ""
    happened: list[dict] = field(default_factory=list)

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.number += 1
        said: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            said["sessionId"] = self.session
        self.writing.write(json.dumps(said).encode() + b"\0")
        self.writing.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.happened.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            piece = os.read(self.reading.fileno(), 65_536)
            assert piece, "the browser has gone"
            self.unread += piece
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def script(self, text: str) -> Any:
        """The value of an expression in the page, as if a person had just touched it."""
        found = self.tell("Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in found, (text, found["exceptionDetails"])
        return found["result"].get("value")

    def wait_for(self, text: str) -> Any:
        """Until an expression is true in the page, over changes of the page."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE_SECONDS:
            try:
                found = self.script(text)
            except AssertionError:
                found = None  # the page is just being changed
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"never true: {text}; the page says {self.script('document.body.innerText')}")

    def open(self, address: str) -> None:
        self.tell("Page.navigate", url=address)
        self.wait_for(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(address)})")

    def fill(self, selector: str, text: str) -> None:
        self.script(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def press(self, selector: str) -> None:
        """Press a button that is there, once the page is ready."""
        chosen = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"document.readyState === 'complete' && {chosen} && !{chosen}.disabled")
        self.script(f"{chosen}.click()")

    def text(self) -> str:
        return self.script("document.body.innerText")

    def verify_user(self, *, verified: bool) -> None:
        """Whether the device knows its user from now on."""
        self.tell("WebAuthn.setUserVerified", authenticatorId=self.authenticator, isUserVerified=verified)

    def picture(self, file: Path, width: int) -> None:
        """The whole page at a width, as a PNG."""
        height = self.script("document.documentElement.scrollHeight")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        size["height"] = self.script("document.documentElement.scrollHeight")
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))
        self.tell("Emulation.clearDeviceMetricsOverride")


@contextmanager
def opened() -> Iterator[Tab]:
    """A page of a new browser with a profile of its own, and a device that verifies its user."""
    found = program()
    assert found
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [sys.executable, "-c", ENDS, str(theirs_in), str(theirs_out), found, *SWITCHES]
        browser = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            with os.fdopen(ours_in, "rb", buffering=0) as reading, os.fdopen(ours_out, "wb") as writing:
                yield _first_tab(reading, writing)
        finally:
            browser.terminate()
            browser.wait(10)


def _first_tab(reading: Any, writing: Any) -> Tab:
    tab = Tab(reading, writing)
    target = tab.tell("Target.createTarget", url="about:blank")["targetId"]
    tab.session = tab.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "WebAuthn"):
        tab.tell(f"{domain}.enable")
    tab.tell("Emulation.setFocusEmulationEnabled", enabled=True)
    tab.authenticator = tab.tell("WebAuthn.addVirtualAuthenticator", options=VERIFYING)["authenticatorId"]
    return tab
