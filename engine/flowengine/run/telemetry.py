"""What a run records of itself. Whatever fails here is a sentence for a person, and never decides over the run."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np

from flowengine import capsule
from flowengine.capsule.curve import HEALTH
from flowengine.certify import COLOURS
from flowengine.loop import Carry, certificates
from flowengine.run.live import Live
from flowengine.store.io import reason

_PLACES = np.array([HEALTH.index(one) for one in COLOURS], np.int8)


class Telemetry:
    """The rows and events of one process's share of a flow.

    Args:
        kept: The capsule that they go to.
        every: Record certificates at multiples of so many iterations only; None: all.
        first: The number of the first certificate that is new.

    Attributes:
        live: The same for whoever asks while the run goes on.
    """

    def __init__(self, kept: capsule.Capsule, every: int | None, first: int) -> None:
        self._capsule, self._every, self._drained = kept, every, first
        self.live = Live(kept)
        self._libraries = threading.Thread(target=_load, name="telemetry", daemon=True)

    def event(self, event: capsule.Event, iteration: int, **more: Any) -> None:
        """Add an event; `more` as of `Capsule.event`."""
        self.live.add_event(self._capsule.event(event, iteration, wall_ms(), **more))

    def drain(self, carry: Carry, seconds: float) -> None:
        """Take the new certificates from the ring; their times are spread over the chunk's seconds."""
        fresh = certificates(carry, self._drained)
        self._drained = int(carry.certificates)
        iterations = fresh[:, 0].astype(np.int64)
        ago = (1000 * seconds * (1 - np.arange(1, len(fresh) + 1) / max(len(fresh), 1))).astype(np.int64)
        epochs = np.full_like(iterations, self._capsule.common["epoch"])
        health = _PLACES[fresh[:, -1].astype(np.int64)]
        curve = capsule.Curve(np.stack([iterations, epochs, wall_ms() - ago], axis=1), fresh[:, 1:-1], health)
        if self._every is not None:
            curve = curve.take(iterations % self._every == 0)
        if len(curve):
            self._capsule.add(curve)
            self.live.add(curve)

    def load_libraries(self) -> None:
        """Load what writing needs, beside the loop; not before its first iterations, which would wait for it."""
        if self._libraries.ident is None:
            with suppress(RuntimeError):  # no more threads may be started
                self._libraries.start()

    def flush(self, iteration: int) -> str:
        """Write what is pending; what went wrong, if anything did."""
        try:
            self._capsule.flush(iteration)
        except BaseException as error:  # noqa: BLE001 - a library that can't be loaded may raise anything, SystemExit too
            return f"telemetry could not be written ({_why(error)})"
        return ""

    def compact(self) -> str:
        """Put the parts together; what went wrong, if anything did."""
        try:
            damaged = self._capsule.compact()
        except BaseException as error:  # noqa: BLE001 - as above
            return f"telemetry could not be put together ({_why(error)})"
        named = f"{damaged[0]} and {len(damaged) - 1} more" if len(damaged) > 1 else "".join(damaged)
        return f"telemetry that is damaged was passed over and set aside ({named})" if damaged else ""


def wall_ms() -> int:
    """The time of day, for people."""
    return time.time_ns() // 1_000_000


def _load() -> None:
    with suppress(BaseException):  # `flush` will say so
        capsule.prepare()


def _why(error: BaseException) -> str:
    if isinstance(error, OSError):
        return reason(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
