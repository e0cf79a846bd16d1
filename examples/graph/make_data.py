"""Joins each of 300 of scikit-learn's digits (3 and 5) to its six nearest; every tenth keeps its label."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph

COUNT = 300
EVERY = 10


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pictures, and their true labels: −1 for a 3, 1 for a 5."""
    found = load_digits()
    chosen = np.isin(found.target, (3, 5)).nonzero()[0][:COUNT]
    return found.data[chosen], np.where(found.target[chosen] == 3, -1, 1)


def main(folder: Path) -> None:
    """Write edges.csv, labels.csv and known.csv."""
    pictures, truth = digits()
    near = kneighbors_graph(pictures, 6)
    edges = np.argwhere(np.triu((near + near.T).toarray() > 0))
    known = np.arange(COUNT) % EVERY == 0
    np.savetxt(folder / "edges.csv", edges, fmt="%d", delimiter=",")
    np.savetxt(folder / "labels.csv", np.where(known, truth, 0), fmt="%d")
    np.savetxt(folder / "known.csv", known, fmt="%d")


if __name__ == "__main__":
    main(Path(__file__).parent / "data")
