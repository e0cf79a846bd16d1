"""Runs the tests of each part against every mutant of it: each must be caught by a test, or be named equivalent.

Each mutant lives in a forked process that has everything heavy loaded but the part itself. Alone, for one part or for mutants
whose names contain a word: `python -P -m torture.mutation run/ fence.check`.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit import programs
from torture.equivalent import EQUIVALENT
from torture.mutants import PARTS, Mutant, Part, generate, unchanged

TESTS = Path(__file__).parent.parent
SECONDS = 900  # many times what the tests take: on a busy machine a slow mutant must not pass for a caught one
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
    if caught := _outcome(*_start(unchanged(part))):
        raise RuntimeError(f"the tests fail without a mutant: {caught}")
    running: dict[int, tuple[Mutant, int, Path]] = {}
    while left or running:
        while left and len(running) < workers:
            mutant = left.pop(0)
            child, pipe, folder = _start(mutant)
            running[child] = mutant, pipe, folder
        child, status = os.wait()
        mutant, pipe, folder = running.pop(child)
        yield Verdict(mutant, _read(status, pipe, folder))


def _start(mutant: Mutant) -> tuple[int, int, Path]:
    """Fork a process that runs the tests: its id, where it writes what caught it, and its folder."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None, prefix="cflow-mutant-"))
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader, folder
    try:
        os.close(reader)
        signal.alarm(SECONDS)
        os.setpgid(0, 0)
        os.environ |= {"CFLOW_TEST_MEMORY": str(folder), "CFLOW_REPLAY_STATES": "8"}
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, _Finder(mutant))
        seen = _First()
        files = [str(TESTS / name) for name in mutant.part.tests]
        code = pytest.main([*OPTIONS, *files], plugins=[seen])
        os.write(writer, (seen.failed or ("nothing" if not code else f"pytest ended with {code!r}")).encode())
    except BaseException as error:
        os.write(writer, f"BROKEN {error!r}".encode())
        raise
    finally:
        os._exit(0)


def _outcome(child: int, pipe: int, folder: Path) -> str:
    return _read(os.waitpid(child, 0)[1], pipe, folder)


def _read(status: int, pipe: int, folder: Path) -> str:
    with os.fdopen(pipe) as stream:
        caught = stream.read()
    shutil.rmtree(folder, ignore_errors=True)
    if caught.startswith("BROKEN") or not (caught or os.WIFSIGNALED(status)):
        raise RuntimeError(f"the tests could not run: {caught}")
    return "" if caught == "nothing" else caught or "the process was killed: it hung or died"


class _First:
    """Remembers the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each phase of each test."""
        if report.failed and not self.failed:
            self.failed = report.nodeid.rsplit("/", 1)[-1]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Of each file."""
        if report.failed and not self.failed:
            self.failed = f"collecting {report.nodeid.rsplit('/', 1)[-1]}"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a mutant's source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """The spec of the mutated module; None for every other."""
        if name != f"{self._mutant.part.package}.{self._mutant.module}":
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self._mutant.part.file(self._mutant.module)))

    def exec_module(self, module: object) -> None:
        """Run the mutant's source as the module."""
        exec(compile(self._mutant.source, f"<{self._mutant.name}>", "exec"), vars(module))  # noqa: S102


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
