"""The picture of a run: rates, scaling, and times to an accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

OURS, HAND, LIMIT, PEER = "#0b6e4f", "#3a7ca5", "#8d99ae", "#c8553d"
COLOURS = {
    "engine": OURS, "engine without certificates": "#7fb69e", "hand-written JAX": HAND,
    "native (Numba), 1 thread": "#b8c0cc", "native (Numba), 2 threads": LIMIT,
    "SCICO PDHG": PEER, "SCICO PDHG, compiled whole by us": "#e39774", "PyProximal PrimalDual": "#e0a458",
    "scikit-image Chambolle": "#7b5ea7", "jaxopt ProximalGradient": "#e39774",
}  # fmt: skip
LIBRARIES = {
    "engine": OURS, "SCICO": PEER, "PyProximal": "#e0a458", "scikit-image": "#7b5ea7", "scikit-learn": "#5b8e7d",
    "jaxopt": "#e39774", "CVXPY": HAND,
}  # fmt: skip
LOWEST = 1e-7  # accuracies below are drawn here
RACES = ("deblur", "tv-512", "tv-1024", "rof", "rof-small", "lasso", "logistic")


def by_solver(size: dict[str, Any]) -> dict[str, float]:
    """Iterations a second by solver, the fastest setting of each."""
    found: dict[str, float] = {}
    for name, rate in size["iterationsPerSecond"].items():
        solver = name.split(":", 1)[0]
        found[solver] = max(rate, found.get(solver, 0.0))
    return found


def _colour(solver: str) -> str:
    return COLOURS.get(solver, PEER)


def bars(axes: Axes, size: dict[str, Any], title: str) -> None:
    """A bar a solver, the quickest above."""
    found = sorted(by_solver(size).items(), key=lambda one: one[1])
    names = [name for name, _ in found]
    axes.barh(names, [rate for _, rate in found], color=[_colour(name) for name in names], height=0.72)
    ours = by_solver(size)["engine"]
    for index, (name, rate) in enumerate(found):
        ratio = "" if name == "engine" else f"   engine = {ours / rate:.3g} x"
        axes.text(rate * 1.08, index, f"{rate:,.0f}{ratio}", va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(found[0][1] / 2, found[-1][1] * 14)
    axes.set_title(title)
    axes.set_xlabel("iterations a second (log)")
    axes.tick_params(axis="y", labelsize=8)


def scaling(axes: Axes, sizes: dict[str, Any], title: str) -> None:
    """Pixels updated a second against the size."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for size, one in sizes.items():
        for solver, rate in by_solver(one).items():
            lines.setdefault(solver, []).append((int(size), rate * int(size) ** 2 / 1e6))
    for solver, points in sorted(lines.items(), key=lambda one: -one[1][-1][1]):
        wide = 2.4 if solver == "engine" else 1.3
        axes.plot(*zip(*points, strict=True), marker="o", ms=3.5, lw=wide, color=_colour(solver), label=solver)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = [int(size) for size in sizes]
    axes.set_xticks(ticks, [f"{tick}²" for tick in ticks])
    axes.set_title(title)
    axes.set_ylabel("million pixels updated a second (log)")
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def race(axes: Axes, one: dict[str, Any]) -> None:
    """The accuracy over time, of the best setting of every solver."""
    best: dict[str, dict[str, Any]] = {}
    for line in one["solvers"]:
        kept = best.get(line["solver"])
        if line["curve"] and (kept is None or _place(line) < _place(kept)):
            best[line["solver"]] = line
    styles: dict[str, int] = {}
    for solver, line in sorted(best.items(), key=lambda item: _place(item[1])):
        library = line["library"]
        style = ("-", "--", ":", "-.")[styles.setdefault(library, 0) % 4]
        styles[library] += 1
        whole = line.get("uninterrupted") or [line["seconds"]]
        stretch = sorted(whole)[len(whole) // 2] / line["seconds"]  # looks at the energy interrupt
        points = [(stretch * seconds, max(accuracy, LOWEST)) for _, seconds, accuracy in line["curve"]]
        wide = 2.4 if library == "engine" else 1.4
        marker, colour = "o" if len(points) < 3 else "", LIBRARIES.get(library, PEER)
        axes.plot(*zip(*points, strict=True), style, lw=wide, color=colour, label=solver, marker=marker, ms=4)
    axes.axhline(one["target"], color="black", lw=0.8, ls=(0, (2, 3)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(LOWEST / 2, 10)
    axes.set_title(one["problem"])
    axes.set_xlabel("seconds without set-up and without looks at the energy (log)")
    axes.set_ylabel("(E − E*)/|E*|")
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _place(line: dict[str, Any]) -> tuple[bool, float, float]:
    return not line["arrived"], line["seconds"] if line["arrived"] else line["accuracy"], line["accuracy"]


def times(axes: Axes, races: dict[str, dict[str, Any]]) -> None:
    """By how much the engine is quicker than each library's best, in each race."""
    labels, values, colours = [], [], []
    for one in races.values():
        for library, ratio in sorted(one["ratios"].items(), key=lambda item: -item[1]):
            labels.append(f"{one['problem'].replace(' float64', '')}: {library}")
            values.append(1 / ratio)
            colours.append(LIBRARIES.get(library, PEER))
    labels, values, colours = labels[::-1], values[::-1], colours[::-1]
    axes.barh(labels, [value - 1 for value in values], left=1, color=colours, height=0.72)
    for index, value in enumerate(values):
        beyond, side = (value * 1.08, "left") if value > 1 else (value / 1.08, "right")
        axes.text(beyond, index, f"{value:.2g} x", va="center", ha=side, fontsize=8)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_xlim(min([*values, 1]) / 2, max([*values, 1]) * 3)
    axes.set_title("Time to 10⁻⁶, theirs ÷ ours (right: the engine is quicker)")
    axes.tick_params(axis="y", labelsize=8)


def draw(answer: dict[str, Any], path: Path) -> None:
    """One page with what this run has."""
    panels: list[Any] = []
    for method, about in (("pd3o", "total variation, pd3o"), ("fista", "Huber total variation, fista")):
        sizes = answer.get("denoise", {}).get(method, {}).get("sizes", {})
        sizes = {size: one for size, one in sizes.items() if "failed" not in one}
        if "512" in sizes:
            panels.append(lambda axes, one=sizes["512"], about=about: bars(axes, one, f"512² float32, {about}"))
            panels.append(lambda axes, one=sizes, about=about: scaling(axes, one, f"Scaling: {about}"))
    races = {name: answer[name] for name in RACES if "solvers" in answer.get(name, {})}
    panels += [lambda axes, one=one: race(axes, one) for one in races.values()]
    if any(one["ratios"] for one in races.values()):
        panels.append(lambda axes: times(axes, races))
    if not panels:
        return
    rows = (len(panels) + 1) // 2
    with plt.rc_context({"axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "font.size": 9}):
        figure, grid = plt.subplots(rows, 2, figsize=(16, 4.1 * rows), squeeze=False, layout="constrained")
        for axes, panel in zip(grid.flat, [*panels, *([None] * (2 * rows - len(panels)))], strict=True):
            if panel is None:
                axes.axis("off")
            else:
                panel(axes)
        machine = answer.get("machine", {})
        where = f"{machine.get('cpu', '')}, {machine.get('threadsOfEach', '')} threads each"
        figure.suptitle(f"Computable Flows beside others ({where})")
        figure.savefig(path, dpi=110)
        plt.close(figure)
