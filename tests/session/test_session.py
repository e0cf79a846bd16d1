"""A session in this process: what it reports, records, saves and leaves, however it ends."""

import threading
from dataclasses import replace

import pytest

from flowapi.errors import DivergedError, FencedError, VolumeError
from flowapi.report import ExitCode
from flowengine.run import opening, saves
from flowengine.run.saver import Saver
from flowengine.store import CheckpointStore, Latest, list_checkpoints, read_checkpoint
from kit.manifests import write_flow
from kit.requests import request_of
from kit.runs import progress, summary
from kit.sessions import Asked, compiled_once, events, share

END = 70


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    with compiled_once():
        yield write_flow(tmp_path_factory.mktemp("flow"), limit=END, size=8, every=20)


def newest(root):
    return next(one for one in list_checkpoints(root) if one.visible)


def test_a_run_reports_and_records_all_of_its_way(manifest, tmp_path) -> None:
    seen = share(request_of(manifest, tmp_path))
    assert seen.code == ExitCode.FINISHED
    assert [*dict.fromkeys(one.state for one in seen.reports)] == ["Restoring", "Running", "Finished"]
    assert [one.iteration for one in seen.reports] == sorted(one.iteration for one in seen.reports)
    running = next(one for one in seen.reports if 0 < one.iteration < END)
    assert running.rate > 0
    assert running.eta == pytest.approx((END - running.iteration) / running.rate)
    last = seen.last
    assert (last.attempt, last.epoch, last.iteration, last.durable, last.max_iterations) == (1, 1, END, END, END)
    assert (last.saved.iteration, last.saved.good, last.result.reason) == (END, True, "IterationLimit")
    assert (last.controller, last.bit_identical, last.warnings) == ("GREEN", True, ())
    assert {last.energy, last.result.energy} == {summary(tmp_path)["energy"]}
    found = events(tmp_path)
    assert (found[0], found[-1]) == (("RUN_STARTED", 0), ("RUN_FINISHED", END))
    assert ("CHECKPOINT_CREATED", END) in found
    assert len(list(tmp_path.glob("revisions/*/telemetry/*"))) == 3  # put together, and the manifest
    assert newest(tmp_path).reason == "final"

    again = share(request_of(manifest, tmp_path))
    assert (again.code, again.last.state, again.last.result) == (0, "Finished", last.result)
    assert (again.last.epoch, again.last.restored_from.iteration, again.last.durable) == (2, END, END)
    assert len(list_checkpoints(tmp_path)) == len({one.ref.iteration for one in list_checkpoints(tmp_path)})


@pytest.fixture
def _saves_take_their_time(monkeypatch) -> None:
    """While the loop waits for a save, the saver alone is watched: a large state may take longer than a chunk."""
    drain = Saver.drain

    def draining(saver):
        assert "iterating" not in saver._watchdog._due
        return drain(saver)

    monkeypatch.setattr(Saver, "drain", draining)


@pytest.mark.usefixtures("_saves_take_their_time")
@pytest.mark.parametrize("until", [40, 50])
def test_a_pause_saves_once_and_is_gone_on_from(manifest, tmp_path, until) -> None:
    """Also where the checkpoint of that iteration has just been begun."""
    seen = share(request_of(manifest, tmp_path, until=until))
    assert (seen.code, seen.last.state) == (ExitCode.STOPPED, "Stopped")
    assert (seen.last.durable, progress(tmp_path)) == (until, until)
    at = [one for one in list_checkpoints(tmp_path) if one.ref.iteration == until]
    assert [one.reason for one in at] == ["periodic" if until == 40 else "sigterm"]
    assert events(tmp_path)[-1][1] == until
    assert ("CHECKPOINT_CREATED", until) in events(tmp_path)
    assert (("CANCELLED", until) in events(tmp_path)) == (until == 50)

    again = share(request_of(manifest, tmp_path))
    assert again.code == 0
    assert (again.reports[0].restored_from.iteration, again.reports[0].lost_iterations) == (until, 0)
    assert again.reports[0].durable == again.reports[0].saved.iteration == again.reports[0].iteration == until
    assert ("FLOW_RESUMED", until) in events(tmp_path)


def test_a_pause_says_where_it_is_before_it_waits_for_a_save(manifest, tmp_path, monkeypatch) -> None:
    """Killed while it waits, a later start knows what was lost."""
    monkeypatch.setattr(saves, "HEARTBEAT_SECONDS", float("inf"))
    drain, signs = Saver.drain, []
    monkeypatch.setattr(Saver, "drain", lambda saver: signs.append(progress(tmp_path)) or drain(saver))
    assert share(request_of(manifest, tmp_path, until=40)).code == ExitCode.STOPPED
    assert signs == [40]


def test_somebody_asks_for_an_end(manifest, tmp_path) -> None:
    stop = Asked(at=4)
    seen = share(request_of(manifest, tmp_path), stop)
    assert (seen.code, stop.begun_at) == (ExitCode.STOPPED, 0)  # from the first look on there is something to save
    assert 0 < seen.last.iteration == seen.last.durable < END
    assert newest(tmp_path).ref.iteration == seen.last.iteration


