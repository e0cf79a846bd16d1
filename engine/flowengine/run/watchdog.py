"""Ends a process that hangs: a pod has no liveness probe, whose SIGTERM would read as a polite stop."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

from flowapi.report import ExitCode

DEADLINE_SECONDS = 600.0
LAST_WORDS_SECONDS = 2.0


class Watchdog:
    """Wants to be told of progress in whatever goes on; without it, dumps every thread's stack and exits with 70.

    Args:
        hung: Told what hangs, in a thread of its own that is not waited for long.
        deadline: Seconds.
    """

    def __init__(self, hung: Callable[[str], None] = lambda _: None, deadline: float = DEADLINE_SECONDS) -> None:
        self._hung, self._deadline = hung, deadline
        self._due: dict[str, tuple[float, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def alive(self, what: str, seconds: float | None = None) -> None:
        """Something goes on, or has made progress; it will again, or `rest`, within the deadline or so many seconds."""
        limit = seconds or self._deadline
        self._due[what] = time.monotonic() + limit, limit

    def rest(self, what: str) -> None:
        """It has ended."""
        self._due.pop(what, None)

    def close(self) -> None:
        """The run is over."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._deadline / 4)):
            now = time.monotonic()
            for what, (due, limit) in list(self._due.items()):
                if now > due:
                    _end(f"no progress in {what} for {limit:.0f} s", self._hung)


def _end(sentence: str, hung: Callable[[str], None]) -> None:
    """Whether or not there is somewhere to write it, and whatever else hangs."""
    try:
        teller = threading.Thread(target=hung, args=(sentence,), daemon=True)
        teller.start()
        teller.join(LAST_WORDS_SECONDS)
        sys.stderr.write(f"{sentence}: the stacks of all threads follow\n")
        faulthandler.dump_traceback()
    finally:
        os._exit(ExitCode.INTERNAL)
