"""A real run, refused or killed at each operation of its disk: a later start ends with the bits of one that nothing met."""

import errno
import shutil
from pathlib import Path

import pytest

from flowengine.store import list_checkpoints
from kit.manifests import write_flow
from kit.runs import same_end, saved, summary
from kit.sessions import DEAD, compiled_once, remains, run_here
from kit.store.faulty import READING, WRITING, Faulty, dead, fail_with

PAUSED, END = 30, 70
SOME = pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.thorough)], ids=["some", "all"])
ENDS, PAUSES = (), ("--until", "50")
HOW = pytest.mark.parametrize("how", [ENDS, pytest.param(PAUSES, marks=pytest.mark.thorough)], ids=["ends", "pauses"])


class Tried:
    """A flow that has paused once, and one that nothing met; places for copies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, write_flow(folder / "flow", limit=END, size=8, every=20)
        self.whole, self._paused = folder / "whole", folder / "paused"
        assert run_here(None, "run", self.manifest, "--root", self.whole).code == 0
        assert run_here(None, "run", self.manifest, "--root", self._paused, "--until", PAUSED).code == 75

    def copy(self) -> Path:
        """A folder in which the flow has paused."""
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        return shutil.copytree(self._paused, self.folder / "copy", symlinks=True)

    def go(self, io: Faulty | None, root: Path, how: tuple[str, ...]):
        return run_here(io, "run", self.manifest, "--root", root, *how)

    def operations(self, how: tuple[str, ...], calls: tuple[str, ...] = WRITING) -> int:
        """How many a start from there takes to its end."""
        io = Faulty(at=-1, fault=dead, calls=calls)
        assert self.go(io, self.copy(), how).code == (75 if how else 0)
        assert io.count > 20
        return io.count

    def ends_as_if_nothing_had_been(self, root: Path, durable: int) -> None:
        """What was durable is there, and a start ends with the same bits and leaves nothing behind."""
        assert saved(root) >= max(durable, PAUSED)
        ended = self.go(None, root, ENDS)
        assert (ended.code, "Traceback" in ended.said) == (0, False), ended.said
        same_end(root, self.whole)
        assert summary(root)["bitIdentical"]
        assert remains(root) == []
        assert all(one.visible or one.ref.iteration < END for one in list_checkpoints(root))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    with compiled_once():
        yield Tried(tmp_path_factory.mktemp("tried"))


@SOME
@HOW
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_refused_at_each_operation(tried, number, how, every) -> None:
    """It goes on, or says why not in a sentence."""
    for at in range(1, tried.operations(how) + 1, every):
        root, io = tried.copy(), Faulty(at=at, fault=fail_with(number))
        ended = tried.go(io, root, how)
        assert ended.code in (74, 75 if how else 0), (io.hit, at, ended.said)
        said = [line for line in ended.said.splitlines() if line.startswith("cflow: ")]
        assert "Traceback" not in ended.said, (io.hit, at)
        assert said or ended.code != 74
        assert all(str(root) in one for one in said), (io.hit, at, said)  # which file, or which volume
        assert "[Errno" not in ended.said, (io.hit, at, said)
        tried.ends_as_if_nothing_had_been(root, ended.durable)


@SOME
@HOW
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_refused_from_an_operation_on(tried, number, how, every) -> None:
    """A disk that stays full, or broken: the run never ends as if all were well."""
    for at in range(1, tried.operations(how) + 1, every):
        root, io = tried.copy(), Faulty(at=at, fault=fail_with(number), on=True)
        ended = tried.go(io, root, how)
        assert ended.code in (74, 75 if how else 0), (io.hit, at, ended.said)
        assert "Traceback" not in ended.said, (io.hit, at)
        assert ended.code == 74 or saved(root) == (50 if how else END)
        tried.ends_as_if_nothing_had_been(root, ended.durable)


@SOME
@HOW
def test_dead_at_each_operation(tried, how, every) -> None:
    for at in range(1, tried.operations(how) + 1, every):
        root = tried.copy()
        ended = tried.go(Faulty(at=at, fault=dead, on=True), root, how)
        assert ended.code in (DEAD, 75 if how else 0), (at, ended.said)  # a link that can't be set is a warning's
        tried.ends_as_if_nothing_had_been(root, ended.durable)


@SOME
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE], ids=["EIO", "EACCES", "ESTALE"])
def test_refused_at_each_reading(tried, number, every) -> None:
    """What passes when it is tried again ends no run."""
    for at in range(1, tried.operations(ENDS, READING) + 1, every):
        root = tried.copy()
        ended = tried.go(Faulty(at=at, fault=fail_with(number), calls=READING), root, ENDS)
        assert (ended.code, "Traceback" in ended.said) == (0, False), (at, ended.said)
        tried.ends_as_if_nothing_had_been(root, ended.durable)
