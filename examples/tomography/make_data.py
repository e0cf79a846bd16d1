"""Projects scikit-image's Shepp-Logan phantom with scikit-image's own radon, and adds noise of 1 % of the maximum."""

from pathlib import Path

import numpy as np
from skimage.data import shepp_logan_phantom
from skimage.transform import radon, rescale

ANGLES = 40
NOISE = 0.01


def phantom() -> np.ndarray:
    """The slice that is looked for, 80×80."""
    return np.asarray(rescale(shepp_logan_phantom(), 0.2, order=1, anti_aliasing=True))


def main(folder: Path) -> None:
    """Write sinogram.npy: a column an angle, over half a turn."""
    exact = radon(phantom(), np.arange(ANGLES) * 180 / ANGLES, circle=True)
    noise = NOISE * exact.max() * np.random.default_rng(3).normal(size=exact.shape)
    np.save(folder / "sinogram.npy", (exact + noise).astype(np.float32))


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