def test_time_that_is_over_is_said_in_the_result_and_its_checkpoint(manifest, tmp_path) -> None:
    request = request_of(manifest, tmp_path)
    stop = request.settings.stop.model_copy(update={"wall_time": 1e-9})
    request = replace(request, settings=request.settings.model_copy(update={"stop": stop}))
    seen = share(request)
    assert (seen.code, seen.last.result.reason, seen.last.result.bit_identical) == (0, "TimeLimit", False)
    assert read_checkpoint(tmp_path).manifest.env["bitIdentical"] is False


class Breaks:
    """A program that fails once it is beyond an iteration."""

    def __init__(self, program, beyond: int, error: BaseException) -> None:
        self._program, self._beyond, self._error = program, beyond, error

    def __getattr__(self, name):
        return getattr(self._program, name)

    def __call__(self, carry, until):
        if int(carry.k) >= self._beyond:
            raise self._error
        return self._program(carry, until)


def test_what_must_not_happen_is_no_reason_to_lose_anything(manifest, tmp_path, monkeypatch) -> None:
    load = opening.load
    broken = RuntimeError("broken")

    def breaking(request):
        compiled, program = load(request)
        return compiled, Breaks(program, 45, broken)

    monkeypatch.setattr(opening, "load", breaking)
    seen = share(request_of(manifest, tmp_path))
    assert seen.error is broken
    assert newest(tmp_path).ref.iteration == seen.last.iteration
    assert newest(tmp_path).reason in {"rescue", "periodic"}, "a state that was saved a moment ago needs no rescue"
    assert seen.last.durable == progress(tmp_path) == seen.last.iteration >= 45
    monkeypatch.setattr(opening, "load", load)
    whole = share(request_of(manifest, tmp_path.with_name("whole")))
    assert share(request_of(manifest, tmp_path)).last.result.sha256 == whole.last.result.sha256


def test_a_lost_claim_is_noticed_between_saves(manifest, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(saves, "HEARTBEAT_SECONDS", 0)
    request = request_of(manifest, tmp_path)

    def taken(report) -> None:
        if report.iteration and report.epoch == 1 and not list((tmp_path / "fence").glob("*2")):
            store = CheckpointStore.open(tmp_path, request.owner, 5)
            store.claim(request.revision.hash, request.revision.to_bytes(), Latest())
            store.close()

    seen = share(request, look=taken)
    assert isinstance(seen.error, FencedError)
    assert seen.last.iteration < 20
    assert list_checkpoints(tmp_path) == []


def test_signs_of_life_and_checkpoints_are_told_while_it_runs(manifest, tmp_path, monkeypatch) -> None:
    """What a later start says was lost rests on the one, what the operator may rely on on the other."""
    monkeypatch.setattr(saves, "HEARTBEAT_SECONDS", 0)
    submit, signs, durable = Saver.submit, [], []

    def and_wait(saver, job) -> None:
        submit(saver, job)
        with saver._changed:
            saver._changed.wait_for(lambda: not saver._busy and saver._waiting is None)

    monkeypatch.setattr(Saver, "submit", and_wait)

    def look(report) -> None:
        if report.state == "Running" and report.iteration < END:
            signs.append((progress(tmp_path), report.iteration))
            durable.append(report.durable)

    assert share(request_of(manifest, tmp_path), look=look).code == 0
    assert all(sign == iteration for sign, iteration in signs if iteration)
    assert durable[-1] >= 20
    assert [one.name for one in threading.enumerate() if one.name in ("saver", "watchdog")] == []


@pytest.mark.parametrize("error", [OSError(5, "broken"), VolumeError("broken")])
def test_what_can_not_be_remembered_is_a_warning(manifest, tmp_path, error) -> None:
    def fails(_) -> None:
        raise error

    seen = share(request_of(manifest, tmp_path), claimed=fails)
    assert seen.code == 0
    assert seen.last.warnings == ("`cflow resume` won't find this run, for the folder can't be written: broken",)


def test_iterates_that_leave_the_numbers_end_it_with_a_checkpoint_that_is_not_good(tmp_path) -> None:
    text = write_flow(tmp_path / "flow", limit=20_000, size=8, every=500)
    smooth = text.read_text().replace("atom: norm_l21, arg: D x, weight: 0.1", "atom: quadratic, arg: D x, weight: 0.1")
    text.write_text(smooth.replace("    stop:", "    policy: {step: 30}\n    stop:"))
    root = tmp_path / "root"
    seen = share(request_of(text, root))
    assert isinstance(seen.error, DivergedError), (seen.error, seen.last)
    kept = list_checkpoints(root)[0]
    assert (kept.good, kept.reason) == (False, "final")
    assert ("RUN_FAILED", kept.ref.iteration) in events(root)
    assert not seen.last.saved.good
    assert not (root / "result").exists()
