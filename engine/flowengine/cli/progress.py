"""What a run shows: a block of lines on a terminal, plain lines elsewhere, or JSON."""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from flowapi.report import RunReport

LINE_SECONDS = 5.0


def display(name: str, *, quiet: bool, as_json: bool) -> Display:
    """The display that fits the terminal and the options."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    return OnTerminal(name) if sys.stdout.isatty() else Lines(name)


class Display(ABC):
    """Shows a run while it goes, and how it ended."""

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @abstractmethod
    def observe(self, report: RunReport) -> None:
        """Take note of the report as it stands."""

    def result(self, summary: Mapping[str, Any], folder: Path) -> None:
        """Say how the flow ended and where its result is."""
        _print(f"{summary['reason']} at iteration {summary['iterations']}, energy {_number(summary['energy'])}")
        for variable, digest in summary["sha256"].items():
            _print(f"  {folder / variable}.npy  sha256 {digest}")

    def left(self, command: str) -> None:
        """Say that the run ended before it had anything to save; called from a thread, and the process ends then."""
        _print(f"stopped before the first iteration; the same command starts it:\n  {command}")

    def paused(self, report: RunReport, command: str) -> None:
        """Say that the flow can go on, and how."""
        iteration = report.saved.iteration if report.saved else 0
        _print(f"stopped with a checkpoint at iteration {iteration}; the same command goes on:\n  {command}")


class Quiet(Display):
    """Shows nothing but the end."""

    def observe(self, report: RunReport) -> None:
        """Nothing."""


class JsonLines(Display):
    """A line of JSON for each checkpoint, and one for the end."""

    def __init__(self) -> None:
        self._saved = ""

    def observe(self, report: RunReport) -> None:
        """Print the report when a checkpoint was made."""
        if report.saved and report.saved.id != self._saved:
            self._saved = report.saved.id
            _print(report.to_bytes(64 * 1024).decode())

    def result(self, summary: Mapping[str, Any], folder: Path) -> None:
        """Print the summary file."""
        _print(json.dumps(summary))

    def paused(self, report: RunReport, command: str) -> None:
        """Print the last report."""
        _print(report.to_bytes(64 * 1024).decode())


class Lines(Display):
    """A line at the start, one every few seconds, one at each warning."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0
        self._warnings: tuple[str, ...] = ()
        self._introduced = False

    def observe(self, report: RunReport) -> None:
        """Print a line when it is time for one."""
        _warn(self._warnings, report.warnings)
        self._warnings = report.warnings
        if not self._introduced:
            self._introduced = True
            _print(_introduction(self._name, report))
        elif time.monotonic() >= self._next and report.state == "Running":
            _print(f"{self._name}: {_state(report)}")
            self._next = time.monotonic() + LINE_SECONDS


class OnTerminal(Display):
    """A block that stays in its place."""

    def __init__(self, name: str) -> None:
        from flowengine.cli.block import Block  # noqa: PLC0415 - terminals only

        self._block = Block(name)

    def __enter__(self) -> OnTerminal:
        self._block.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._block.stop()

    def left(self, command: str) -> None:
        """Give the terminal its cursor back, too."""
        self._block.stop()
        super().left(command)

    def observe(self, report: RunReport) -> None:
        """Show it."""
        self._block.observe(report)


def _introduction(name: str, report: RunReport) -> str:
    if report.restored_from is None:
        return f"{name}: starting (revision {report.revision})"
    lost = f", {report.lost_iterations} iterations lost" if report.lost_iterations else ""
    return f"{name}: going on from iteration {report.restored_from.iteration} (revision {report.revision}{lost})"


def _state(report: RunReport) -> str:
    if report.state != "Running" or report.rate is None:
        return report.state.lower()
    saved = f", saved {report.saved.iteration}" if report.saved else ""
    limit = f"/{report.max_iterations}" if report.max_iterations else ""
    return (
        f"{report.iteration}{limit}  E {_number(report.energy)}  residual {_number(report.residual)}  "
        f"{report.rate:.0f} it/s{saved}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _warn(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    for sentence in after:
        if sentence not in before:
            sys.stderr.write(f"cflow: warning: {sentence}\n")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
