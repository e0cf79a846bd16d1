"""Which tests reach which statements of a part: one that doesn't reach a mutant can't catch it, and is not run against it.

The part's modules are loaded once with a note before every statement of a function. Notes are kept in memory that forked
processes share, so that what a killed child had reached counts, too.
"""

import ast
import mmap
from dataclasses import dataclass
from types import ModuleType

import pytest

from torture.mutants import Part, blocks, place_of

NOTE = "_reached"
SLOW = 3.0  # seconds


@dataclass(frozen=True)
class Tests:
    """The tests of a part, in the order in which they ran.

    Attributes:
        seconds: How long each took, by its name.
        reaching: The names of those that reach a statement, by its place.
    """

    seconds: dict[str, float]
    reaching: dict[str, list[str]]

    def of(self, place: str, *, quick: bool = False) -> list[str]:
        """Those that reach a place: the slow ones last, file by file, in each the quickest first; without a place, all.

        Args:
            place: Of a statement.
            quick: Leave out the slow ones.
        """
        names = self.reaching.get(place, []) if place else [*self.seconds]
        files = [*dict.fromkeys(_file(name) for name in self.seconds)]
        return sorted(
            names, key=lambda name: (self.seconds[name] >= SLOW, files.index(_file(name)), self.seconds[name])
        )


class Noted:
    """Loads the modules of a part with notes, and as a plugin of pytest sorts these by test."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._places = [
            place_of(module, one) for module in part.modules for block in blocks(_tree(part, module)) for one in block
        ]
        self._numbers = {place: number for number, place in enumerate(self._places)}
        self._notes = mmap.mmap(-1, len(self._places))
        self._shared: dict[str, set[str]] = {}  # by file: what the setting up of one test may have done for another
        self._own: dict[str, set[str]] = {}
        self._always: set[str] = set()  # what importing the tests reaches
        self._seconds: dict[str, float] = {}

    def source(self, module: str) -> str:
        """A module with a note before each statement of its functions."""
        tree = _tree(self._part, module)
        for block in blocks(tree):
            block[:] = [one for statement in block for one in (self._note(module, statement), statement)]
        return ast.unparse(ast.fix_missing_locations(tree))

    def _note(self, module: str, statement: ast.stmt) -> ast.stmt:
        return ast.parse(f"{NOTE}({self._numbers[place_of(module, statement)]})").body[0]

    def prepare(self, module: ModuleType) -> None:
        """Give a module what its notes call."""
        vars(module)[NOTE] = self._take

    def _take(self, number: int) -> None:
        self._notes[number] = 1

    def _taken(self) -> set[str]:
        """The notes since the last time."""
        taken = {self._places[number] for number, noted in enumerate(self._notes[:]) if noted}
        self._notes[:] = bytes(len(self._places))
        return taken

    def pytest_collection_finish(self) -> None:
        """Once every test's file is imported."""
        self._always = self._taken()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each phase of each test."""
        reached = self._taken()
        name = report.nodeid
        self._seconds[name] = self._seconds.get(name, 0.0) + report.duration
        if report.when == "call":
            self._own[name] = reached
        else:
            self._shared.setdefault(_file(name), set()).update(reached)

    def tests(self) -> Tests:
        """What was seen."""
        reaching: dict[str, list[str]] = {}
        for name in self._seconds:
            for place in self._always | self._own.get(name, set()) | self._shared.get(_file(name), set()):
                reaching.setdefault(place, []).append(name)
        return Tests(dict(self._seconds), reaching)


def _file(name: str) -> str:
    return name.split("::", maxsplit=1)[0]


def _tree(part: Part, module: str) -> ast.Module:
    return ast.parse(part.file(module).read_text(encoding="utf-8"))
