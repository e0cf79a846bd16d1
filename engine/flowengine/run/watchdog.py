"""Ends a process that hangs: a pod has no liveness probe, whose SIGTERM would read as a polite stop."""

import faulthandler
import os
import sys
import threading
import time

from flowapi.report import ExitCode

DEADLINE_SECONDS = 600.0


class Watchdog:
    """Wants to be told of progress every now and then; without it, dumps every thread's stack and exits with 70."""

    def __init__(self, deadline: float = DEADLINE_SECONDS) -> None:
        self._deadline = deadline
        self._last: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def alive(self) -> None:
        """The run has made progress."""
        self._last = time.monotonic()

    def suspend(self) -> None:
        """The run loads or compiles, which may take any time."""
        self._last = None

    def close(self) -> None:
        """The run is over."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._deadline / 4)):
            last = self._last
            if last is not None and time.monotonic() - last > self._deadline:
                sys.stderr.write(f"no progress for {self._deadline:.0f} s: the stacks of all threads follow\n")
                faulthandler.dump_traceback()
                os._exit(ExitCode.INTERNAL)
