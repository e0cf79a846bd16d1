"""Takes 200 of scikit-learn's handwritten digits, and loses half of their pixels."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

COUNT = 200


def main(folder: Path) -> None:
    """Write known.npy and mask.npy."""
    digits = load_digits().data[:COUNT] / 16
    mask = np.random.default_rng(2).random(digits.shape) < 0.5
    np.save(folder / "known.npy", np.where(mask, digits, 0).astype(np.float32))
    np.save(folder / "mask.npy", mask.astype(np.float32))


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
