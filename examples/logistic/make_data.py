"""Writes scikit-learn's breast cancer data (Wisconsin, 569 patients), standardised, with an intercept in front."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer


def main(folder: Path) -> None:
    """Write features.csv, labels.csv (1: malignant) and penalised.csv."""
    features, benign = load_breast_cancer(return_X_y=True)
    scaled = (features - features.mean(0)) / features.std(0)
    columns = np.c_[np.ones(len(scaled)), scaled]
    np.savetxt(folder / "features.csv", columns, fmt="%.3f", delimiter=",")
    np.savetxt(folder / "labels.csv", 1 - 2 * benign, fmt="%d")
    np.savetxt(folder / "penalised.csv", np.arange(columns.shape[1]) > 0, fmt="%d")


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
