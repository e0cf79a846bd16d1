"""Takes four measurements of scikit-learn's breast cancer data: mean radius, texture, smoothness and concavity."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

COLUMNS = (0, 1, 4, 6)


def main(folder: Path) -> None:
    """Write features.csv, with an intercept first, and labels.csv (1: malignant)."""
    features, benign = load_breast_cancer(return_X_y=True)
    chosen = features[:, COLUMNS]
    scaled = (chosen - chosen.mean(0)) / chosen.std(0)
    np.savetxt(folder / "features.csv", np.c_[np.ones(len(scaled)), scaled], fmt="%.4f", delimiter=",")
    np.savetxt(folder / "labels.csv", 1 - 2 * benign, fmt="%d")


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
