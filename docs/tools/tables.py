"""Markdown that all generated pages share."""

from collections.abc import Iterable

MADE = "<!-- Made by `make crd` from the code: change it there. -->"


def page(title: str, lead: str, *sections: str) -> str:
    """A whole page: title, a paragraph that says what it is for, sections."""
    return "\n\n".join((f"# {title}", MADE, lead, *sections)) + "\n"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [_line(heads)]
    lines.append("|" + "---|" * (lines[0].count(" | ") + 1))
    return "\n".join([*lines, *map(_line, rows)])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def code(text: object) -> str:
    """Text as code, or nothing of nothing."""
    return f"`{text}`" if str(text) else ""
