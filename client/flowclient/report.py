"""One page about one flow: self-contained HTML that needs no network, and a PNG of the same curves."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from flowapi.errors import FlowError
from flowapi.report import HEALTH_MARKS
from flowclient import formula, story
from flowclient.chart import LEFT, RIGHT, WIDTH, Series, chart, falls
from flowclient.flows import Flow
from flowclient.pictures import Shown, rhat_table, show
from flowclient.results import Result, result_of
from flowengine.capsule import Curve
from flowengine.capsule.curve import HEALTH

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

POINTS = 2000
MOST_LISTED = 200
_CODE = re.compile(r"`([^`]+)`")
PARTS = ("result", "curves", "asked", "why", "happened", "checkpoints", "digests", "place")
"""Of a page, in their order: `pages/flow/NAME.html`, for the report and the dashboard."""


def result_or_none(flow: Flow) -> tuple[Result | None, str]:
    """The result as far as there is one, else why there is none."""
    try:
        return result_of(flow), ""
    except FlowError as error:
        return None, str(error)


def page(flow: Flow, result: Result | None, missing: str = "") -> str:
    """The report as HTML; everything that comes from the volume is escaped by the template."""
    return pages().get_template("report.html").render(facts(flow, result, missing), parts=PARTS)


@functools.cache
def pages() -> Environment:
    """The templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - pages only

    found = Environment(loader=PackageLoader("flowclient", "pages"), autoescape=True, undefined=StrictUndefined)
    found.filters["marked"] = marked
    return found


def marked(sentence: str) -> Markup:
    """A sentence as HTML: escaped, and what stands between backticks as code."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - pages only

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - it was escaped


def facts(flow: Flow, result: Result | None, missing: str = "", *, listed: bool = True) -> dict[str, Any]:
    """What the parts of a page about a flow show.

    Args:
        flow: As far as it is known.
        result: Its result, or its newest checkpoint's variables.
        missing: Why there is none.
        listed: Whether its checkpoints are all of those on the volume.
    """
    curve = Curve.of_table(flow.history.table)
    price = story.cost(flow, curve)
    return {
        "flow": flow,
        "title": f"{flow.name} · {flow.revision}",
        "state": story.state_in_words(flow),
        "tiles": tiles(flow, curve),
        "energy": formula.energy(flow.document),
        "params": formula.params_of(flow.document),
        "why": flow.manifest.get("why", []),
        "method": flow.manifest.get("method", "") or (flow.summary or {}).get("method", ""),
        "document": yaml.safe_dump(dict(flow.document), sort_keys=False, allow_unicode=True, width=100),
        "charts": charts(flow, curve),
        "strip": strip(flow, curve, listed=listed),
        "marks": HEALTH_MARKS,
        "happenings": [asdict(one) for one in story.happenings(flow)][-MOST_LISTED:],
        "cost": price,
        "pause": story.duration(price.seconds),
        "checkpoints": checkpoints(flow),
        "listed": listed,
        "warnings": (flow.summary or {}).get("warnings", []),
        "result": result,
        "missing": missing,
        "shown": shown(flow, result),
        "mixing": rhat_table(result.arrays) if result else [],
        "env": flow.manifest.get("env", {}),
    }


def tiles(flow: Flow, curve: Curve) -> list[tuple[str, str]]:
    """The numbers that are asked for first."""
    last = _last(curve)
    summary: Mapping[str, Any] = flow.summary or {}
    health = summary.get("certificate") or (HEALTH[curve.health[-1]] if len(curve) and curve.health[-1] >= 0 else "")
    rate = summary.get("iterationsPerSecond")
    bits = {True: "those of an uninterrupted run", False: "may differ from an uninterrupted run's"}
    found = [
        ("iteration", f"{summary.get('iterations', flow.iteration)}"),
        ("energy", story.number(summary.get("energy", last.get("E")))),
        ("residual", story.number(summary.get("residual", last.get("residual")))),
        ("gap", story.number(summary.get("gap", last.get("gap")))),
        ("health", health or story.NEVER),
        ("time", story.duration(summary.get("wallSeconds", _elapsed(curve)))),
        ("iterations a second", story.number(rate) if rate else story.NEVER),
        ("bits", bits.get(summary.get("bitIdentical", ""), "")),
    ]
    return [(name, value) for name, value in found if value and value != story.NEVER]


def charts(flow: Flow, curve: Curve) -> list[tuple[str, str]]:
    """(what it shows, SVG): energy, accuracy, step."""
    thin = curve.thinned(POINTS)
    iterations, marks = thin.column("iter"), story.marks(flow)
    energy = thin.column("E")
    wide = falls(energy)
    above = energy - np.nanmin(np.where(np.isfinite(energy), energy, np.nan)) if wide else energy
    series = {
        "energy above its lowest value" if wide else "energy": ([Series("energy", above)], wide),
        "residual and gap": ([Series(name, thin.column(name)) for name in ("residual", "gap")], True),
        "feasibility": ([Series("feasibility", thin.column("feasibility"))], True),
    }
    drawn = [
        (title, chart(iterations, curves, marks, log=log, title=f"{title} over iterations"))
        for title, (curves, log) in series.items()
    ]
    return [(title, svg) for title, svg in drawn if svg]


def strip(flow: Flow, curve: Curve, *, listed: bool = True) -> Mapping[str, Any]:
    """Places on one line, on the charts' axis: stretches of one health, and checkpoints."""
    iterations = curve.column("iter")
    if not len(curve):
        return {}
    low, high = int(iterations[0]), max(int(iterations[-1]), int(iterations[0]) + 1)

    def place(k: float) -> float:
        return round(LEFT + (min(max(k, low), high) - low) / (high - low) * (WIDTH - RIGHT - LEFT), 1)

    spans = [
        {"x": place(a), "width": max(1.0, place(b) - place(a)), "health": HEALTH[colour], "a": a, "b": b}
        for a, b, colour in story.health_spans(curve)
        if colour >= 0
    ]
    saved = [one for one in flow.history.events if one["event"] == "CHECKPOINT_CREATED"][-MOST_LISTED:]
    there = {one.ref.id for one in flow.checkpoints}
    dots = [
        {"x": place(one["iter"]), "id": one["checkpoint"], "kept": not listed or one["checkpoint"] in there}
        for one in saved
    ]
    return {"spans": spans, "dots": dots, "width": WIDTH}


