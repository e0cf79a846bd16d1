"""SIGTERM, SIGHUP and Ctrl-C ask for an end: at once while there is nothing to save, else after a checkpoint."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

STOPPED = 75  # as in `ExitCode`, which takes 0.1 s to load
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def leave_at_once() -> None:
    """The first thing that a process does: until a `StopRequest` takes over, any of the signals ends it with 75.

    Whoever starts the process may block SIGTERM for it, as the image's entry point does: the first process of a pod
    never gets a signal that it neither handles nor blocks, and the interpreter alone takes 0.03 s to start.
    """
    for number in _not_ignored():
        signal.signal(number, lambda *_: os._exit(STOPPED))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


class StopRequest:
    """Set by the first of the signals. A second Ctrl-C leaves at once (exit 130), without a checkpoint.

    A thread of its own hears of them: the main one may be in a library for long, and not answer.

    Args:
        leave: Called before the process ends at once, with nothing to save: a last word.
    """

    def __init__(self, leave: Callable[[], None] = lambda: None) -> None:
        self._leave = leave
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._begun = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, args=(reader,), name="signals", daemon=True)
        self._thread.start()
        for number in _not_ignored():
            self._previous[number] = signal.signal(number, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)
        self._thread.join()

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for an end."""
        return self._event.is_set()

    def begin(self) -> None:
        """From here on there is something to save: whoever looks at `wanted` does that."""
        with self._lock:
            self._begun = True

    def _listen(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as numbers:
            while found := numbers.read(1):
                if found[0] in STOPPING:
                    self._asked(found[0])

    def _asked(self, number: int) -> None:
        if self.wanted and number == signal.SIGINT:
            os._exit(130)
        self._event.set()
        with self._lock:
            if not self._begun:
                with suppress(Exception):
                    self._leave()
                os._exit(STOPPED)


def _not_ignored() -> Iterator[signal.Signals]:
    """Those that whoever started the process has not had ignored, such as `nohup`; SIGTERM in any case."""
    return (one for one in STOPPING if one is signal.SIGTERM or signal.getsignal(one) is not signal.SIG_IGN)
