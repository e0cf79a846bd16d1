"""What a run says of itself while it goes on: the report on the board, shown to whoever looks, and its warnings."""

from collections.abc import Callable
from typing import Any

from flowapi.report import RunReport
from flowengine.run.board import Board

Observer = Callable[[RunReport], None]
MOST_WARNINGS = 4


class Reporter:
    """Keeps a run's report up to date, and shows it.

    Args:
        board: Where the report stands.
        observe: Shows it.
        warnings: Sentences to begin with.
    """

    def __init__(self, board: Board, observe: Observer, warnings: tuple[str, ...]) -> None:
        self._board, self._observe = board, observe
        self._warnings = warnings[:MOST_WARNINGS]

    @property
    def report(self) -> RunReport:
        """As it stands."""
        return self._board.report

    def update(self, **changes: Any) -> None:
        """Change some fields, by their Python names, and show nothing yet."""
        self._board.update(**changes)

    def show(self, **changes: Any) -> None:
        """Change some fields, and show the report."""
        self._board.update(**changes, warnings=self._warnings)
        self._observe(self._board.report)

    def warn(self, sentence: str) -> None:
        """Add a warning, unless it is empty or there already; the oldest go where there are many."""
        if sentence and sentence not in self._warnings:
            self._warnings = (*self._warnings, sentence)[-MOST_WARNINGS:]
            self.show()

    def withdraw(self, beginning: str) -> None:
        """Remove warnings that no longer hold."""
        self._warnings = tuple(one for one in self._warnings if not one.startswith(beginning))
