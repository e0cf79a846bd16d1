"""How a session begins: checked before the volume is touched, told step by step, and closed again where it can't go on."""

import threading
from dataclasses import replace

import pytest

from flowapi.errors import DataError, IncompatibleError, VolumeLostError
from flowengine import capsule
from flowengine.run import environment, opening, session
from flowengine.store import Latest, list_checkpoints
from kit.manifests import write_flow
from kit.requests import request_of
from kit.sessions import compiled_once, events, share

END, PAUSE = 70, 30


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    with compiled_once():
        yield write_flow(tmp_path_factory.mktemp("flow"), limit=END, size=8, every=20)


@pytest.fixture
def paused(manifest, tmp_path):
    """A root whose flow has paused."""
    assert share(request_of(manifest, tmp_path, until=PAUSE)).code == 75
    return tmp_path


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name in ("saver", "watchdog")]


def test_each_step_is_told_before_it_is_taken(manifest, tmp_path, monkeypatch) -> None:
    boards, steps = [], []

    def noted(owner, name):
        call = getattr(owner, name)

        def noting(*arguments, **more):
            steps.append((name, boards[-1].report.state))
            return call(*arguments, **more)

        monkeypatch.setattr(owner, name, noting)

    real = session.open_run

    def opening_run(request, board):
        boards.append(board)
        return real(request, board)

    monkeypatch.setattr(session, "open_run", opening_run)
    noted(opening, "load")
    noted(opening, "resume")
    noted(session, "announce")
    noted(session.platform, "settle")
    seen = share(request_of(manifest, tmp_path), claimed=lambda _: steps.append(("claimed", boards[-1].report.state)))
    assert seen.code == 0
    assert steps == [
        ("load", "Loading"), ("resume", "Restoring"), ("claimed", "Restoring"), ("announce", "Restoring"),
        ("settle", "Compiling"),
    ]  # fmt: skip
    assert {one.state for one in seen.reports if one.iteration} == {"Running", "Finished"}


def test_without_a_device_nothing_is_compiled_and_the_volume_is_not_touched(tmp_path, monkeypatch) -> None:
    def none() -> None:
        raise DataError("no device")

    def compiles(*_, **__):
        raise AssertionError

    monkeypatch.setattr(environment, "check_devices", none)
    monkeypatch.setattr(opening, "compile_flow", compiles)
    request = request_of(write_flow(tmp_path / "flow", limit=END, size=8), tmp_path / "root")
    seen = share(request)
    assert isinstance(seen.error, DataError)
    assert not request.root.exists()
    assert threads() == []


def test_a_start_that_is_refused_after_its_claim_lets_go_of_the_volume(manifest, tmp_path) -> None:
    seen = share(request_of(manifest, tmp_path, expected=True))
    assert isinstance(seen.error, VolumeLostError)
    assert threads() == []
    assert share(request_of(manifest, tmp_path, until=PAUSE)).code == 75
    assert share(request_of(manifest, tmp_path, expected=True)).code == 0


@pytest.mark.parametrize("where", ["recording", "claimed"])
def test_a_start_that_breaks_lets_go_of_the_volume(manifest, tmp_path, monkeypatch, where) -> None:
    def breaks(*_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        if where == "recording":
            patch.setattr(session, "recording", breaks)
        seen = share(request_of(manifest, tmp_path), claimed=breaks if where == "claimed" else lambda _: None)
    assert str(seen.error) == "broken"
    assert threads() == []
    assert share(request_of(manifest, tmp_path)).code == 0


def test_a_checkpoint_of_other_data_is_not_gone_on_from(manifest, paused, monkeypatch) -> None:
    """Its arrays are not looked at: of data of another shape they would be others, too, which says less."""
    load = opening.load

    def looks(*_):
        raise AssertionError

    def other(request):
        compiled, program = load(request)
        return replace(compiled, digest="f" * 64), program

    with monkeypatch.context() as patch:
        patch.setattr(opening, "load", other)
        patch.setattr(opening.leaves, "to_carry", looks)
        seen = share(request_of(manifest, paused))
    assert isinstance(seen.error, IncompatibleError)
    assert "the input data are not those" in str(seen.error)
    assert share(request_of(manifest, paused)).code == 0


def test_another_environment_is_said_and_remembered(manifest, paused, monkeypatch) -> None:
    describe = environment.describe
    with monkeypatch.context() as patch:
        patch.setattr(environment, "describe", lambda *given: {**describe(*given), "cpuIsa": "other"})
        seen = share(request_of(manifest, paused, until=PAUSE + 20))
        assert seen.last.warnings == ("resumed in another environment (cpuIsa): bits may differ from here on",)
        assert not seen.last.bit_identical
    seen = share(request_of(manifest, paused))
    assert (seen.code, seen.last.bit_identical, seen.last.result.bit_identical) == (0, False, False)


def test_a_checkpoint_that_was_passed_over_is_told_and_so_is_what_was_restored(manifest, paused) -> None:
    newest, older = list_checkpoints(paused)[:2]
    (state,) = paused.glob(f"revisions/*/ckpts/{newest.ref.id}/state.safetensors")
    raw = bytearray(state.read_bytes())
    raw[-1] ^= 1
    state.write_bytes(raw)
    seen = share(request_of(manifest, paused))
    first = seen.reports[0]
    assert (first.passed_over, first.restored_from.id, first.restored_from.reason) == (1, older.ref.id, "Resume")
    assert (first.saved.id, first.durable, first.lost_iterations) == (older.ref.id, 20, PAUSE - 20)
    assert len(first.restored_from.arrays_sha256) == 64
    assert newest.ref.id in seen.last.warnings[0]
    assert ("CHECKPOINT_CORRUPT", 20) in events(paused)


def test_another_revision_goes_on_from_the_point_and_saves_before_it_iterates(
    manifest, paused, tmp_path_factory
) -> None:
    """A kill right after the start must not lose where it began."""
    text = manifest.read_text().replace("weight: 0.1", "weight: 0.2")
    other = write_flow(tmp_path_factory.mktemp("other"), limit=END, size=8, every=20)
    other.write_text(text)
    source = list_checkpoints(paused)[0].ref
    request = request_of(other, paused)
    seen = share(replace(request, start=Latest((source.revision,)), until=1))
    restored = seen.last.restored_from
    assert (seen.code, restored.id, restored.reason) == (75, source.id, "Continue")
    first = [one for one in list_checkpoints(paused) if one.ref.revision == request.revision.hash][-1]
    assert (first.ref.iteration, first.reason) == (0, "jump")
    rows = capsule.read(paused / "revisions" / request.revision.hash / "telemetry", "events")
    assert rows[0]["detail"] == f"from {source.id} of revision {source.revision}"


def test_what_telemetry_needs_is_loaded_beside_the_loop_and_not_before_it(manifest, tmp_path, monkeypatch) -> None:
    steps, chunk = [], session.Pace.measured
    monkeypatch.setattr(session.Pace, "measured", lambda *given: steps.append("chunk") or chunk(*given))
    monkeypatch.setattr(capsule, "prepare", lambda: steps.append(threading.current_thread().name))
    assert share(request_of(manifest, tmp_path)).code == 0
    assert steps.count("telemetry") == 1
    assert steps[0] == "chunk"


def test_what_a_killed_process_left_half_written_is_swept_away(manifest, paused) -> None:
    (folder,) = paused.glob("revisions/*/telemetry")
    (folder / ".telemetry.0a.tmp").write_bytes(b"half")
    left = []
    share(request_of(manifest, paused), claimed=lambda _: left.extend(folder.glob(".*")))
    assert left == []
