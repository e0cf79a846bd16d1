"""SIGTERM and Ctrl-C ask for an end; the run answers after its chunk, with a checkpoint."""

import os
import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
    """Set by the first SIGTERM or SIGINT. A second Ctrl-C leaves at once (exit 130), without a checkpoint."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._event.is_set() and number == signal.SIGINT:
            os._exit(130)
        self._event.set()

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for an end."""
        return self._event.is_set()
