"""Cuts the eye and lens out of scikit-image's camera picture (public domain) and adds white noise of 0.1."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

NOISE = 0.1


def main(folder: Path) -> None:
    """Write noisy.png, 16 bits."""
    clean = data.camera()[40:168, 170:298] / 255
    noisy = np.clip(clean + NOISE * np.random.default_rng(1).normal(size=clean.shape), 0, 1)
    Image.fromarray(np.round(65535 * noisy).astype(np.uint16)).save(folder / "noisy.png", optimize=True)


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
