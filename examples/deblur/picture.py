"""Draws what the example did: the blurred photograph, the result, the original, and the energy.

python examples/deblur/picture.py tv-deblur.flow build/deblur.png
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from PIL import Image
from skimage import data

from flowengine.capsule import history

HERE = Path(__file__).parent


def draw(root: Path, target: Path) -> None:
    """Draw the flow in a folder.

    Args:
        root: The --root of `cflow run`.
        target: The PNG to write.
    """
    result = (root / "result").resolve()
    blurred = np.asarray(Image.open(HERE / "photo" / "blurred.png")) / 65535
    deblurred, original = np.load(result / "x.npy"), data.camera() / 255
    table = history(result.parent / "telemetry").table.select(["iter", "E"])
    rows = [row for row in table.to_pylist() if row["E"] is not None]
    figure, axes = plt.subplots(2, 2, figsize=(11, 11), layout="constrained")
    titles = [
        f"blurred, {_psnr(blurred, original):.1f} dB",
        f"deblurred, {_psnr(deblurred, original):.1f} dB",
        "original",
    ]
    for axis, picture, title in zip(axes.flat, (blurred, deblurred, original), titles, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
    lowest = min(row["E"] for row in rows)
    axes[1, 1].semilogy([row["iter"] for row in rows], [row["E"] - lowest + 1e-9 for row in rows], lw=1.2)
    axes[1, 1].set(title="energy above its lowest value", xlabel="iteration")
    axes[1, 1].grid(alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=80)


def _psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels, for values in [0, 1]."""
    return float(-10 * np.log10(np.mean((picture - original) ** 2)))


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
