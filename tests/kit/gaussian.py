"""A Gaussian of two dimensions, for samplers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowapi.flow import FlowDocument
from kit.solving import document

P, M = np.array([[2, 0.6], [0.6, 1]]), np.array([1.0, -1.0])
"""Precision and mean."""


def gaussian(
    outputs: Sequence[Mapping[str, Any]] = (), *, chains: int = 64, iterations: int = 6000, **policy: Any
) -> FlowDocument:
    """A flow that samples it."""
    return document(
        {"P": P, "m": M}, seed=7, variables={"x": {"shape": [2], "init": "m", "chains": chains}},
        terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P", "data": "m"}], policy=policy, outputs=list(outputs),
        stop={"maxIterations": iterations},
    )  # fmt: skip