def checkpoints(flow: Flow) -> list[dict[str, Any]]:
    """Those on the volume, newest first."""
    found = []
    for one in flow.checkpoints[:MOST_LISTED]:
        state = f"damaged: {one.problem}" if one.problem else "good" if one.good else "not good"
        hidden = "" if one.visible else ", of an abandoned branch"
        pinned = ", pinned" if one.pinned else ""
        found.append(
            {"id": one.ref.id, "iteration": one.ref.iteration, "reason": one.reason or story.NEVER,
             "bytes": one.bytes or story.NEVER, "state": state + hidden + pinned}
        )  # fmt: skip
    return found


def shown(flow: Flow, result: Result | None) -> list[Shown]:
    """Each array of the result to look at."""
    if result is None:
        return []
    variables = flow.document.get("variables", {})
    chains = {name for name, one in variables.items() if isinstance(one, Mapping) and one.get("chains")}
    return [
        show(name, array, "chains" if name in chains else "")
        for name, array in result.arrays.items()
        if not name.endswith(("_rhat", "_ess"))
    ]


def figure(flow: Flow, result: Result | None) -> bytes:
    """The curves, and the first picture of the result, as a PNG."""
    from flowclient.figure import draw  # noqa: PLC0415 - 0.5 s of matplotlib

    curve = Curve.of_table(flow.history.table)
    file = io.BytesIO()
    draw(file, flow, curve, result)
    return file.getvalue()


def _last(curve: Curve) -> dict[str, float]:
    return {name: float(curve.column(name)[-1]) for name in ("E", "residual", "gap")} if len(curve) else {}


def _elapsed(curve: Curve) -> float | None:
    times = curve.column("t_wall_ms")
    return float(times[-1] - times[0]) / 1000 if len(times) > 1 else None


def as_json(flow: Flow) -> str:
    """What the report shows first, for programs."""
    curve = Curve.of_table(flow.history.table)
    body = {
        "flow": flow.name, "revision": flow.revision, "state": flow.state, "iteration": flow.iteration,
        "cost": asdict(story.cost(flow, curve)), "checkpoints": len(flow.checkpoints), **dict(tiles(flow, curve)),
    }  # fmt: skip
    return json.dumps(body)
