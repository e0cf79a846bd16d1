"""What `cflow run` shows on a terminal: one block that stays in its place, and warnings above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from flowapi.report import HEALTH_MARKS, RunReport
from flowengine.cli.spark import Trace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

REFRESHES = 4  # a second
NARROW = 60
STYLES = {"GREEN": "green", "AMBER": "yellow", "RED": "red"}


class Block:
    """Energy, residual, gap, health, rate, time left, the last checkpoint's age, and the residual as a sparkline.

    Args:
        name: The flow's.
        console: Where it is shown; by default standard output.
        clock: Seconds, for the age of a checkpoint.
    """

    def __init__(self, name: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console  # noqa: PLC0415 - terminals only
        from rich.live import Live  # noqa: PLC0415

        self.console = console or Console()
        self._name, self._clock = name, clock
        self._residuals = Trace()
        self._report: RunReport | None = None
        self._saved, self._saved_at = "", 0.0
        self._warnings: tuple[str, ...] = ()
        self._live = Live(get_renderable=self.text, console=self.console, refresh_per_second=REFRESHES)

    def __enter__(self) -> Block:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def stop(self) -> None:
        """Give the terminal its cursor back."""
        self._live.stop()

    def observe(self, report: RunReport) -> None:
        """Take note of the report as it stands."""
        from rich.text import Text  # noqa: PLC0415

        for sentence in report.warnings:
            if sentence not in self._warnings:
                self.console.print(Text(f"warning: {sentence}", "yellow"))
        self._warnings = report.warnings
        if report.residual is not None:
            self._residuals.add(report.iteration, report.residual)
        if report.saved and report.saved.id != self._saved:
            self._saved, self._saved_at = report.saved.id, self._clock()
        self._report = report

    def text(self) -> Text:
        """The block as it stands now."""
        from rich.text import Text  # noqa: PLC0415

        width = max(NARROW, self.console.width) - 2
        found, report = Text(no_wrap=True, overflow="ellipsis"), self._report
        if report is None:
            return found.append(f"{self._name}  starting")
        found.append(self._name, "bold").append(f"  {report.revision}  {report.state.lower()}  ")
        found.append(f"{HEALTH_MARKS[report.controller]} {report.controller}", STYLES[report.controller])
        found.append("\n").append_text(_bar(report, width)).append("\n")
        found.append("  ".join(f"{name} {_number(value)}" for name, value in _figures(report)))
        line = self._residuals.line(width - 10)
        if line:
            found.append("\nresidual  ").append(line, "cyan")
        if report.saved:
            age = _duration(self._clock() - self._saved_at)
            found.append(f"\nsaved at iteration {report.saved.iteration}, {age} ago")
        return found


def _bar(report: RunReport, width: int) -> Text:
    from rich.text import Text  # noqa: PLC0415

    limit = f"/{report.max_iterations}" if report.max_iterations else ""
    rate = f"  {_rate(report.rate)} it/s" if report.rate is not None else ""
    goes_on = report.eta is not None and report.state == "Running"
    left = f"  {_duration(report.eta or 0)} left at the most" if goes_on else ""
    words = f"iteration {report.iteration}{limit}{rate}{left}"
    room = width - len(words) - 2
    if not report.max_iterations or room < 10:
        return Text(words)
    done = int(room * min(1.0, report.iteration / report.max_iterations))
    return Text.assemble(words, "  ", ("━" * done, "cyan"), ("─" * (room - done), "dim"))


def _figures(report: RunReport) -> list[tuple[str, float | None]]:
    found = [("energy", report.energy), ("residual", report.residual), ("gap", report.gap)]
    return [(name, value) for name, value in found if value is not None or name != "gap"]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
