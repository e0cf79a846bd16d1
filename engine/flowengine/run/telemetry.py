"""What a run records of itself. Whatever fails here is a sentence for a person, and never decides over the run."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from flowengine import capsule
from flowengine.loop import Carry, rows
from flowengine.run.live import Live
from flowengine.store.io import reason


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
        fresh = rows(carry, self._drained)
        taken = []
        self._drained = int(carry.certificates)
        end = wall_ms()
        for index, row in enumerate(fresh):
            if self._every is None or row.iteration % self._every == 0:
                taken.append(self._capsule.row(
                    iter=row.iteration, t_wall_ms=end - int(1000 * seconds * (len(fresh) - 1 - index) / len(fresh)),
                    E=row.energy, residual=row.residual, gap=row.gap, feasibility=row.feasibility,
                    grad_norm=row.gradient_norm, alpha=row.step, invariant_drift_max=row.drift,
                    controller=row.controller,
                ))  # fmt: skip
        self.live.add(taken)

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
