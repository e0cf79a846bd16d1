"""A run's checkpoints: when one is due, handed to the thread that saves, and what comes of it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from flowapi.errors import VolumeError
from flowapi.report import SaveCounts, SavedCheckpoint
from flowengine.loop import Carry, snapshot
from flowengine.run import leaves
from flowengine.run.cadence import Cadence
from flowengine.run.ending import finite
from flowengine.run.opening import Opened
from flowengine.run.reporting import Reporter
from flowengine.run.request import RunRequest
from flowengine.run.saver import Job, Outcome, Saver, seconds_for, size_of
from flowengine.run.telemetry import Telemetry, wall_ms
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointRef, Health, Lineage, SaveMeta, SaveReason

HEARTBEAT_SECONDS = 0.25
ITERATING = "iterating"  # for the watchdog: what rests while the loop waits for a save


class Saves:
    """Saves the states of a run; the loop waits for none but the last.

    Args:
        request: What is asked for.
        opened: The run, with its claim.
        telemetry: Written before each checkpoint.
        reporter: Hears of each checkpoint, and of a volume that is full.
        watchdog: Watches each save.
        began: When the run began, by the monotonic clock.
    """

    def __init__(
        self,
        request: RunRequest,
        opened: Opened,
        telemetry: Telemetry,
        reporter: Reporter,
        watchdog: Watchdog,
        began: float,
    ) -> None:
        self._opened, self._telemetry, self._reporter, self._watchdog = opened, telemetry, reporter, watchdog
        self._revision, self._began = request.revision.hash, began
        asked, base = request.settings.checkpoint, opened.claimed.base
        first = base.ref.iteration if base else 0
        self._cadence = Cadence(asked.every_iterations, asked.every_seconds, first, began)
        self._beat_at = 0.0
        self._saver = Saver(opened.store, request.retention, telemetry.flush, watchdog)

    def close(self) -> None:
        """End the thread that saves, after the save in hand."""
        self._saver.close()

    def next_multiple(self, iteration: int) -> int:
        """The next iteration at which a checkpoint may be due."""
        return self._cadence.next_multiple(iteration)

    def durable(self, iteration: int) -> bool:
        """Whether the state of this iteration is on the disk."""
        return self._reporter.report.durable == iteration

    def heartbeat(self, iteration: int) -> None:
        """A sign of life on the volume now and then, and a look whether it is still ours."""
        now = time.monotonic()
        if now - self._beat_at >= HEARTBEAT_SECONDS:
            with suppress(VolumeError):  # saving will say so
                self._opened.store.check_fence()
            self.sign(iteration)
            self._beat_at = now

    def sign(self, iteration: int) -> None:
        """Leave a sign of life: should nothing be saved after it, what was lost is known."""
        self._opened.store.heartbeat(iteration, wall_ms())

    def keep_up(self, carry: Carry) -> None:
        """Take note of saves that ended, and begin one where one is due, unless the run ends here anyway."""
        self._settle(self._saver.outcomes())
        if self._cadence.due(int(carry.k), time.monotonic()) and snapshot(carry).reason is None:
            self._begin(carry, "periodic")

    def wait_for(self, iteration: int) -> None:
        """Wait for the save of this iteration, if it was just begun."""
        if self._cadence.saved_iteration == iteration:
            self._watchdog.rest(ITERATING)  # the saver is watched
            self._settle(self._drained())

    def now(self, carry: Carry, reason: SaveReason, *, by_time: bool = False) -> None:
        """Save and wait until it is durable; errors as `CheckpointStore.save`.

        Args:
            carry: The state.
            reason: What for.
            by_time: Whether a clock decided that the run ends here, so that another one may end elsewhere.
        """
        if by_time:
            self._opened = replace(self._opened, env={**self._opened.env, "bitIdentical": False})
        self._watchdog.rest(ITERATING)
        self._begin(carry, reason)
        for outcome in self._drained():
            self._settle([outcome], must=outcome.job.meta.lineage.reason == reason)

    def rescue(self, carry: Carry) -> None:
        """Something that must not happen ends the run: save what it has, without the thread that saves, if possible."""
        with suppress(Exception):
            job = self._job(carry, "rescue")
            self._watchdog.alive(ITERATING, seconds_for(job.leaves))
            self._saver.close()
            if not self.durable(job.iteration):
                self._saved(self._opened.store.save(job.iteration, job.leaves, job.meta), job)
            self.sign(job.iteration)

    def _drained(self) -> list[Outcome]:
        """Saves that ended, once all have; the loop stands still meanwhile."""
        began = time.monotonic()
        found = self._saver.drain()
        waited = time.monotonic() - began
        self._count(waited=waited)
        return found

    def _count(self, outcome: Outcome | None = None, *, waited: float = 0.0) -> None:
        """Add a save, or a wait for one, to what the report says of them."""
        old, done = self._reporter.report.saves, outcome is not None and outcome.ref is not None
        self._reporter.update(
            saves=SaveCounts(
                count=old.count + done,
                failed=old.failed + (outcome is not None and not done),
                replaced=self._saver.replaced,
                seconds=old.seconds + (outcome.seconds if outcome is not None else 0.0),
                bytes=old.bytes + (size_of(outcome.job.leaves) if outcome is not None and done else 0),
                waited=old.waited + waited,
            )
        )

    def _begin(self, carry: Carry, reason: SaveReason) -> None:
        job = self._job(carry, reason)
        self._saver.submit(job)
        self._cadence = self._cadence.begun(job.iteration, time.monotonic())

    def _job(self, carry: Carry, reason: SaveReason) -> Job:
        """The state as it is; its arrays are taken here, where nothing changes them, without a copy."""
        now, opened = snapshot(carry), self._opened
        health = Health(
            finite=now.finite, energy=finite(now.energy), residual=finite(now.residual), controller=now.controller,
            good=now.finite,
        )  # fmt: skip
        lineage = Lineage(
            revision=self._revision, attempt=opened.store.attempt, problem_digest=opened.compiled.digest, reason=reason
        )
        seconds = opened.wall_seconds + time.monotonic() - self._began
        return Job(now.iteration, leaves.to_leaves(carry), SaveMeta(lineage, health, seconds, opened.env))

    def _settle(self, outcomes: list[Outcome], *, must: bool = False) -> None:
        """Take note of saves that ended. While the volume is full the run says so and goes on, unless it `must`."""
        for outcome in outcomes:
            self._reporter.warn(outcome.warning)
            self._count(outcome)
            if outcome.ref is not None:
                self._saved(outcome.ref, outcome.job)
            elif must or not isinstance(outcome.error, VolumeError):
                raise outcome.error or RuntimeError("a save ended without a word")
            else:
                self._cadence = self._cadence.failed(self._reporter.report.durable or 0, time.monotonic())
                self._reporter.update(write_failed=outcome.error.of_resource)
                self._reporter.warn(f"WriteFailed: {outcome.error}")

    def _saved(self, ref: CheckpointRef, job: Job) -> None:
        """A checkpoint is durable."""
        self._telemetry.event("CHECKPOINT_CREATED", ref.iteration, checkpoint=ref.id, from_epoch=ref.epoch)
        health = job.meta.health
        saved = SavedCheckpoint(
            revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest, good=health.good,
            green=health.controller == "GREEN",
        )  # fmt: skip
        self._cadence = self._cadence.succeeded()
        self._reporter.withdraw("WriteFailed")
        self._reporter.show(saved=saved, durable=ref.iteration, write_failed="")
