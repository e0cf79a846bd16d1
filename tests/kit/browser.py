"""A headless Chromium that a test drives by its own protocol, over a pipe: no port, no driver, no library."""

import base64
import itertools
import json
import os
import select
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

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium is on the PATH: apt-get install chromium (`make prepare` does it)"
HANGS_SECONDS = 120
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
    "--disable-dev-shm-usage", "--force-color-profile=srgb", "--disable-features=DialMediaRouteProvider",
)  # fmt: skip
AS_THREE_AND_FOUR = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
Json = dict[str, Any]


class BrowserError(Exception):
    """The browser refused, ended, or what was waited for did not come."""


def program() -> str:
    """Where a Chromium is; empty where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


@dataclass
class Pipe:
    """The protocol: messages in JSON, each ended by a zero byte."""

    process: subprocess.Popen[bytes]
    to: int
    back: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _left: bytes = b""

    def call(self, method: str, session: str = "", **parameters: Any) -> Json:
        """Ask for something and wait for the answer; events in between are dropped."""
        number = next(self._numbers)
        body = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.to, json.dumps(body).encode() + b"\0")
        end = time.monotonic() + HANGS_SECONDS
        while (answer := self._read(end)).get("id") != number:
            continue
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        found: Json = answer["result"]
        return found

    def _read(self, end: float) -> Json:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self.back], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self.back, 1 << 20) if ready else b""
            if not data:
                raise BrowserError(f"the browser says nothing more (exit code {self.process.poll()})")
            self._left += data
        message, _, self._left = self._left.partition(b"\0")
        found: Json = json.loads(message)
        return found


@dataclass
class Tab:
    """One page in a browser."""

    pipe: Pipe
    session: str

    def call(self, method: str, **parameters: Any) -> Json:
        """A command of the protocol, for this page."""
        return self.pipe.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """What a script gives, be it a promise's; it runs whatever the page's policy is."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = HANGS_SECONDS) -> Any:
        """Wait until a script gives something true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            if time.monotonic() > end:
                raise BrowserError(f"waited {seconds:.0f} s for {script}")
            time.sleep(0.05)
        return found

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page is there."""
        self.run("document.documentElement.dataset.old = '1'")
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && !document.documentElement.dataset.old")

    def look(self, width: int, height: int, *, dark: bool = False, still: bool = False) -> None:
        """How large the window is, and what its user prefers."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def press(self, key: str, text: str = "") -> None:
        """A key, as a person presses it."""
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key, text=text, code=key,
                  windowsVirtualKeyCode=_CODES.get(key, ord(text.upper() or "\0")))  # fmt: skip
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def write(self, text: str) -> None:
        """Text, into what has the focus."""
        self.call("Input.insertText", text=text)

    def shoot(self, file: Path, *, whole: bool = True) -> None:
        """A picture of the page: all of it, or what the window shows."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(found["data"]))


_CODES = {"ArrowDown": 40, "ArrowUp": 38, "Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35}


@contextmanager
def tab() -> Iterator[Tab]:
    """A page in a new browser with a profile of its own; both are gone at the end.

    Raises:
        BrowserError: there is no Chromium here, or it does not start.
    """
    if not program():
        raise BrowserError(MISSING)
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [program(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        numbered = [sys.executable, "-c", AS_THREE_AND_FOUR, str(theirs_in), str(theirs_out), *command]
        process = subprocess.Popen(
            numbered, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        pipe = Pipe(process, ours_out, ours_in)
        try:
            pages = pipe.call("Target.getTargets")["targetInfos"]
            target = next(one["targetId"] for one in pages if one["type"] == "page")
            session = pipe.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield Tab(pipe, session)
            pipe.call("Browser.close")
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            os.close(ours_in)
            os.close(ours_out)
