"""What the page of messages knows, against what the code really says while tests run."""

import re
import sys
from collections.abc import Iterator
from functools import cache, wraps
from types import FrameType
from typing import Any

from flowapi import errors
from kit.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "messages.md"
PRODUCT = ("flowapi", "flowengine", "flowclient")
HOLE = "…"
said: set[str] = set()
"""What the product's code said in this process and nobody has compared yet."""


def rows() -> Iterator[list[str]]:
    """The cells of every row of the page."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| message |", "| reason ", "| sentence |")):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@cache
def known() -> re.Pattern[str]:
    """Whatever the page has a row for."""
    templates = [cells[1] if len(cells) == 2 else cells[0] for cells in rows()]
    return re.compile("|".join(f"(?:{_pattern(one)})" for one in templates), re.DOTALL)


def _pattern(template: str) -> str:
    place, _, rest = template.partition(f"{HOLE}: ")
    optional, text = ("(?:.*: )?", rest) if rest and not place else ("", template)
    return optional + ".*".join(re.escape(part).replace(r"\ ", r"\s+") for part in text.split(HOLE))


def covered(text: str) -> bool:
    """Whether rows make up all of a text, sentence by sentence."""
    if known().fullmatch(text):
        return True
    ends = [match.start() + 1 for match in re.finditer(r"[.] ", text)]
    return any(known().fullmatch(text[:end]) and covered(text[end + 1 :]) for end in ends)


def unknown() -> list[str]:
    """What was said since this was asked last, and has no row."""
    found = sorted(one for one in said if not _has_row(one.strip()))
    said.clear()
    return found


def _has_row(text: str) -> bool:
    """Whether a text has a row, or begins with an error's sentence that has one, and goes on with what to do."""
    ends = [len(text), *(match.start() for match in re.finditer(r"[.] ", text))]
    return any(known().fullmatch(text[:end]) for end in ends)


def listen() -> None:
    """Note every error and every warning that the product's code makes from now on."""
    made = errors.FlowError.__init__

    @wraps(made)
    def noted(self: errors.FlowError, message: str, **more: Any) -> None:
        made(self, message, **more)
        own_words = self.reason != "Kubectl" and not isinstance(self, errors.DocumentErrors)
        if own_words and _module(sys._getframe(1)).startswith(PRODUCT):
            said.add(message)

    errors.FlowError.__init__ = noted  # type: ignore[method-assign]


def listen_to_runs() -> None:
    """The same for the warnings of runs, once somebody has loaded what tells them."""
    reporting = sys.modules.get("flowengine.run.reporting")
    if reporting is None or hasattr(reporting.Reporter.warn, "__wrapped__"):
        return
    warn, begin = reporting.Reporter.warn, reporting.Reporter.__init__

    @wraps(warn)
    def warned(self: Any, sentence: str) -> None:
        _heard(sentence)
        warn(self, sentence)

    @wraps(begin)
    def begun(self: Any, board: Any, observe: Any, warnings: tuple[str, ...]) -> None:
        for one in warnings:
            _heard(one)
        begin(self, board, observe, warnings)

    reporting.Reporter.warn, reporting.Reporter.__init__ = warned, begun


def _heard(sentence: str) -> None:
    if sentence and _module(sys._getframe(2)).startswith(PRODUCT):
        said.add(sentence)


def _module(frame: FrameType | None) -> str:
    """Of the code that made an error: the first that is not the error's own."""
    while frame is not None and frame.f_globals.get("__name__") == errors.__name__:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""
