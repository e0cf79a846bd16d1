"""The demo's picture: blurred, deblurred, and the energy with the interruptions marked."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from PIL import Image


def draw(
    blurred: Path,
    deblurred: Path,
    energies: Sequence[tuple[int, int, float]],
    marks: Sequence[tuple[str, int]],
    target: Path,
) -> None:
    """Draw the three.

    Args:
        blurred: The 16-bit picture that was given.
        deblurred: The result, an npy file.
        energies: (epoch, iteration, energy); one colour an epoch, that is, a process.
        marks: What interrupted the run, and at which iteration.
        target: The PNG to write.
    """
    figure, axes = plt.subplots(1, 3, figsize=(16, 5.4), layout="constrained")
    for axis, picture, title in (
        (axes[0], np.asarray(Image.open(blurred)) / 65535, "blurred"),
        (axes[1], np.load(deblurred), "deblurred"),
    ):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
    lowest = min(energy for _, _, energy in energies)
    for epoch in sorted({row[0] for row in energies}):
        own = [(k, energy - lowest + 1e-7) for e, k, energy in energies if e == epoch]
        axes[2].semilogy(*zip(*own, strict=True), lw=2)
    for name, iteration in marks:
        axes[2].axvline(iteration, color="0.4", ls="--", lw=0.8)
        axes[2].annotate(name, (iteration, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right")
    axes[2].set(title="energy above its lowest value, one colour a process", xlabel="iteration")
    axes[2].grid(alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=80)
