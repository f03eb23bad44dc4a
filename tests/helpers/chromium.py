"""A headless Chromium on a pipe, for tests that open a page: nothing but the browser is needed.

Chromium reads commands of its DevTools protocol from descriptor 3 and writes answers and events to
descriptor 4, as JSON objects that end with a zero byte.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe")  # fmt: skip


def find_chromium():
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A browser with one page, to be used in a ``with`` block.

    Parameters
    ----------
    program : str
        As `find_chromium` returns it.
    profile : path
        A folder that is not there yet.

    Attributes
    ----------
    events : list of (method, params)
        What the page told, in order.
    """

    def __init__(self, program, profile):
        self.events, self._last, self._rest = [], 0, b""
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [program, *OPTIONS, f"--user-data-dir={profile}"]
        # the shell puts the two ends where Chromium looks for them
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *command], pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None

    def __enter__(self):
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            found = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = found["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self._session = None
        with contextlib.suppress(OSError, RuntimeError):  # it may have ended
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method, **params):
        """Return the result of one command of the protocol."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self, seconds=60):
        """Return the next message; an event is kept as well."""
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            more = os.read(self._in, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("chromium: expected an answer, found " +
                                   ("its end" if ready else f"none in {seconds} s"))  # fmt: skip
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message

    def open(self, url, width=1280, height=900, *, dark=False):
        """Open a page at a width in CSS pixels and wait until it has loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, event):
        """Wait until an event of that name has come since `events` was last cleared."""
        while event not in (name for name, _ in self.events):
            self._read()

    def evaluate(self, expression):
        """Return the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']['text']}")
        return found["result"].get("value")

    def requests(self):
        """Return the addresses that the page asked for since it was opened."""
        return [p["request"]["url"] for name, p in self.events
                if name == "Network.requestWillBeSent"]  # fmt: skip

    def complaints(self):
        """Return what the console and the browser's log said, and uncaught errors, as text."""
        found = []
        for name, p in self.events:
            if name == "Runtime.consoleAPICalled":
                found.append(" ".join(str(a.get("value", a)) for a in p["args"]))
            elif name == "Runtime.exceptionThrown":
                found.append(p["exceptionDetails"]["text"])
            elif name == "Log.entryAdded":
                found.append(p["entry"]["text"])
        return found
