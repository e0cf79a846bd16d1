"""Takes the histograms of scikit-image's pictures of coins and of the moon, 32 grey values each."""

from pathlib import Path

import numpy as np
from skimage import data

BINS = 32


def main(folder: Path) -> None:
    """Write costs.npy, from.npy (a column), to.npy (a row), and a row and a column of ones."""
    values = (np.arange(BINS) + 0.5) / BINS
    shares = [np.histogram(one / 255, BINS, (0, 1))[0] / one.size for one in (data.coins(), data.moon())]
    for name, array in (
        ("costs", (values[:, None] - values) ** 2), ("from", shares[0][:, None]), ("to", shares[1][None]),
        ("row", np.ones((1, BINS))), ("column", np.ones((BINS, 1))),
    ):  # fmt: skip
        np.save(folder / f"{name}.npy", array)


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
