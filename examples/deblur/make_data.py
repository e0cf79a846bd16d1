"""Makes the example's data: a real photograph, blurred and noised by a seeded recipe.

The photograph is the camera picture that scikit-image ships (512×512, public domain). It is blurred with a
Gaussian of 2.5 pixels, white noise of standard deviation 0.01 is added, and it is kept as a 16-bit PNG, which fits a
ConfigMap. Run it again with `python examples/deblur/make_data.py`; the files it makes are in the repository.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

HERE = Path(__file__).parent / "photo"
SEED = 20
WIDTH = 21
SIGMA = 2.5
NOISE = 0.01


def point_spread() -> np.ndarray:
    """A Gaussian kernel with sum 1."""
    axis = np.arange(WIDTH) - WIDTH // 2
    line = np.exp(-(axis**2) / (2 * SIGMA**2))
    kernel = np.outer(line, line)
    return np.asarray(kernel / kernel.sum())


def blurred(photo: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The photograph convolved periodically with the kernel, plus noise, within [0, 1]."""
    grid = np.zeros_like(photo)
    grid[:WIDTH, :WIDTH] = kernel
    grid = np.roll(grid, (-(WIDTH // 2), -(WIDTH // 2)), (0, 1))
    smooth = np.fft.irfft2(np.fft.rfft2(photo) * np.fft.rfft2(grid), s=photo.shape)
    noise = NOISE * np.random.default_rng(SEED).standard_normal(photo.shape)
    return np.clip(smooth + noise, 0, 1)


def main() -> None:
    """Write the photograph, the kernel and the blurred picture."""
    HERE.mkdir(exist_ok=True)
    photo = data.camera() / 255.0
    kernel = point_spread()
    picture = np.round(blurred(photo, kernel) * 65535).astype(np.uint16)
    Image.fromarray(picture).save(HERE / "blurred.png", optimize=True)
    np.save(HERE / "psf.npy", kernel)


if __name__ == "__main__":
    main()
