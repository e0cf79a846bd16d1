"""The curves of a flow, and its first picture, by matplotlib: for slides and for README."""

from __future__ import annotations

from typing import IO

import numpy as np

from flowclient import story
from flowclient.chart import falls
from flowclient.flows import Flow
from flowclient.formats import is_picture
from flowclient.results import Result
from flowengine.capsule import Curve

COLOURS = {"interruption": "#b45309", "rollback": "#7c3aed", "start": "#64748b", "end": "#15803d"}
POINTS = 4000


def draw(file: IO[bytes], flow: Flow, curve: Curve, result: Result | None) -> None:
    """Energy, residual and gap over iterations with what happened; a picture beside them where there is one."""
    import matplotlib as mpl  # noqa: PLC0415 - 0.5 s

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415

    pictures = [(name, one) for name, one in (result.arrays.items() if result else ()) if is_picture(one)][:1]
    columns = 2 if pictures else 1
    figure, axes = plt.subplots(
        2, columns, figsize=(6.5 * columns, 6), layout="constrained", squeeze=False, sharex="col"
    )
    thin = curve.thinned(POINTS)
    k, energy = thin.column("iter"), thin.column("E")
    finite = np.where(np.isfinite(energy), energy, np.nan)
    wide = falls(energy)
    if wide:
        above = finite - np.nanmin(finite)
        axes[0, 0].semilogy(k, np.where(above > 0, above, np.nan), color="#1d4ed8", lw=1.4)
    else:
        axes[0, 0].plot(k, finite, color="#1d4ed8", lw=1.0)
    axes[0, 0].set(title="energy above its lowest value" if wide else "energy")
    for name, colour in (("residual", "#0f766e"), ("gap", "#c2410c")):
        values = thin.column(name)
        if (np.isfinite(values) & (values > 0)).any():
            axes[1, 0].semilogy(k, np.where(values > 0, values, np.nan), color=colour, lw=1.4, label=name)
    axes[1, 0].set(title="accuracy", xlabel="iteration")
    if axes[1, 0].get_legend_handles_labels()[0]:
        axes[1, 0].legend(frameon=False)
    for axis in axes[:, 0]:
        axis.grid(alpha=0.25)
        for one in story.marks(flow):
            axis.axvline(one.iteration, color=COLOURS[one.kind], lw=1, ls="--", alpha=0.8)
    kinds = dict.fromkeys(one.kind for one in story.marks(flow))
    lines = [Line2D([], [], color=COLOURS[kind], lw=1, ls="--", label=kind) for kind in kinds]
    if lines:
        axes[0, 0].legend(handles=lines, frameon=False)
    if pictures:
        grid = axes[0, 1].get_gridspec()
        for axis in axes[:, 1]:
            axis.remove()
        name, array = pictures[0]
        picture = figure.add_subplot(grid[:, 1])
        picture.imshow(array, cmap="gray")
        picture.set(title=f"{name} at iteration {result.iteration if result else ''}", xticks=[], yticks=[])
    figure.suptitle(f"{flow.name} ({flow.revision}): {story.state_in_words(flow)}", fontsize=11)
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
