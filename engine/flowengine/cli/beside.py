"""Shows a run in a thread of its own: a terminal that stands still, or a reader that stops reading, stops no run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable

from flowapi.report import RunReport

PATIENCE_SECONDS = 2.0
MOST_PENDING = 10_000


class Beside:
    """Calls what shows reports, one at a time and in order; a context that waits a moment for the last of them.

    Args:
        show: Shows a report. When it fails once, nothing more is shown.
    """

    def __init__(self, show: Callable[[RunReport], None]) -> None:
        self._show = show
        self._pending: deque[tuple[Hashable, Callable[[], None]]] = deque(maxlen=MOST_PENDING)
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(PATIENCE_SECONDS)

    def observe(self, report: RunReport) -> None:
        """Show this one, instead of one before it that says nothing else but figures and was not shown yet."""
        key = (report.state, report.saved and report.saved.id, report.warnings)
        with self._changed:
            if self._pending and self._pending[-1][0] == key:
                self._pending.pop()
            self._pending.append((key, lambda: self._show(report)))
            self._changed.notify_all()

    def call(self, last: Callable[[], None]) -> None:
        """Call this after what is still to be shown."""
        with self._changed:
            self._pending.append((object(), last))
            self._changed.notify_all()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except Exception:  # noqa: BLE001 - whatever it is, the run goes on
                return

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._pending)
            return self._pending.popleft()[1] if self._pending else None
