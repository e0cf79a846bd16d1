"""Saves in the background: one at a time, one waiting, and the newest wins. The loop never waits for the disk."""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from flowapi.errors import FlowError, VolumeError
from flowapi.frozen import frozen
from flowengine.run.watchdog import DEADLINE_SECONDS, Watchdog
from flowengine.store import CheckpointRef, CheckpointStore, Leaf, Retention, SaveMeta

NICENESS = 10
SAVING = "saving"
SLOWEST = 4e6  # bytes a second, of a volume that still counts as working


def size_of(leaves: Mapping[str, Leaf]) -> int:
    """The bytes of a state."""
    return sum(leaf.array.nbytes for leaf in leaves.values())


def seconds_for(leaves: Mapping[str, Leaf]) -> float:
    """How long writing a state may take before it counts as hanging."""
    return DEADLINE_SECONDS + size_of(leaves) / SLOWEST


@frozen
class Job:
    """A state to save. Its arrays must not change; on a CPU they are views of the run's own, which jax then copies."""

    iteration: int
    leaves: Mapping[str, Leaf]
    meta: SaveMeta


@frozen
class Outcome:
    """How a save ended, after how many seconds: with a durable checkpoint, or with an error.

    `warning` is about what goes along with it.
    """

    job: Job
    ref: CheckpointRef | None = None
    error: Exception | None = None
    warning: str = ""
    seconds: float = 0.0


class SaverDiedError(Exception):
    """The thread that saves has ended by something that no save can fail with."""


class Saver:
    """Saves to a store from a thread of its own.

    Args:
        store: Claimed; while the saver lives, only it writes there.
        policy: What is kept; applied after each save.
        first: Called before each save, with its iteration, for what should be on the disk before a checkpoint speaks
            of it; returns what went wrong, and raises nothing.
        watchdog: Hears of each save.

    Attributes:
        replaced: How many states a newer one has replaced before the volume was free for them.
    """

    def __init__(
        self, store: CheckpointStore, policy: Retention, first: Callable[[int], str], watchdog: Watchdog
    ) -> None:
        self._store, self._policy, self._first, self._watchdog = store, policy, first, watchdog
        self.replaced = 0
        self._waiting: Job | None = None
        self._busy = False
        self._died: BaseException | None = None
        self._changed = threading.Condition()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Save this as soon as the disk is free; what still waits for it is dropped in favour of this."""
        with self._changed:
            self.replaced += self._waiting is not None
            self._waiting = job
            self._changed.notify_all()

    def outcomes(self) -> list[Outcome]:
        """What ended since the last look, oldest first; SaverDiedError when there will be no more."""
        if self._died is not None:
            raise SaverDiedError(f"the thread that saves has died ({self._died!r})") from self._died
        found = []
        with suppress(Empty):
            while True:
                found.append(self._outcomes.get_nowait())
        return found

    def drain(self) -> list[Outcome]:
        """Wait until nothing is being saved or waits for it, and say how it ended; errors as `outcomes`."""
        with self._changed:
            self._changed.wait_for(lambda: self._died or (not self._busy and self._waiting is None))
        return self.outcomes()

    def close(self) -> None:
        """End the thread after the save in hand; what waits is not begun."""
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere a priority is a whole process's
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            while (job := self._next()) is not None:
                self._watchdog.alive(SAVING, seconds_for(job.leaves))
                began = time.monotonic()
                outcome = self._saved(job)
                self._outcomes.put(replace(outcome, seconds=time.monotonic() - began))
                self._watchdog.rest(SAVING)
        except BaseException as error:  # noqa: BLE001 - nobody else hears of what ends a thread
            self._watchdog.rest(SAVING)
            with self._changed:
                self._died = error
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            job, self._waiting = self._waiting, None
            self._busy = job is not None
            return job

    def _saved(self, job: Job) -> Outcome:
        outcome = Outcome(job, warning=self._first(job.iteration))
        try:
            ref = self._write(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop has to hear of it
            return replace(outcome, error=error)
        try:
            self._store.collect(self._policy)
        except FlowError as error:
            return replace(outcome, ref=ref, warning=str(error))
        except Exception as error:  # noqa: BLE001 - the checkpoint is there
            return replace(outcome, ref=ref, warning=f"old checkpoints can't be removed ({error!r})")
        return replace(outcome, ref=ref)

    def _write(self, job: Job) -> CheckpointRef:
        """Save; on a full volume once more, after everything has gone that may go."""
        try:
            return self._store.save(job.iteration, job.leaves, job.meta)
        except VolumeError as error:
            if not error.full or not self._store.collect(self._policy.least):
                raise
        return self._store.save(job.iteration, job.leaves, job.meta)
