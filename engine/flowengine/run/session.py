"""A run from start to end: chunks of the compiled loop, checkpoints, and an answer to everything that can stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from flowapi.errors import FlowError, VolumeError
from flowapi.report import ExitCode
from flowengine.loop import Carry, Snapshot, snapshot
from flowengine.run import leaves, platform
from flowengine.run.announcing import announce, recording
from flowengine.run.board import Board
from flowengine.run.cadence import Pace, per_second
from flowengine.run.ending import diverged, finished_before, is_tried, point_at_result, result_of, tried, write_result
from flowengine.run.opening import Opened, open_run
from flowengine.run.reporting import Observer, Reporter
from flowengine.run.request import RunRequest
from flowengine.run.saver import seconds_for
from flowengine.run.saves import ITERATING, Saves
from flowengine.run.signals import StopRequest
from flowengine.run.unsolvable import due, next_due, reddened, unsolvable
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointStore
from flowengine.store.io import reason

COMPILING_SECONDS = 3600.0
COMPILING, ENDING = "compiling", "writing the result"
FAR = 2**53


class Session:
    """One process's share of a flow. `run` returns the exit code; errors leave as exceptions with theirs.

    Args:
        claimed: Called once the volume is this process's.
        hung: Told what hangs, before the process ends for it.

    Attributes:
        summary: Of a flow that has ended: the file `summary.json`.
    """

    def __init__(
        self,
        request: RunRequest,
        board: Board,
        stop: StopRequest,
        observe: Observer,
        claimed: Callable[[CheckpointStore], None] = lambda _: None,
        hung: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._request, self._claimed, self._hung = request, claimed, hung
        self._board = board
        self._stop = stop
        self._observe = observe
        self.summary: Mapping[str, Any] = {}

    def run(self) -> ExitCode:
        """Open the flow, iterate until something ends it, and leave it in order."""
        with ExitStack() as stack:
            watchdog = Watchdog(self._hung)
            stack.callback(watchdog.close)
            opened = open_run(self._request, self._board)
            stack.callback(opened.store.close)
            run = _Run(self._request, opened, self._board, self._stop, self._observe, watchdog)
            stack.callback(run.close)
            run.remember(self._claimed)
            code = run.go()
            self.summary = run.summary
            return code


class _Run:
    """The part of a session that has a claim and a carry."""

    def __init__(
        self,
        request: RunRequest,
        opened: Opened,
        board: Board,
        stop: StopRequest,
        observe: Observer,
        watchdog: Watchdog,
    ) -> None:
        self._request, self._opened, self._stop, self._watchdog = request, opened, stop, watchdog
        self._revision = request.revision.hash
        self._started = time.monotonic()
        self._carry: Carry = opened.carry
        self.summary: Mapping[str, Any] = {}
        self._pace = Pace(1, opened.compiled.settings.rows * opened.compiled.settings.every)
        self._reporter = Reporter(board, observe, opened.warnings)
        self._telemetry = recording(request, opened)
        board.ask = self._telemetry.live.answer
        self._saves = Saves(request, opened, self._telemetry, self._reporter, watchdog, self._started)

    def close(self) -> None:
        """End what runs beside the loop."""
        self._saves.close()

    def remember(self, claimed: Callable[[CheckpointStore], None]) -> None:
        """Let others keep what they need beside the checkpoints; the run goes on without."""
        try:
            claimed(self._opened.store)
        except (OSError, VolumeError) as error:
            why = reason(error) if isinstance(error, OSError) else error
            self._reporter.warn(f"`cflow resume` won't find this run, for the folder can't be written: {why}")

    def go(self) -> ExitCode:
        announce(self._opened, self._iteration, self._reporter, self._telemetry)
        if (finished := self._finished_before()) is not None:
            return finished
        self._reporter.update(state="Compiling")
        self._watchdog.alive(COMPILING, COMPILING_SECONDS)
        self._carry = self._opened.program(self._carry, self._iteration)
        self._watchdog.rest(COMPILING)
        platform.settle()
        if self._opened.claimed.warm is not None:
            self._saves.now(self._carry, "jump")
        self._reporter.update(state="Running")
        self._stop.begin()
        try:
            return self._iterate()
        except FlowError:
            raise
        except Exception:
            self._saves.rescue(self._carry)
            raise

    @property
    def _iteration(self) -> int:
        return int(self._carry.k)

    @property
    def _wall_seconds(self) -> float:
        return self._opened.wall_seconds + time.monotonic() - self._started

    def _iterate(self) -> ExitCode:
        """Chunks until a stop rule holds, the time is over, or somebody asks for an end."""
        limit = self._request.settings.stop.wall_time
        until = self._request.until or FAR
        while True:
            self._watchdog.alive(ITERATING)
            now = snapshot(self._carry)
            if now.reason is not None:
                return self._finish(now, now.reason)
            if limit is not None and self._wall_seconds >= limit:
                self._opened = replace(self._opened, bit_identical=False)
                return self._finish(now, "TimeLimit")
            if due(now.iteration):
                self._look(now)
            if self._stop.wanted or now.iteration >= until:
                return self._pause()
            ends = (until, self._saves.next_multiple(now.iteration), next_due(now.iteration))
            self._chunk(min(*ends, now.iteration + self._pace.iterations))
            self._saves.keep_up(self._carry)

    def _look(self, now: Snapshot) -> None:
        """End the run where something proves that there is no solution.

        Raises:
            NoSolutionError: it does.
        """
        self._watchdog.rest(ITERATING)
        self._watchdog.alive(COMPILING, COMPILING_SECONDS)
        error = unsolvable(self._opened.compiled, self._carry, now, self._request.at)
        self._watchdog.rest(COMPILING)
        self._watchdog.alive(ITERATING)
        if error is not None:
            self._carry = reddened(self._carry)
            self._reporter.update(controller="RED")
            self._telemetry.event("RUN_FAILED", now.iteration, detail=error.message)
            self._saves.now(self._carry, "final")
            raise error

    def _chunk(self, until: int) -> None:
        before, began = self._iteration, time.monotonic()
        self._carry = self._opened.program(self._carry, until)
        seconds, done = time.monotonic() - began, self._iteration - before
        self._pace = self._pace.measured(max(done, 1), seconds)
        self._telemetry.drain(self._carry, seconds)
        self._saves.heartbeat(self._iteration)
        now = snapshot(self._carry)
        rate = per_second(done, seconds)
        left = (self._request.settings.stop.max_iterations or now.iteration) - now.iteration
        self._reporter.show(
            iteration=now.iteration, energy=now.energy, residual=now.residual, gap=now.gap,
            controller=now.controller, rate=rate, eta=left / rate if rate else None,
        )  # fmt: skip
        self._telemetry.load_libraries()

    def _pause(self) -> ExitCode:
        self._reporter.update(state="Stopping")
        self._saves.sign(self._iteration)
        self._saves.wait_for(self._iteration)
        if not self._saves.durable(self._iteration):
            self._telemetry.event("CANCELLED", self._iteration)
            self._saves.now(self._carry, "sigterm")
        self._watchdog.alive(ENDING)
        self._reporter.warn(self._telemetry.flush(self._iteration))
        self._reporter.update(state="Stopped")
        return ExitCode.STOPPED

    def _finish(self, now: Snapshot, why: str) -> ExitCode:
        """The last checkpoint, the result, and only then what else there is to write."""
        if why == "Diverged":
            self._telemetry.event("RUN_FAILED", now.iteration, detail="the iterates are not finite")
            self._saves.now(self._carry, "final")
            raise diverged(self._opened, self._request, now.iteration)
        if why != "Converged":
            self._look(now)
        self._saves.now(self._carry, "final", by_time=why == "TimeLimit")
        self._watchdog.alive(ENDING, seconds_for(leaves.to_leaves(self._carry)))
        summary = write_result(self._opened, self._request, self._carry, now, why, self._wall_seconds)
        self._watchdog.alive(ENDING)  # what only goes along may take its time, too, but not for ever
        self._telemetry.event("RUN_FINISHED", now.iteration, detail=why)
        for sentence in (self._telemetry.flush(now.iteration), self._telemetry.compact(), *summary["warnings"]):
            self._reporter.warn(sentence)
        if is_tried(self._request, why):
            self._watchdog.alive(ENDING, COMPILING_SECONDS)
            for sentence in tried(self._opened, now):
                self._reporter.warn(sentence)
        return self._ended(summary)

    def _finished_before(self) -> ExitCode | None:
        """A flow that had ended under the same stop rules: its result again, nothing computed."""
        summary = finished_before(self._request, self._opened.store, self._iteration)
        return None if summary is None else self._ended(summary)

    def _ended(self, summary: Mapping[str, Any]) -> ExitCode:
        self.summary = summary
        self._reporter.warn(point_at_result(self._opened.store, self._revision))
        result = result_of(summary, self._revision)
        self._reporter.show(state="Finished", result=result, energy=result.energy, iteration=result.iteration)
        return ExitCode.FINISHED
