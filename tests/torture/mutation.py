"""Runs the tests of each part against every mutant of it: each must be caught by a test, or be named equivalent.

Each mutant lives in a forked process that has everything heavy loaded but the part itself. First all tests run once without a
mutant, and it is noted which reach which statement (`torture.reach`); a mutant then meets those that reach it, until one
fails; one that is named equivalent only the quick ones of them. Alone, for one part or for mutants
whose names contain a word: `python -P -m torture.mutation run/ fence.check`.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest

from kit import programs
from torture.equivalent import EQUIVALENT
from torture.mutants import PARTS, Mutant, Part, generate
from torture.reach import Noted, Tests

TESTS = Path(__file__).parent.parent
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NOTHING = "nothing"
SLOWER, AT_LEAST = 10, 60  # a mutant hangs when a test takes so many times what it took without it, and so many seconds
LOOK_SECONDS = 0.2
_COUNT = struct.Struct("q")
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning",
           "-W", "ignore::pytest.PytestUnraisableExceptionWarning")  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that caught it, or nothing."""

    mutant: Mutant
    caught_by: str

    @property
    def survived(self) -> bool:
        """Whether nothing caught it, and nobody said that nothing can."""
        return not self.caught_by and self.mutant.name not in EQUIVALENT

    def __str__(self) -> str:
        return self.caught_by or ("SURVIVED" if self.survived else f"equivalent: {EQUIVALENT[self.mutant.name]}")


def verdicts(names: Sequence[str] = (), workers: int = 2) -> Iterator[Verdict]:
    """Try every mutant, or those whose name contains one of `names`; as they end.

    Raises:
        RuntimeError: the tests fail without any mutant, or what is named equivalent is none.
    """
    known = {one.name for one in generate()}
    if stale := set(EQUIVALENT) - known:
        raise RuntimeError(f"named equivalent, but no mutant: {', '.join(sorted(stale))}")
    for part in PARTS:
        left = [one for one in generate([part]) if not names or any(name in one.name for name in names)]
        if left:
            yield from _of_part(part, left, workers)


def _of_part(part: Part, left: list[Mutant], workers: int) -> Iterator[Verdict]:
    """The parts come in the order of their layers: what one loads, no earlier one changes."""
    programs.keep()
    for name in part.loaded:
        importlib.import_module(name)
    tests = _reached(part)
    running: list[_Trial] = []
    while left or running:
        while left and len(running) < workers:
            mutant = left.pop(0)
            names = tests.of(mutant.place, quick=mutant.name in EQUIVALENT)
            if names:
                running.append(_Trial.start(mutant, {name: tests.seconds[name] for name in names}))
            else:
                yield Verdict(mutant, "")
        time.sleep(LOOK_SECONDS)
        for trial in [one for one in running if one.over()]:
            running.remove(trial)
            yield Verdict(trial.mutant, trial.caught_by())


def _reached(part: Part) -> Tests:
    """The tests of a part, run without a mutant: which statements each of them reaches."""
    noted = Noted(part)
    seen = _First()
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="cflow-mutant-") as name:
        folder = Path(name)

        def work() -> str:
            sys.meta_path.insert(0, _Finder(part, {module: noted.source(module) for module in part.modules}, noted))
            code = pytest.main([*OPTIONS, *(str(TESTS / one) for one in part.tests)], plugins=[seen, noted])
            (folder / "tests").write_text(json.dumps(asdict(noted.tests())), encoding="utf-8")
            return seen.failed or ("" if not code else f"pytest ended with {code!r}")

        child, pipe = _fork(folder, work)
        os.waitpid(child, 0)
        with os.fdopen(pipe) as stream:
            if failed := stream.read():
                raise RuntimeError(f"the tests fail without a mutant: {failed}")
        return Tests(**json.loads((folder / "tests").read_text(encoding="utf-8")))


