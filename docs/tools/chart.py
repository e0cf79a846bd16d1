"""The page of the chart's values: each with its default and the comment that stands beside it in values.yaml."""

import re
from collections.abc import Iterator
from pathlib import Path

from tables import code, page, table

VALUES = Path("charts/computable-flows/values.yaml")
LEAD = (
    "What `helm upgrade --install … --set KEY=VALUE`, or a file given with `--values`, can set. A wrong key or type is "
    "refused by `values.schema.json` before anything is installed. How to install: [Install](../how-to/install.md)."
)
_KEY = re.compile(r"^( *)([A-Za-z]+):(?: +([^#]*?))?(?: *# (.*))?$")


def chart_page() -> str:
    """A row a value."""
    rows = [(code(path), code(default), meaning) for path, default, meaning in values(VALUES.read_text("utf-8"))]
    return page("Values of the chart", LEAD, table(["value", "default", "meaning"], rows))


def values(text: str) -> Iterator[tuple[str, str, str]]:
    """Path, default and comment of every value; a comment above a key belongs to it, one beside it comes after."""
    above: list[str] = []
    path: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            above.append(line.strip().removeprefix("# "))
        elif match := _KEY.match(line):
            indent, name, default, beside = match.groups()
            path = [*path[: len(indent) // 2], name]
            meaning = " ".join([*above, *([beside] if beside else [])])
            if default or meaning:
                yield ".".join(path), default or "", meaning[:1].upper() + meaning[1:]
            above = []
