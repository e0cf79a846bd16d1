"""A run from start to end: chunks of the compiled loop, checkpoints, and an answer to everything that can stop it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from flowapi.errors import FlowError, VolumeError
from flowapi.report import ExitCode, RunReport, SavedCheckpoint
from flowengine import capsule
from flowengine.loop import Carry, Snapshot, snapshot
from flowengine.run import leaves, platform
from flowengine.run.board import Board
from flowengine.run.cadence import Cadence, Pace, per_second
from flowengine.run.ending import diverged, finished_before, finite, point_at_result, result_of, write_result
from flowengine.run.opening import Opened, open_run
from flowengine.run.request import RunRequest
from flowengine.run.saver import Job, Outcome, Saver, seconds_for
from flowengine.run.signals import StopRequest
from flowengine.run.telemetry import Telemetry, wall_ms
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointRef, CheckpointStore, Health, Lineage, Retention, SaveMeta, SaveReason

HEARTBEAT_SECONDS = 0.25
COMPILING_SECONDS = 3600.0
COMPILING, ITERATING, ENDING = "compiling", "iterating", "writing the result"
FAR = 2**53
Observer = Callable[[RunReport], None]


class Session:
    """One process's share of a flow. `run` returns the exit code; errors leave as exceptions with theirs.

    Args:
        claimed: Called once the volume is this process's.

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
    ) -> None:
        self._request, self._claimed = request, claimed
        self._board = board
        self._stop = stop
        self._observe = observe
        self.summary: Mapping[str, Any] = {}

    def run(self) -> ExitCode:
        """Open the flow, iterate until something ends it, and leave it in order."""
        with ExitStack() as stack:
            watchdog = Watchdog()
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
        self._request, self._opened, self._board = request, opened, board
        self._stop, self._observe, self._watchdog = stop, observe, watchdog
        self._revision = request.revision.hash
        self._started = time.monotonic()
        self._carry: Carry = opened.carry
        self.summary: Mapping[str, Any] = {}
        base = opened.claimed.base
        checkpoint = request.settings.checkpoint
        self._cadence = Cadence(
            checkpoint.every_iterations, checkpoint.every_seconds, base.ref.iteration if base else 0, self._started
        )
        self._pace = Pace(1, opened.compiled.settings.rows * opened.compiled.settings.every)
        self._beat_at = 0.0
        self._warnings = opened.warnings
        layout, files = opened.store.layout, opened.store.files
        common = {
            "run_id": _run_id(request), "flow_name": request.revision.name,
            "revision": self._revision, "epoch": opened.claimed.epoch,
        }  # fmt: skip
        kept = capsule.Capsule(layout.telemetry(self._revision), common, files)
        files.sweep(kept.folder)
        self._telemetry = Telemetry(kept, request.settings.telemetry.every, int(opened.carry.certificates))
        policy = Retention(self._revision, checkpoint.keep, request.retain)
        self._saver = Saver(opened.store, policy, self._telemetry.flush, watchdog)

    def close(self) -> None:
        """End what runs beside the loop."""
        self._saver.close()

    def remember(self, claimed: Callable[[CheckpointStore], None]) -> None:
        """Let others keep what they need beside the checkpoints; the run goes on without."""
        try:
            claimed(self._opened.store)
        except (OSError, VolumeError) as error:
            self._warn(f"`cflow resume` will not know of this run: {error}")

    def go(self) -> ExitCode:
        self._announce()
        if (finished := self._finished_before()) is not None:
            return finished
        self._board.update(state="Compiling")
        self._watchdog.alive(COMPILING, COMPILING_SECONDS)
        self._carry = self._opened.program(self._carry, self._iteration)
        self._watchdog.rest(COMPILING)
        platform.settle()
        if self._opened.claimed.warm is not None:
            self._save_now("jump")
        self._board.update(state="Running")
        self._stop.begin()
        try:
            return self._iterate()
        except FlowError:
            raise
        except Exception:
            self._rescue()
            raise

    @property
    def _iteration(self) -> int:
        return int(self._carry.k)

    @property
    def _wall_seconds(self) -> float:
        return self._opened.wall_seconds + time.monotonic() - self._started

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
            self._telemetry.event("CHECKPOINT_CORRUPT", self._iteration, f"{one.id}: {one.reason}")
        if base is None:
            self._telemetry.event("RUN_STARTED", self._iteration)
        else:
            ref = base.ref
            saved = SavedCheckpoint(revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest)
            self._board.update(saved=saved, durable=ref.iteration)
            detail = f"{ref.id}, {opened.claimed.lost} iterations lost"
            self._telemetry.event("FLOW_RESUMED", self._iteration, detail)
        self._observe(self._board.report)

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
            if self._stop.wanted or now.iteration >= until:
                return self._pause()
            self._chunk(min(until, self._cadence.next_multiple(now.iteration), now.iteration + self._pace.iterations))
            self._settle(self._saver.outcomes())
            if self._cadence.due(self._iteration, time.monotonic()) and snapshot(self._carry).reason is None:
                self._begin_save("periodic")

    def _chunk(self, until: int) -> None:
        before, began = self._iteration, time.monotonic()
        self._carry = self._opened.program(self._carry, until)
        seconds, done = time.monotonic() - began, self._iteration - before
        self._pace = self._pace.measured(max(done, 1), seconds)
        self._telemetry.drain(self._carry, seconds)
        self._heartbeat()
        now = snapshot(self._carry)
        rate = per_second(done, seconds)
        left = (self._request.settings.stop.max_iterations or now.iteration) - now.iteration
        self._board.update(
            iteration=now.iteration, energy=now.energy, residual=now.residual, gap=now.gap,
            controller=now.controller, rate=rate, eta=left / rate if rate else None,
        )  # fmt: skip
        self._observe(self._board.report)
        self._telemetry.load_libraries()

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= HEARTBEAT_SECONDS:
            with suppress(VolumeError):  # saving will say so
                self._opened.store.check_fence()
            self._opened.store.heartbeat(self._iteration, wall_ms())
            self._beat_at = now

    def _job(self, reason: SaveReason) -> Job:
        """The state as it is; its arrays are taken here, where nothing changes them, without a copy."""
        now, opened = snapshot(self._carry), self._opened
        health = Health(
            finite=now.finite, energy=finite(now.energy), residual=finite(now.residual), controller=now.controller,
            good=now.finite,
        )  # fmt: skip
        lineage = Lineage(
            revision=self._revision, attempt=opened.store.attempt, problem_digest=opened.compiled.digest, reason=reason
        )
        meta = SaveMeta(lineage, health, self._wall_seconds, {**opened.env, "bitIdentical": opened.bit_identical})
        return Job(now.iteration, leaves.to_leaves(self._carry), meta)

    def _begin_save(self, reason: SaveReason) -> None:
        """Hand the state to the saver."""
        job = self._job(reason)
        self._saver.submit(job)
        self._cadence = self._cadence.begun(job.iteration, time.monotonic())

    def _save_now(self, reason: SaveReason) -> None:
        """Save and wait until it is durable; errors as `CheckpointStore.save`."""
        self._watchdog.rest(ITERATING)  # the saver is watched
        self._begin_save(reason)
        for outcome in self._saver.drain():
            self._settle([outcome], must=outcome.job.meta.lineage.reason == reason)

    def _settle(self, outcomes: list[Outcome], *, must: bool = False) -> None:
        """Take note of saves that ended. While the volume is full the run says so and goes on, unless it `must`."""
        for outcome in outcomes:
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
        self._telemetry.event("CHECKPOINT_CREATED", ref.iteration, ref.id)
        good = job.meta.health.good
        saved = SavedCheckpoint(revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest, good=good)
        self._cadence = self._cadence.succeeded()
        self._warnings = tuple(one for one in self._warnings if not one.startswith("WriteFailed"))
        self._board.update(saved=saved, durable=ref.iteration, write_failed="", warnings=self._warnings)
        self._observe(self._board.report)

    def _rescue(self) -> None:
        """Something that must not happen ends the run: save what it has, without the thread that saves, if possible."""
        with suppress(Exception):
            job = self._job("rescue")
            self._watchdog.alive(ITERATING, seconds_for(job.leaves))
            self._saver.close()
            if self._board.report.durable != job.iteration:
                self._saved(self._opened.store.save(job.iteration, job.leaves, job.meta), job)
            self._opened.store.heartbeat(job.iteration, wall_ms())

    def _warn(self, sentence: str) -> None:
        if sentence and sentence not in self._warnings:
            self._warnings = (*self._warnings, sentence)[-4:]
            self._board.update(warnings=self._warnings)
            self._observe(self._board.report)

    def _pause(self) -> ExitCode:
        self._board.update(state="Stopping")
        self._opened.store.heartbeat(self._iteration, wall_ms())  # should the save fail, what is lost is known
        if self._cadence.saved_iteration == self._iteration:
            self._watchdog.rest(ITERATING)
            self._settle(self._saver.drain())  # it was just begun
        if self._board.report.durable != self._iteration:
            self._telemetry.event("CANCELLED", self._iteration)
            self._save_now("sigterm")
        self._watchdog.alive(ENDING)
        self._warn(self._telemetry.flush(self._iteration))
        self._board.update(state="Stopped")
        return ExitCode.STOPPED

    def _finish(self, now: Snapshot, reason: str) -> ExitCode:
        """The last checkpoint, the result, and only then what else there is to write."""
        if reason == "Diverged":
            self._telemetry.event("RUN_FAILED", now.iteration, "the iterates are not finite")
            self._save_now("final")
            raise diverged(self._opened, self._request, now.iteration)
        self._save_now("final")
        self._watchdog.alive(ENDING, seconds_for(leaves.to_leaves(self._carry)))
        summary = write_result(self._opened, self._request, self._carry, now, reason, self._wall_seconds)
        self._watchdog.rest(ENDING)
        self._telemetry.event("RUN_FINISHED", now.iteration, reason)
        self._warn(self._telemetry.flush(now.iteration))
        self._warn(self._telemetry.compact())
        for sentence in summary["warnings"]:
            self._warn(sentence)
        return self._ended(summary)

    def _finished_before(self) -> ExitCode | None:
        """A flow that had ended under the same stop rules: its result again, nothing computed."""
        summary = finished_before(self._request, self._opened.store, self._iteration)
        return None if summary is None else self._ended(summary)

    def _ended(self, summary: Mapping[str, Any]) -> ExitCode:
        self.summary = summary
        self._warn(point_at_result(self._opened.store, self._revision))
        result = result_of(summary, self._revision)
        self._board.update(state="Finished", result=result, energy=result.energy, iteration=result.iteration)
        self._observe(self._board.report)
        return ExitCode.FINISHED


def _run_id(request: RunRequest) -> str:
    """The same for every process of a flow: telemetry of one flow has one run_id."""
    name = f"{request.owner.namespace}/{request.owner.name}/{request.owner.uid}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
