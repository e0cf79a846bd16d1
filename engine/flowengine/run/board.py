"""The run's report as it stands, shared between the loop, the status server and the progress display."""

import threading
from collections.abc import Callable
from typing import Any

from flowapi.report import RunReport


class Board:
    """Holds the current report; replaced as a whole, so that readers never see half of a change.

    Attributes:
        ask: Telemetry after an iteration, in at most so many points, as JSON; None until there is some.
    """

    ask: Callable[[int, int], bytes] | None = None

    def __init__(self, report: RunReport) -> None:
        self._report = report
        self._lock = threading.Lock()

    @property
    def report(self) -> RunReport:
        """The report as it stands."""
        return self._report

    def update(self, **changes: Any) -> RunReport:
        """Replace some fields, by their Python names."""
        with self._lock:
            self._report = self._report.model_copy(update=changes)
            return self._report
