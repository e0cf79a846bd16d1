"""Mutants that change nothing which matters, each with the reason."""

_READ_ONLY = "it closes what was only read from; what was synced or read before stands"
_SUPPRESSED = "a failure there is suppressed by the block around it, by design"
_NEVER_FAILS = "`discard` itself never fails: it removes as far as the volume lets it"
_FAILS_NEXT = "the next operation needs what this one made, and fails in its place"
_UNREAD = "a scratch file that stays is read by nobody, and a later one has another name"
_HINT = "a sign of life is a hint: its caller takes any failure for none"
_WAITS_FOR_NOTHING = (
    "it changes places with a statement that waits for nothing, fails at nothing and does not look at it"
)
_UNBOUND = "there are no data then, which counts as damage a few lines on"

EQUIVALENT: dict[str, str] = {
    "io.IO.fsync_folder: ignore `os.close(descriptor)`": _READ_ONLY,
    "io.IO.open_read: ignore `os.close(descriptor)`": _READ_ONLY,
    "io.IO.names: ignore `os.close(descriptor)`": _READ_ONLY,
    "io._read_once: ignore `io.close(descriptor)`": _READ_ONLY,
    "codec.decode: ignore `io.close(descriptor)`": _READ_ONLY,
    "io.patiently: drop `raise AssertionError('the last round returned or raised')`": "it is never reached",
    "io.put_files: ignore `os.close(descriptor)`": "it stands on the way out with an error already",
    "io._write_all: delay `io.write(descriptor, chunk)`": "it changes places with the count of what was written",
    "writer.write_checkpoint: delay `check(io, layout, claim)`": "it changes places with the choice of a name",
    "writer.write_checkpoint: ignore `io.mkdir(folder)`": _FAILS_NEXT,
    "writer.write_checkpoint: delay `io.fsync_folder(folder)`": "two syncs in either order, both before acknowledgement",
    "writer.write_checkpoint: delay `io.fsync_folder(folder.parent)`": "sync and check in either order, both before it",
    "writer.write_checkpoint: ignore `discard(io, folder)`": _NEVER_FAILS,
    "gc.collect: ignore `discard(io, folder)`": _NEVER_FAILS,
    "gc.collect: delay `discard(io, folder)`": "it changes places with the note of what went",
    "listing.pin: ignore `discard(io, folder)`": _NEVER_FAILS,
    "writer.discard: ignore `io.unlink(folder / name)`": _SUPPRESSED,
    "writer.discard: ignore `io.rmdir(folder)`": _SUPPRESSED,
    "writer.mark_corrupt: ignore `put_file(io, folder / CORRUPT_MARK, reason.encode() + b'\\n')`": _SUPPRESSED,
    "owner.Lock.release: ignore `os.close(self._descriptor)`": _SUPPRESSED,
    "probe._remove: ignore `io.unlink(folder / name)`": _SUPPRESSED,
    "probe._remove: ignore `io.rmdir(folder)`": _SUPPRESSED,
    "fence.write_claim: ignore `io.unlink(scratch)`": _UNREAD,
    "owner._write: ignore `io.unlink(scratch)`": _UNREAD,
    "fence.write_progress: ignore `scratch.unlink(missing_ok=True)`": _FAILS_NEXT,
    "fence.write_progress: ignore `io.close(descriptor)`": _HINT,
    "fence.write_progress: ignore `io.rename(scratch, layout.progress(epoch))`": _HINT,
    "files.Files.put: ignore `self._io.unlink(scratch)`": _SUPPRESSED,
    "files.Files.sweep: ignore `self._io.unlink(folder / name)`": _SUPPRESSED,
    "files.Files.point: ignore `self._io.unlink(scratch)`": _SUPPRESSED,
    "files.Files._sha256: ignore `self._io.close(descriptor)`": _READ_ONLY,
    "capsule/parts.Capsule.compact: delay `damaged.append(name)`": "where the rename fails nobody hears of the names",
    "capsule/parts.part: drop `raise DamagedPartError(str(error)) from error`": _UNBOUND,
    "capsule/parts.part: drop `raise DamagedPartError(error.message) from error`": _UNBOUND,
    "capsule/result.write_result: delay `disk.make_folder(folder)`": "a folder that is not there yet has nothing to sweep",
    "capsule/result.write_result: delay `disk.put(folder / SUMMARY, [text])`": "it changes places with a table of the digests",
    "run/saves.Saves.heartbeat: delay `self.sign(iteration)`": "it changes places with the note of when it was",
    "run/saves.Saves.now: delay `self._watchdog.rest(ITERATING)`": _WAITS_FOR_NOTHING,
    "run/saves.Saves._begin: delay `self._saver.submit(job)`": "it changes places with the note of when it was",
    "run/saves.Saves._settle: delay `self._reporter.warn(outcome.warning)`": _WAITS_FOR_NOTHING,
    "run/saves.Saves._saved: delay `self._telemetry.event('CHECKPOINT_CREATED', ref.iteration, c`": _WAITS_FOR_NOTHING,
    "run/saver.Saver._work: delay `self._watchdog.alive(SAVING, seconds_for(job.leaves))`": _WAITS_FOR_NOTHING,
    "run/saver.Saver._work: delay `self._outcomes.put(replace(outcome, seconds=time.monotonic()`": _WAITS_FOR_NOTHING,
    "run/saver.Saver._work: delay `self._watchdog.rest(SAVING)`": _WAITS_FOR_NOTHING,
    "run/telemetry.Telemetry.drain: delay `self._capsule.add(curve)`": "two lists in either order",
    "run/opening.load: delay `environment.check_devices()`": "either is refused before anything is done",
    "run/announcing.announce: delay `reporter.update(attempt=opened.store.attempt, epoch=claimed.`": _WAITS_FOR_NOTHING,
    "run/session._Run.go: delay `self._reporter.update(state='Compiling')`": _WAITS_FOR_NOTHING,
    "run/session._Run.go: delay `self._watchdog.rest(COMPILING)`": _WAITS_FOR_NOTHING,
    "run/session._Run.go: delay `platform.settle()`": "it changes places with the first save of a warm start",
    "run/session._Run.go: delay `self._reporter.update(state='Running')`": _WAITS_FOR_NOTHING,
    "run/session._Run._iterate: delay `self._watchdog.alive(ITERATING)`": _WAITS_FOR_NOTHING,
    "run/session._Run._look: delay `self._watchdog.rest(ITERATING)`": _WAITS_FOR_NOTHING,
    "run/session._Run._look: delay `self._watchdog.rest(COMPILING)`": _WAITS_FOR_NOTHING,
    "run/session._Run._look: delay `self._watchdog.alive(ITERATING)`": "what waits until the error is raised is a save",
    "run/session._Run._look: delay `self._reporter.update(controller='RED')`": _WAITS_FOR_NOTHING,
    "run/session._Run._chunk: delay `self._telemetry.drain(self._carry, seconds)`": "where the sign fails, no row is written",
    "run/session._Run._chunk: delay `self._saves.heartbeat(self._iteration)`": _WAITS_FOR_NOTHING,
    "run/session._Run._chunk: delay `self._reporter.show(iteration=now.iteration, energy=now.ener`": _WAITS_FOR_NOTHING,
    "run/session._Run._pause: delay `self._reporter.update(state='Stopping')`": _WAITS_FOR_NOTHING,
    "run/session._Run._pause: delay `self._telemetry.event('CANCELLED', self._iteration)`": "one flush later it is written, too",
    "run/session._Run._pause: delay `self._reporter.warn(self._telemetry.flush(self._iteration))`": _WAITS_FOR_NOTHING,
    "run/session._Run._finish: delay `self._watchdog.alive(ENDING)`": _WAITS_FOR_NOTHING,
    "run/session._Run._ended: delay `self._reporter.warn(point_at_result(self._opened.store, self`": _WAITS_FOR_NOTHING,
}
