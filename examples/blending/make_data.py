"""Writes scikit-learn's wine data (178 wines, 13 measurements) as a blending problem."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

ASH = 2
SLACK = 0.02


def main(folder: Path) -> None:
    """Write chemistry.csv, least.csv, most.csv and ash.csv: the blend is to be within 2 % of the mean wine."""
    wines = load_wine().data
    chemistry = np.delete(wines, ASH, axis=1)
    mean = chemistry.mean(0)
    for name, values in (
        ("chemistry", (chemistry / mean).T), ("least", np.full(len(mean), 1 - SLACK)),
        ("most", np.full(len(mean), 1 + SLACK)), ("ash", wines[:, ASH]),
    ):  # fmt: skip
        np.savetxt(folder / f"{name}.csv", values, fmt="%.5f", delimiter=",")


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
