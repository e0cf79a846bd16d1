"""What the watchdog watches, moment by moment: all that a run waits for, nothing that has ended, never two at once."""

import threading

import pytest

from flowapi.errors import InfeasibleError
from flowengine.run import leaves, opening, session
from flowengine.run.saver import Saver, seconds_for
from flowengine.run.session import COMPILING_SECONDS
from flowengine.run.telemetry import Telemetry
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointStore, list_checkpoints
from kit.manifests import write_flow
from kit.requests import request_of
from kit.sessions import compiled_once, events, share

COMPILING, ITERATING, ENDING, SAVING = "compiling", "iterating", "writing the result", "saving"


class Moments:
    """Notes what is watched whenever a run waits for something: the saver apart, which has a thread of its own."""

    def __init__(self, monkeypatch) -> None:
        self.seen: list[tuple[str, set[str]]] = []
        self.limits: dict[str, float | None] = {}
        self._patch, self._watchdogs = monkeypatch, []
        moments = self

        class Kept(Watchdog):
            def __init__(self, *arguments) -> None:
                super().__init__(*arguments)
                moments._watchdogs.append(self)

            def alive(self, what, seconds=None) -> None:
                moments.limits[what] = seconds
                super().alive(what, seconds)

        monkeypatch.setattr(session, "Watchdog", Kept)
        for owner, name in [
            (Saver, "drain"), (Saver, "close"), (CheckpointStore, "save"), (Telemetry, "flush"), (Telemetry, "compact"),
            (session, "unsolvable"), (session, "write_result"),
        ]:  # fmt: skip
            self._note(owner, name)
        load = opening.load

        def noting(request):
            compiled, program = load(request)
            return compiled, self._noted("iterate", program, keep=program)

        monkeypatch.setattr(opening, "load", noting)

    def _note(self, owner, name) -> None:
        self._patch.setattr(owner, name, self._noted(name, getattr(owner, name)))

    def _noted(self, name, call, keep=None):
        def noted(*arguments, **more):
            self.seen.append((name if self._of_loop else f"{name}, saver", self.watched))
            return call(*arguments, **more)

        return _Program(keep, noted) if keep is not None else noted

    @property
    def _of_loop(self) -> bool:
        return threading.current_thread() is threading.main_thread()

    @property
    def watched(self) -> set[str]:
        """What is watched now, but for the saver where the loop looks."""
        found = set(self._watchdogs[-1]._due)
        return found - {SAVING} if self._of_loop else found & {SAVING}

    def of(self, name: str) -> list[set[str]]:
        """What was watched each time that a run waited for this."""
        return [watched for one, watched in self.seen if one == name]


class _Program:
    def __init__(self, program, call) -> None:
        self._program, self._call = program, call

    def __getattr__(self, name):
        return getattr(self._program, name)

    def __call__(self, carry, until):
        return self._call(carry, until)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    with compiled_once():
        yield write_flow(tmp_path_factory.mktemp("flow"), limit=1100, size=8, every=400)


@pytest.fixture
def moments(monkeypatch):
    return Moments(monkeypatch)


def test_all_that_a_run_waits_for_is_watched(manifest, tmp_path, moments) -> None:
    seen = share(request_of(manifest, tmp_path))
    assert seen.code == 0
    compiling, *chunks = moments.of("iterate")
    assert compiling == {COMPILING}
    assert len(chunks) > 3
    assert all(one == {ITERATING} for one in chunks)
    assert moments.of("unsolvable") == [{COMPILING}] * 2  # after 1000 iterations, and where it ends by its limit
    assert moments.limits[COMPILING] == COMPILING_SECONDS
    assert moments.of("drain") == [set()], "the saver alone is watched"
    assert moments.of("save, saver")
    assert all(one == {SAVING} for one in moments.of("save, saver"))
    assert moments.of("write_result") == [{ENDING}]
    assert moments.of("flush") == moments.of("compact") == [{ENDING}]
    assert moments.limits[ENDING] is None, "what comes after the result has a deadline of its own"
    assert [one for one, _ in moments.seen if one in ("drain", "write_result", "compact")] == [
        "drain", "write_result", "compact",
    ]  # fmt: skip


def test_the_result_has_as_long_as_a_save(manifest, tmp_path, moments, monkeypatch) -> None:
    write, limits = session.write_result, []

    def writing(opened, request, carry, *more):
        limits.append((moments.limits[ENDING], seconds_for(leaves.to_leaves(carry))))
        return write(opened, request, carry, *more)

    monkeypatch.setattr(session, "write_result", writing)
    assert share(request_of(manifest, tmp_path)).code == 0
    ((given, needed),) = limits
    assert given == needed


@pytest.mark.parametrize("until", [400, 450])
def test_a_pause_is_watched_to_its_end(manifest, tmp_path, moments, until) -> None:
    assert share(request_of(manifest, tmp_path, until=until)).code == 75
    assert moments.of("drain") == [set()]
    assert moments.of("flush") == [{ENDING}]


def test_a_rescue_is_watched_for_as_long_as_a_save_may_take(manifest, tmp_path, moments, monkeypatch) -> None:
    """The thread that saves may be what is broken: it has ended before another one writes."""
    broken, close, limits = RuntimeError("broken"), Saver.close, []

    def breaks(*_):
        raise broken

    def closing(saver) -> None:
        limits.append(moments.limits[ITERATING])
        close(saver)

    monkeypatch.setattr(Telemetry, "drain", breaks)
    monkeypatch.setattr(Saver, "close", closing)
    seen = share(request_of(manifest, tmp_path))
    assert seen.error is broken
    rescued = [one for one in moments.seen if one[0] in ("close", "save")]
    assert rescued == [("close", {ITERATING}), ("save", {ITERATING}), ("close", {ITERATING})]
    assert None not in limits, "the save in hand has as long as it may need"
    assert [one.reason for one in list_checkpoints(tmp_path)] == ["rescue"]


def test_a_proof_that_there_is_no_solution_ends_it_with_a_checkpoint(manifest, tmp_path, moments, monkeypatch) -> None:
    error = InfeasibleError("no point meets all constraints", path="spec.flow.terms")

    def proves(*_):
        return error

    monkeypatch.setattr(session, "unsolvable", proves)
    seen = share(request_of(manifest, tmp_path))
    assert seen.error is error
    assert (seen.last.iteration, seen.last.durable, seen.last.controller) == (1000, 1000, "RED")
    newest = list_checkpoints(tmp_path)[0]
    assert (newest.ref.iteration, newest.reason) == (1000, "final")
    assert not seen.last.saved.green
    assert ("RUN_FAILED", 1000) in events(tmp_path)
    assert moments.of("drain") == [set()]
    assert not (tmp_path / "result").exists()
