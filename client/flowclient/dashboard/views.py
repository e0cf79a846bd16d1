"""Parts of the dashboard's pages as HTML. Pure, but for the templates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowapi.report import HEALTH_MARKS
from flowclient import compare as comparing
from flowclient import story
from flowclient.chart import Series, chart
from flowclient.dashboard.source import STATES, Detail, Row
from flowclient.flows import Flow
from flowclient.report import PARTS, POINTS, facts, marked, pages
from flowengine.capsule import Curve

OWN = ("revisions", "conditions", "texts")
FLOW_PARTS = ("head", "notes", "state", "curves", "result", "conditions", "revisions", "texts", *PARTS[2:])
"""Of a flow's page, in their order; all but `head`, `notes` and `OWN` are the report's."""
IN_HEAD = ("iteration", "iterations a second")
COLUMNS = (
    ("name", "Flow", ""), ("state", "State", ""), ("iteration", "Iteration", "number"),
    ("residual", "Residual", "number wide-only"), ("rate", "it/s", "number wide-only"),
    ("left", "Left", "number"), ("saved", "Saved", "number"),
)  # fmt: skip
"""(name, title, classes) of the list's columns."""


def rate(value: float | None) -> str:
    """Iterations a second, as on a terminal."""
    return story.NEVER if value is None else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def short(value: float | None) -> str:
    """A number at a glance."""
    return story.NEVER if value is None else f"{value:.3g}"


def part(name: str, **values: Any) -> str:
    """A part of a page."""
    shared = {
        "number": story.number, "short": short, "rate": rate, "duration": story.duration, "marked": marked,
        "shapes": STATES, "marks": HEALTH_MARKS,
    }  # fmt: skip
    return pages().get_template(f"dashboard/{name}.html").render(shared, **values).strip()


def row(one: Row, base: str) -> str:
    """A row of the list."""
    return part("row", row=one, base=base)


def counts(rows: Sequence[Row]) -> str:
    """How many flows there are, in each state: a sentence that is read aloud when it changes."""
    if not rows:
        return "There are no flows here yet."
    found = Counter(one.state for one in rows)
    words = ", ".join(f"{found[state]} {state}" for state in STATES if found[state])
    return f"{len(rows)} {'flow' if len(rows) == 1 else 'flows'}: {words}."


def notes(sentences: Sequence[str]) -> str:
    """What can't be shown."""
    return part("notes", notes=list(sentences))


def flow_parts(detail: Detail) -> dict[str, str]:
    """All parts of a flow's page but its head, by name."""
    known = facts(detail.flow, detail.result, detail.missing, listed=detail.listed)
    template = pages().get_template
    known["state"] = ""  # the head says it
    known["tiles"] = [(name, value) for name, value in known["tiles"] if name not in IN_HEAD]
    found = {name: template(f"flow/{name}.html").render(known).strip() for name in ("state", *PARTS)}
    found |= {name: part(name, detail=detail) for name in OWN}
    return {**found, "notes": notes(detail.notes)}


def head(one: Row) -> str:
    """How a flow stands now: above everything else on its page."""
    return part("head", row=one)


def compare_parts(rows: Sequence[Row], flows: Sequence[Flow]) -> dict[str, str]:
    """What was asked of flows differently, what each has found, and their curves in one picture."""
    found = comparing.compare(flows)
    names = tuple(one.name for one in rows)
    clear = names if len(set(names)) == len(names) else tuple(f"{one.name} ({one.place})" for one in rows)
    return {
        "compared": part("compared", rows=rows, names=clear, found=found, letters=LETTERS),
        "curves": part("overlaid", charts=overlaid(flows), names=clear, letters=LETTERS),
    }


LETTERS = "abcdefgh"
"""A flow's letter in a comparison: its curve's legend and style."""


def overlaid(flows: Sequence[Flow]) -> list[tuple[str, str]]:
    """(what it shows, SVG): energies, residuals and gaps of several flows."""
    curves = [Curve.of_table(one.history.table).thinned(POINTS) for one in flows]
    drawn = []
    for title, column in (("energy", "E"), ("residual", "residual"), ("gap", "gap")):
        known = [(letter, one) for letter, one in zip(LETTERS, curves, strict=False) if len(one)]
        series = [Series(letter, one.column(column), f"flow-{letter}", one.column("iter")) for letter, one in known]
        log = column != "E" or all((one.values[np.isfinite(one.values)] > 0).all() for one in series)
        if series:
            drawn.append((title, chart(series[0].values, series, [], log=log, title=f"{title} over iterations")))
    return [(title, svg) for title, svg in drawn if svg]


def as_event(version: int, parts: Mapping[str, str], gone: Sequence[str]) -> str:
    """A change as a server-sent event."""
    body = json.dumps({"parts": dict(parts), "gone": list(gone)}, ensure_ascii=False, separators=(",", ":"))
    return f"id: {version}\ndata: {body}\n\n"
