"""Everything that a run writes or reads beside its checkpoints: killed and refused at each operation, cut off, flipped."""

import errno
import os
import random
import shutil

import pytest

from flowapi.errors import FlowError
from flowengine import capsule
from flowengine.store import Files, list_checkpoints
from kit.store.beside import END, HASH, SUMMARY, Told, go, wrong
from kit.store.faulty import READING, WRITING, Faulty, die, fail_with
from kit.store.processes import fork
from kit.store.replaying import Recorder, build, outcomes

CUT_AT = 3  # the first process pauses there, the second one ends
SOME = pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.thorough)], ids=["some", "all"])


def seeded(root):
    go(root, None, lambda _: None, until=CUT_AT)
    return root


def seed_told() -> Told:
    return Told(saved=CUT_AT, remembered=True, rows=[1, 2, 3])


def operations(tmp_path, calls=WRITING) -> int:
    io = Faulty(at=-1, fault=die, calls=calls)
    go(seeded(tmp_path / "count"), io, lambda _: None)
    return io.count


def in_child(root, io, told: Told) -> None:
    """Run in a forked child, which tells as it goes."""
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        try:
            go(root, io, lambda word: os.write(writer, f"{word}\n".encode()))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        for word in stream:
            told.note(word.strip())
    os.waitpid(child, 0)


@SOME
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_operation_of_a_run(tmp_path, after, every) -> None:
    total = operations(tmp_path)
    assert total > 150
    for at in range(1, total + 1, every):
        root, told = seeded(tmp_path / f"{at}"), seed_told()
        in_child(root, Faulty(at=at, fault=die, after=after), told)
        assert wrong(root, told) == "", f"killed at {at}"
        shutil.rmtree(root)


@SOME
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_refused_at_every_operation_of_a_run(tmp_path, number, every) -> None:
    for at in range(1, operations(tmp_path) + 1, every):
        root, told = seeded(tmp_path / f"{at}"), seed_told()
        io = Faulty(at=at, fault=fail_with(number))
        try:
            go(root, io, told.note)
        except FlowError as error:
            assert error.code == 74
        except OSError as error:  # of the result alone: the session says 74
            assert f"{HASH}/result" in str(error.filename) or io.hit
        assert wrong(root, told) == "", f"{io.hit} at {at}"
        shutil.rmtree(root)


@SOME
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES], ids=["EIO", "EACCES"])
def test_refused_at_every_reading(tmp_path, monkeypatch, number, every) -> None:
    """What passes is tried again: no start fails because of one refusal, but for what is asked for once."""
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))
    for at in range(1, operations(tmp_path, READING) + 1, every):
        root, told = seeded(tmp_path / f"{at}"), seed_told()
        io = Faulty(at=at, fault=fail_with(number), calls=READING)
        go(root, io, told.note)
        assert (told.saved, told.result) == (END, True), f"{io.hit} at {at}"
        assert wrong(root, told) == "", f"{io.hit} at {at}"
        shutil.rmtree(root)


def recorded(base, skip: str = "") -> tuple[list[tuple], list[tuple[int, str]]]:
    """The operations of two processes, and after how many of them what was told."""
    base.mkdir()
    io = Recorder(base, skip)
    words: list[tuple[int, str]] = []
    for until in (CUT_AT, END):
        go(base / "flow", io, lambda word: words.append((len(io.log), word)), until=until)
    return io.log, words


def violations(tmp_path, skip: str = "", step: int = 1) -> list[str]:
    log, words = recorded(tmp_path / "work", skip)
    rng, found = random.Random(3), []
    for count in range(1, len(log) + 1, step):
        told = Told()
        for at, word in words:
            if at <= count:
                told.note(word)
        for number, fate in enumerate(outcomes(log[:count], rng)):
            place = tmp_path / f"{count}-{number}"
            place.mkdir()
            build(log[:count], fate, place)
            try:
                problem = wrong(place / "flow", told)
            except Exception as error:
                problem = repr(error)
            shutil.rmtree(place)
            if problem:
                found.append(f"after {count} operations: {problem}")
                if skip:
                    return found
    return found


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.thorough)])
def test_no_power_cut_loses_what_a_run_was_sure_of(tmp_path, step) -> None:
    assert violations(tmp_path, step=step) == []


SKIPPED = [
    "fsync x.npy",
    "fsync summary",
    "fsync SHA256SUMS",
    "fsync telemetry",
    "fsync local",
    "folder result",
    "folder telemetry",
]


@pytest.mark.thorough
@pytest.mark.parametrize("skip", SKIPPED)
def test_every_sync_of_a_run_is_needed(tmp_path, skip) -> None:
    assert violations(tmp_path, skip, step=3) != []


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run that paused once, and has ended."""
    root = tmp_path_factory.mktemp("ended") / "flow"
    go(seeded(root), None, lambda _: None)
    return root


def beside_checkpoints(root):
    """Every file that isn't a checkpoint's."""
    return sorted(path for path in root.rglob("*") if path.is_file() and "ckpts" not in path.parts)


@pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_flip_of_any_byte_beside_the_checkpoints_changes_no_number_and_stops_no_run(tmp_path, ended, step) -> None:
    """But for OWNER, where a person has to look: whose volume it is isn't guessed."""
    number = 0
    for path in beside_checkpoints(ended):
        name, raw = path.relative_to(ended), path.read_bytes()
        for at in range(0, len(raw), step if len(raw) > 100 else max(1, step // 8)):
            number += 1
            root = tmp_path / "copy"
            shutil.copytree(ended, root, symlinks=True)
            flipped = bytearray(raw)
            flipped[at] ^= 1 << at % 8
            (root / name).write_bytes(flipped)
            told = Told(saved=END, remembered=name.name != "local.json" or "revisions" not in name.parts)
            try:
                assert wrong(root, told) == "", (name, at)
            except FlowError as error:
                assert name.name == "OWNER", (name, at, error)
                assert "remove the file OWNER" in error.remedy
            shutil.rmtree(root)
    assert number > 200 / step


@pytest.mark.parametrize("how", ["empty", "half", "zeroed"])
def test_torn_files_beside_the_checkpoints_stop_no_run(tmp_path, ended, how) -> None:
    for path in beside_checkpoints(ended):
        name, raw = path.relative_to(ended), path.read_bytes()
        if name.name == "OWNER":
            continue
        root = tmp_path / "copy"
        shutil.copytree(ended, root, symlinks=True)
        (root / name).write_bytes({"empty": b"", "half": raw[: len(raw) // 2], "zeroed": bytes(len(raw))}[how])
        assert wrong(root, Told(saved=END, remembered=True)) == "", name
        shutil.rmtree(root)


def test_all_of_it_gone_but_the_checkpoints_and_their_claims(tmp_path, ended) -> None:
    root = tmp_path / "copy"
    shutil.copytree(ended, root, symlinks=True)
    for path in beside_checkpoints(root):
        if path.parent.name != "fence":
            path.unlink()
    assert wrong(root, Told(saved=END)) == ""
    assert capsule.read_result(Files(), root / "result") == SUMMARY
    assert list_checkpoints(root)[0].ref.iteration == END
