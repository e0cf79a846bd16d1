"""Saves that fail in a run: said, counted, tried again, withdrawn once one goes; the last one must go."""

import errno
import os

import pytest

from flowapi.errors import FencedError, VolumeError
from flowengine.run.saver import Saver
from flowengine.run.telemetry import Telemetry
from flowengine.store import IO, CheckpointStore, list_checkpoints
from kit.manifests import write_flow
from kit.requests import request_of
from kit.sessions import compiled_once, events, share

END = 70


class Full(IO):
    """A volume that has no room for so many states."""

    def __init__(self, states: int) -> None:
        self.left = states

    def create(self, path):
        if path.name == "state.safetensors" and self.left:
            self.left -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return super().create(path)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    with compiled_once():
        yield write_flow(tmp_path_factory.mktemp("flow"), limit=END, size=8, every=20)


@pytest.fixture
def _one_after_the_other(monkeypatch) -> None:
    """The loop goes on only once a save has ended, so that none is replaced."""
    submit = Saver.submit

    def and_wait(saver, job) -> None:
        submit(saver, job)
        with saver._changed:
            saver._changed.wait_for(lambda: not saver._busy and saver._waiting is None)

    monkeypatch.setattr(Saver, "submit", and_wait)


@pytest.mark.usefixtures("_one_after_the_other")
def test_a_volume_that_fills_for_a_while_is_said_counted_and_forgotten(manifest, tmp_path) -> None:
    seen = share(request_of(manifest, tmp_path), io=Full(1))
    assert seen.code == 0
    failing = [one for one in seen.reports if one.write_failed]
    assert failing
    assert failing == [one for one in seen.reports if any("WriteFailed: " in sentence for sentence in one.warnings)]
    assert any("at iteration 20 could not be written" in sentence for sentence in failing[0].warnings)
    assert (seen.last.write_failed, seen.last.warnings, seen.last.durable) == ("", (), END)
    saves = seen.last.saves
    assert (saves.count, saves.failed, saves.replaced) == (1, 1, 0)
    assert saves.bytes > 0
    assert saves.seconds > 0
    assert saves.waited > 0
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [END]
    assert [what for what in events(tmp_path) if what[0] == "CHECKPOINT_CREATED"] == [("CHECKPOINT_CREATED", END)]


@pytest.mark.usefixtures("_one_after_the_other")
def test_a_volume_that_stays_full_ends_the_run_at_its_last_save_alone(manifest, tmp_path) -> None:
    seen = share(request_of(manifest, tmp_path), io=Full(10**9))
    assert isinstance(seen.error, VolumeError)
    assert f"at iteration {END}" in str(seen.error)
    assert (seen.last.iteration, seen.last.durable, seen.last.saves.failed) == (END, None, 2)
    assert not (tmp_path / "result").exists()


@pytest.mark.usefixtures("_one_after_the_other")
@pytest.mark.parametrize("error", [FencedError("another has it"), RuntimeError("broken"), MemoryError()], ids=repr)
def test_what_a_later_save_can_not_mend_ends_the_run_at_once(manifest, tmp_path, monkeypatch, error) -> None:
    save, tried = CheckpointStore.save, []

    def fails(store, iteration, *more):
        tried.append(iteration)
        if iteration == 20:
            raise error
        return save(store, iteration, *more)

    monkeypatch.setattr(CheckpointStore, "save", fails)
    seen = share(request_of(manifest, tmp_path))
    assert seen.error is error
    assert tried[0] == 20
    rescued = (
        [] if isinstance(error, FencedError) else [seen.last.iteration]
    )  # the volume is another's, or a bug's fault
    assert tried[1:] == rescued == [one.ref.iteration for one in list_checkpoints(tmp_path)]


@pytest.mark.usefixtures("_one_after_the_other")
def test_what_goes_wrong_beside_a_save_is_a_warning_of_the_run(manifest, tmp_path, monkeypatch) -> None:
    def fails(*_):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(CheckpointStore, "collect", fails)
    seen = share(request_of(manifest, tmp_path))
    assert (seen.code, seen.last.durable) == (0, END)
    assert any("old checkpoints can't be removed" in one for one in seen.last.warnings)
    assert seen.last.saves.count >= 2


def test_a_pause_whose_telemetry_can_not_be_written_says_so(manifest, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Telemetry, "flush", lambda *_: "telemetry could not be written (full)")
    seen = share(request_of(manifest, tmp_path, until=50))
    assert (seen.code, seen.last.durable) == (75, 50)
    assert seen.last.warnings == ("telemetry could not be written (full)",)
    assert "Stopping" in [one.state for one in seen.reports]
