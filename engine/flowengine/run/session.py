"""A run from start to end: chunks of the compiled loop, checkpoints, and an answer to everything that can stop it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace

from flowapi.errors import VolumeError
from flowapi.report import ExitCode, RunReport, SavedCheckpoint
from flowengine import capsule
from flowengine.loop import Carry, Snapshot, rows, snapshot
from flowengine.run import leaves, platform
from flowengine.run.board import Board
from flowengine.run.cadence import Cadence, Pace
from flowengine.run.ending import diverged, finished_before, finite, result_of, write_result
from flowengine.run.opening import Opened, open_run
from flowengine.run.request import RunRequest
from flowengine.run.saver import Job, Outcome, Saver
from flowengine.run.signals import StopRequest
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointRef, Health, Lineage, Retention, SaveMeta, SaveReason

HEARTBEAT_SECONDS = 0.25
FAR = 2**53
Observer = Callable[[RunReport], None]


class Session:
    """One process's share of a flow. `run` returns the exit code; errors leave as exceptions with theirs."""

    def __init__(self, request: RunRequest, board: Board, stop: StopRequest, observe: Observer) -> None:
        self._request = request
        self._board = board
        self._stop = stop
        self._observe = observe

    def run(self) -> ExitCode:
        """Open the flow, iterate until something ends it, and leave it in order."""
        with ExitStack() as stack:
            watchdog = Watchdog()
            stack.callback(watchdog.close)
            opened = open_run(self._request, self._board)
            stack.callback(opened.store.close)
            run = _Run(self._request, opened, self._board, self._stop, self._observe, watchdog)
            stack.callback(run.close)
            return run.go()


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
        self._request, self._opened, self._board = request, opened, board
        self._stop, self._observe, self._watchdog = stop, observe, watchdog
        self._revision = request.revision.hash
        self._started = time.monotonic()
        self._carry: Carry = opened.carry
        base = opened.claimed.base
        checkpoint = request.settings.checkpoint
        self._cadence = Cadence(
            checkpoint.every_iterations, checkpoint.every_seconds, base.ref.iteration if base else 0, self._started
        )
        self._pace = Pace(1, opened.compiled.settings.rows * opened.compiled.settings.every)
        self._drained = int(opened.carry.certificates)
        self._beat_at = 0.0
        self._warnings = opened.warnings
        layout = opened.store.layout
        common = {
            "run_id": _run_id(request), "flow_name": request.revision.name,
            "revision": self._revision, "epoch": opened.claimed.epoch,
        }  # fmt: skip
        self._capsule = capsule.Capsule(layout.telemetry(self._revision), common)
        policy = Retention(self._revision, checkpoint.keep, request.retain)
        self._libraries = threading.Thread(target=capsule.prepare, name="telemetry")
        self._saver = Saver(opened.store, policy, self._capsule.flush)

    def close(self) -> None:
        """End what runs beside the loop."""
        self._saver.close()

    def go(self) -> ExitCode:
        self._announce()
        if (summary := self._finished_before()) is not None:
            return summary
        self._board.update(state="Compiling")
        self._advance(self._iteration)
        platform.settle()
        if self._opened.claimed.warm is not None:
            self._save_now("jump")
        self._board.update(state="Running")
        self._stop.begin()
        return self._iterate()

    @property
    def _iteration(self) -> int:
        return int(self._carry.k)

    @property
    def _wall_seconds(self) -> float:
        return self._opened.wall_seconds + time.monotonic() - self._started

    @property
    def _wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def _announce(self) -> None:
        opened, base = self._opened, self._opened.claimed.base
        self._board.update(
            attempt=opened.store.attempt,
            epoch=opened.claimed.epoch,
            restored_from=opened.restored,
            previous=opened.claimed.previous,
            lost_iterations=opened.claimed.lost,
            passed_over=len(opened.claimed.passed_over),
            bit_identical=opened.bit_identical,
            warnings=self._warnings[:4],
            iteration=self._iteration,
        )
        for one in opened.claimed.passed_over:
            self._capsule.event("CHECKPOINT_CORRUPT", self._iteration, self._wall_ms, f"{one.id}: {one.reason}")
        if base is None:
            self._capsule.event("RUN_STARTED", self._iteration, self._wall_ms)
        else:
            ref = base.ref
            saved = SavedCheckpoint(revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest)
            self._board.update(saved=saved, durable=ref.iteration)
            detail = f"{ref.id}, {opened.claimed.lost} iterations lost"
            self._capsule.event("FLOW_RESUMED", self._iteration, self._wall_ms, detail)
        self._observe(self._board.report)

    def _iterate(self) -> ExitCode:
        """Chunks until a stop rule holds, the time is over, or somebody asks for an end."""
        limit = self._request.settings.stop.wall_time
        until = self._request.until or FAR
        while True:
            now = snapshot(self._carry)
            if now.reason is not None:
                return self._finish(now, now.reason)
            if limit is not None and self._wall_seconds >= limit:
                self._opened = replace(self._opened, bit_identical=False)
                return self._finish(now, "TimeLimit")
            if self._stop.wanted or now.iteration >= until:
                return self._pause()
            self._chunk(min(until, self._cadence.next_multiple(now.iteration), now.iteration + self._pace.iterations))
            self._settle(self._saver.outcomes())
            if self._cadence.due(self._iteration, time.monotonic()) and snapshot(self._carry).reason is None:
                self._begin_save("periodic")

    def _chunk(self, until: int) -> None:
        before, began = self._iteration, time.monotonic()
        self._advance(until)
        seconds, done = time.monotonic() - began, self._iteration - before
        self._pace = self._pace.measured(max(done, 1), seconds)
        self._drain(seconds)
        self._heartbeat()
        now = snapshot(self._carry)
        rate = done / seconds
        left = (self._request.settings.stop.max_iterations or now.iteration) - now.iteration
        self._board.update(
            iteration=now.iteration, energy=now.energy, residual=now.residual, gap=now.gap,
            controller=now.controller, rate=rate, eta=left / rate if rate else None,
        )  # fmt: skip
        self._observe(self._board.report)
        if self._libraries.ident is None:
            self._libraries.start()  # not before: the first iterations would wait for it

    def _advance(self, until: int) -> None:
        if self._board.report.state == "Running":
            self._watchdog.alive()
        self._carry = self._opened.program(self._carry, until)
        self._watchdog.suspend()

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= HEARTBEAT_SECONDS:
            with suppress(VolumeError):  # saving will say so
                self._opened.store.check_fence()
            self._opened.store.heartbeat(self._iteration, self._wall_ms)
            self._beat_at = now

    def _drain(self, seconds: float) -> None:
        """Take the new certificates from the ring; their times are spread over the chunk."""
        fresh = rows(self._carry, self._drained)
        self._drained = int(self._carry.certificates)
        every = self._request.settings.telemetry.every
        end = self._wall_ms
        for index, row in enumerate(fresh):
            if every is None or row.iteration % every == 0:
                self._capsule.row(
                    iter=row.iteration, t_wall_ms=end - int(1000 * seconds * (len(fresh) - 1 - index) / len(fresh)),
                    E=row.energy, residual=row.residual, gap=row.gap, feasibility=row.feasibility,
                    grad_norm=row.gradient_norm, alpha=row.step, invariant_drift_max=row.drift,
                    controller=row.controller,
                )  # fmt: skip

    def _begin_save(self, reason: SaveReason) -> None:
        """Hand the state to the saver; the arrays are taken here, where nothing changes them, without a copy."""
        now, opened = snapshot(self._carry), self._opened
        health = Health(
            finite=now.finite, energy=finite(now.energy), residual=finite(now.residual), controller=now.controller,
            good=now.finite,
        )  # fmt: skip
        lineage = Lineage(
            revision=self._revision, attempt=opened.store.attempt, problem_digest=opened.compiled.digest, reason=reason
        )
        meta = SaveMeta(lineage, health, self._wall_seconds, {**opened.env, "bitIdentical": opened.bit_identical})
        self._saver.submit(Job(now.iteration, leaves.to_leaves(self._carry), meta))
        self._cadence = self._cadence.begun(now.iteration, time.monotonic())

    def _save_now(self, reason: SaveReason) -> None:
        """Save and wait until it is durable; errors as `CheckpointStore.save`."""
        self._begin_save(reason)
        for outcome in self._saver.drain():
            self._settle([outcome], must=outcome.job.meta.lineage.reason == reason)

    def _settle(self, outcomes: list[Outcome], *, must: bool = False) -> None:
        """Take note of saves that ended. While the volume is full the run says so and goes on, unless it `must`."""
        for outcome in outcomes:
            if outcome.warning:
                self._warn(outcome.warning)
            if outcome.ref is not None:
                self._saved(outcome.ref, outcome.job)
            elif must or not isinstance(outcome.error, VolumeError):
                raise outcome.error or RuntimeError("a save ended without a word")
            else:
                self._cadence = self._cadence.failed(self._board.report.durable or 0, time.monotonic())
                self._board.update(write_failed=str(outcome.error))
                self._warn(f"WriteFailed: {outcome.error}")

    def _saved(self, ref: CheckpointRef, job: Job) -> None:
        """A checkpoint is durable."""
        self._capsule.event("CHECKPOINT_CREATED", ref.iteration, self._wall_ms, ref.id)
        good = job.meta.health.good
        saved = SavedCheckpoint(revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest, good=good)
        self._cadence = self._cadence.succeeded()
        self._warnings = tuple(one for one in self._warnings if not one.startswith("WriteFailed"))
        self._board.update(saved=saved, durable=ref.iteration, write_failed="", warnings=self._warnings)
        self._observe(self._board.report)

    def _flush(self, iteration: int) -> None:
        try:
            self._capsule.flush(iteration)
        except OSError as error:
            self._warn(f"telemetry could not be written ({error.strerror})")

    def _warn(self, sentence: str) -> None:
        self._warnings = (*self._warnings, sentence)[-4:]
        self._board.update(warnings=self._warnings)
        self._observe(self._board.report)

    def _pause(self) -> ExitCode:
        self._board.update(state="Stopping")
        self._opened.store.heartbeat(self._iteration, self._wall_ms)  # should the save fail, what is lost is known
        if self._cadence.saved_iteration == self._iteration:
            self._settle(self._saver.drain())  # it was just begun
        if self._board.report.durable != self._iteration:
            self._capsule.event("CANCELLED", self._iteration, self._wall_ms)
            self._save_now("sigterm")
        self._flush(self._iteration)
        self._board.update(state="Stopped")
        return ExitCode.STOPPED

    def _finish(self, now: Snapshot, reason: str) -> ExitCode:
        if reason == "Diverged":
            self._capsule.event("RUN_FAILED", now.iteration, self._wall_ms, "the iterates are not finite")
            self._save_now("final")
            raise diverged(self._opened, self._request, now.iteration)
        self._save_now("final")
        self._capsule.event("RUN_FINISHED", now.iteration, self._wall_ms, reason)
        self._flush(now.iteration)
        self._capsule.compact()
        summary = write_result(self._opened, self._request, self._carry, now, reason, self._wall_seconds)
        for sentence in summary["warnings"]:
            if sentence not in self._warnings:
                self._warn(sentence)
        self._report_result(summary)
        return ExitCode.FINISHED

    def _finished_before(self) -> ExitCode | None:
        """A flow that had ended under the same stop rules: its result again, nothing computed."""
        summary = finished_before(self._request, self._opened.store.layout, self._iteration)
        if summary is None:
            return None
        self._report_result(summary)
        return ExitCode.FINISHED

    def _report_result(self, summary: Mapping[str, object]) -> None:
        result = result_of(summary, self._revision)
        self._board.update(state="Finished", result=result, energy=result.energy, iteration=result.iteration)
        self._observe(self._board.report)


def _run_id(request: RunRequest) -> str:
    """The same for every process of a flow: telemetry of one flow has one run_id."""
    name = f"{request.owner.namespace}/{request.owner.name}/{request.owner.uid}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
