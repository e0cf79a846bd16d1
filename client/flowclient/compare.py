"""Flows side by side: what was asked differently, and what came of it. Pure, but for the drawing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flowapi.frozen import frozen
from flowclient import story
from flowclient.chart import spark
from flowclient.flows import Flow
from flowengine.capsule import Curve

POINTS = 4000
MOST_DIFFERENCES = 40


@frozen
class Comparison:
    """A table: a line a quantity, a column a flow.

    Attributes:
        names: Of the columns.
        asked: (path in the document, a value a flow), where they differ.
        found: (quantity, a text a flow).
        remarks: Sentences about what can be compared.
    """

    names: tuple[str, ...]
    asked: tuple[tuple[str, tuple[str, ...]], ...]
    found: tuple[tuple[str, tuple[str, ...]], ...]
    remarks: tuple[str, ...]


def compare(flows: Sequence[Flow]) -> Comparison:
    """Two flows or more."""
    curves = [Curve.of_table(one.history.table) for one in flows]
    texts = [_found(flow, curve) for flow, curve in zip(flows, curves, strict=True)]
    found = tuple((name, tuple(one[name] for one in texts)) for name in texts[0])
    return Comparison(_names(flows), tuple(_differences(flows))[:MOST_DIFFERENCES], found, tuple(_remarks(flows)))


def as_dict(found: Comparison) -> dict[str, Any]:
    """For programs."""
    return {
        "flows": list(found.names),
        "asked": {path: list(values) for path, values in found.asked},
        "found": {name: list(values) for name, values in found.found if name != "residual over time"},
        "remarks": list(found.remarks),
    }


def figure(flows: Sequence[Flow]) -> bytes:
    """Energies and residuals of all in one picture."""
    import matplotlib as mpl  # noqa: PLC0415 - 0.5 s

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    picture, axes = plt.subplots(2, 1, figsize=(9, 7), layout="constrained", sharex=True)
    for name, flow in zip(_names(flows), flows, strict=True):
        thin = Curve.of_table(flow.history.table).thinned(POINTS)
        for axis, column in zip(axes, ("E", "residual"), strict=True):
            values = thin.column(column)
            axis.semilogy(thin.column("iter"), np.where(values > 0, values, np.nan), lw=1.4, label=name)
    axes[0].set(title="energy")
    axes[1].set(title="residual", xlabel="iteration")
    axes[0].legend(frameon=False)
    for axis in axes:
        axis.grid(alpha=0.25)
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=110)
    plt.close(picture)
    return file.getvalue()


def _names(flows: Sequence[Flow]) -> tuple[str, ...]:
    """Folders' names, with what tells them apart."""
    names = [one.root.resolve().name for one in flows]
    return tuple(name if names.count(name) == 1 else str(one.root) for name, one in zip(names, flows, strict=True))


def _found(flow: Flow, curve: Curve) -> dict[str, str]:
    summary: Mapping[str, Any] = flow.summary or {}
    price = story.cost(flow, curve)
    last = {name: curve.column(name)[-1] if len(curve) else None for name in ("E", "residual", "gap")}
    return {
        "revision": flow.revision,
        "state": str(summary.get("reason", "not ended")),
        "method": str(flow.manifest.get("method", summary.get("method", story.NEVER))),
        "iterations": str(summary.get("iterations", flow.iteration)),
        "energy": story.number(summary.get("energy", last["E"])),
        "residual": story.number(summary.get("residual", last["residual"])),
        "gap": story.number(summary.get("gap", last["gap"])),
        "health": str(summary.get("certificate", story.NEVER)),
        "time": story.duration(summary.get("wallSeconds")),
        "iterations a second": story.number(summary.get("iterationsPerSecond")),
        "interruptions": f"{price.interruptions} ({story.duration(price.seconds)})" if price.interruptions else "0",
        "residual over time": spark(curve.column("residual"), 24),
    }


def _differences(flows: Sequence[Flow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    leaves = [dict(_leaves(one.document)) for one in flows]
    for path in dict.fromkeys(path for one in leaves for path in one):
        values = tuple(str(one.get(path, story.NEVER)) for one in leaves)
        if len(set(values)) > 1:
            yield path, values


def _leaves(value: object, at: str = "flow") -> Iterator[tuple[str, object]]:
    match value:
        case Mapping():
            for key, item in value.items():
                yield from _leaves(item, f"{at}.{key}")
        case list() if any(isinstance(one, Mapping) for one in value):
            for index, item in enumerate(value):
                yield from _leaves(item, f"{at}[{index}]")
        case _:
            yield at, value


def _remarks(flows: Sequence[Flow]) -> Iterator[str]:
    if len({repr(one.document.get("terms")) + repr(one.document.get("params")) for one in flows}) > 1:
        yield "Terms or weights differ: the energies are not of the same function."
    if len({one.name for one in flows}) > 1:
        yield "These are flows of different names."
    digests = [one.summary.get("sha256") for one in flows if one.summary]
    if len(digests) == len(flows) and all(one == digests[0] for one in digests):
        yield "The results are the same, bit by bit."
    if len(digests) < len(flows):
        yield "Not all have ended."