@dataclass
class _Trial:
    """A mutant whose tests run.

    Attributes:
        mutant: Which.
        child: The process.
        pipe: Where it writes what caught it.
        folder: Its own.
        seconds: How long each of its tests took without it.
        begun: How many of them have begun, in memory that the process shares.
        looked_at: Which of them it was at the last look.
        looks: How often a test is looked at before it counts as hanging: a machine that stands still looks at nothing.
        status: How the process ended.
    """

    mutant: Mutant
    child: int
    pipe: int
    folder: Path
    seconds: Sequence[float]
    begun: mmap.mmap
    looked_at: int = -1
    looks: int = 0
    status: int = 0

    @classmethod
    def start(cls, mutant: Mutant, tests: Mapping[str, float]) -> Self:
        """Fork a process that runs these tests, each of which took so long, until one fails."""
        folder = Path(tempfile.mkdtemp(dir=MEMORY, prefix="cflow-mutant-"))
        begun = mmap.mmap(-1, _COUNT.size)
        seen = _First(begun)

        def work() -> str:
            sys.meta_path.insert(0, _Finder(mutant.part, {mutant.module: mutant.source}))
            code = pytest.main([*OPTIONS, *(str(TESTS.parent / name) for name in tests)], plugins=[seen])
            return seen.failed or (NOTHING if not code else f"pytest ended with {code!r}")

        child, pipe = _fork(folder, work)
        return cls(mutant, child, pipe, folder, [*tests.values()], begun)

    def over(self) -> bool:
        """Whether its process has ended, or has been ended because it hung."""
        ended, self.status = os.waitpid(self.child, os.WNOHANG)
        (begun,) = _COUNT.unpack(self.begun[:])
        if begun != self.looked_at:
            self.looked_at = begun
            usual = self.seconds[min(begun, len(self.seconds)) - 1] if begun else 0.0
            self.looks = int(max(AT_LEAST, SLOWER * usual) / LOOK_SECONDS)
        self.looks -= 1
        if not ended and self.looks < 0:
            os.killpg(self.child, signal.SIGKILL)
            ended, self.status = os.waitpid(self.child, 0)
        return bool(ended)

    def caught_by(self) -> str:
        """The first test that failed, or nothing."""
        with os.fdopen(self.pipe) as stream:
            caught = stream.read()
        shutil.rmtree(self.folder, ignore_errors=True)
        if caught.startswith("BROKEN") or not (caught or self.status):
            raise RuntimeError(f"the tests could not run: {caught}")
        return "" if caught == NOTHING else caught or "the process was killed: it hung or died"


def _fork(folder: Path, work: Callable[[], str]) -> tuple[int, int]:
    """A silent process of its own group that does this: its id, and where it writes what came of it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    try:
        os.close(reader)
        os.setpgid(0, 0)
        os.environ |= {"CFLOW_TEST_MEMORY": str(folder), "CFLOW_REPLAY_STATES": "8"}
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.write(writer, work().encode())
    except BaseException as error:
        os.write(writer, f"BROKEN {error!r}".encode())
        raise
    finally:
        os._exit(0)


class _First:
    """Remembers the first test that failed, and counts those that begin."""

    def __init__(self, begun: mmap.mmap | None = None) -> None:
        self.failed, self._begun, self._count = "", begun, 0

    def pytest_runtest_logstart(self) -> None:
        """Of each test."""
        self._count += 1
        if self._begun is not None:
            self._begun[:] = _COUNT.pack(self._count)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each phase of each test."""
        if report.failed and not self.failed:
            self.failed = report.nodeid.rsplit("/", 1)[-1]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Of each file."""
        if report.failed and not self.failed:
            self.failed = f"collecting {report.nodeid.rsplit('/', 1)[-1]}"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads modules of a part from other sources."""

    def __init__(self, part: Part, sources: Mapping[str, str], noted: Noted | None = None) -> None:
        self._part, self._noted = part, noted
        self._sources = {f"{part.package}.{module}": source for module, source in sources.items()}

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that has another source; None for every other."""
        if name not in self._sources:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self._part.file(name.rpartition(".")[2])))

    def exec_module(self, module: ModuleType) -> None:
        """Run the source as the module."""
        if self._noted:
            self._noted.prepare(module)
        exec(compile(self._sources[module.__name__], f"<{module.__name__}>", "exec"), vars(module))  # noqa: S102


def main(names: Sequence[str]) -> int:
    """Print every verdict and the score; the number of mutants that survived."""
    survived, caught, equivalent = [], 0, 0
    for verdict in verdicts(names):
        print(f"{verdict.mutant.name}  →  {verdict}", flush=True)
        caught += bool(verdict.caught_by)
        equivalent += not verdict.caught_by and not verdict.survived
        if verdict.survived:
            survived.append(verdict.mutant.name)
    total = caught + len(survived)
    print(f"mutants: {caught} of {total} caught, {equivalent} equivalent, {len(survived)} survived")
    with contextlib.suppress(BrokenPipeError):
        for name in survived:
            print(f"  survived: {name}")
    return len(survived)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
