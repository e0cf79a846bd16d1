"""Makes a volume of blobs, as scikit-image generates them, with white noise of 0.4."""

from pathlib import Path

import numpy as np
from skimage.data import binary_blobs

SIDE = 40
NOISE = 0.4


def blobs() -> np.ndarray:
    """The volume that is looked for: 0 and 1."""
    return np.asarray(binary_blobs(SIDE, blob_size_fraction=0.25, n_dim=3, rng=4), np.float64)


def main(folder: Path) -> None:
    """Write noisy.npy, half precision."""
    noisy = blobs() + NOISE * np.random.default_rng(5).normal(size=(SIDE,) * 3)
    np.save(folder / "noisy.npy", noisy.astype(np.float16))


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
