"""Every atom, small, with data of its own."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine import atoms, linops
from flowengine.atoms import L1, Interval, NormL21, Quadratic, merge

SHAPE = (3, 4)


def s(value: float) -> Array:
    """A number as atoms hold it."""
    return jnp.asarray(value, jnp.float64)


RNG = np.random.default_rng(1)
DATA = jnp.asarray(RNG.standard_normal(SHAPE))
COUNTS = jnp.asarray(RNG.integers(0, 5, SHAPE).astype(float))
SIGNS = jnp.asarray(np.where(RNG.random(SHAPE) < 0.5, -1.0, 1.0))
LABELS = jnp.asarray(np.eye(4)[RNG.integers(0, 4, 3)])
WEIGHTS = jnp.asarray(np.random.default_rng(3).random(SHAPE)) + 0.1
ROWS = RNG.standard_normal((2, 12))
GROUPS = jnp.asarray(RNG.integers(0, 3, 12))
SQUARE = RNG.standard_normal((12, 12))
VALUES, VECTORS = np.linalg.eigh(SQUARE @ SQUARE.T)
FRAME = linops.Matrix(jnp.asarray(2 * np.linalg.qr(SQUARE)[0]), "ravel", SHAPE, 2.0)
FORM = atoms.QuadraticForm(
    s(0.7),
    DATA,
    jnp.asarray(VECTORS),
    jnp.asarray(VALUES),
    definite=True,
    top=float(VALUES[-1]),
    matrix=jnp.asarray(VECTORS * VALUES @ VECTORS.T),
)

ONE: dict[str, Any] = {
    "quadratic": Quadratic(s(0.7), DATA),
    "quadratic_form": FORM,
    "huber": atoms.Huber(s(0.7), DATA, s(0.4)),
    "poisson": atoms.Poisson(s(0.7), COUNTS),
    "kullback_leibler": atoms.KullbackLeibler(s(0.7), COUNTS),
    "logistic": atoms.Logistic(s(3.0), SIGNS),
    "hinge": atoms.Hinge(s(0.7), SIGNS),
    "pinball": atoms.Pinball(s(0.7), DATA, s(0.2)),
    "huber, weighted": atoms.Huber(s(0.7), DATA, s(0.4), WEIGHTS),
    "logistic, weighted": atoms.Logistic(s(3.0), SIGNS, WEIGHTS),
    "hinge, weighted": atoms.Hinge(s(0.7), SIGNS, WEIGHTS),
    "pinball, weighted": atoms.Pinball(s(0.7), DATA, s(0.2), WEIGHTS),
    "linear": atoms.Linear(s(0.7), DATA),
    "l1": L1(s(0.4), DATA),
    "l1, weighted": atoms.WeightedL1(s(0.4), jnp.abs(DATA) + 0.1, DATA, covered=True),
    "l1, weighted, one free": atoms.WeightedL1(s(0.4), jnp.abs(DATA).at[0, 0].set(0), DATA, covered=False),
    "norm_l21 rows": NormL21(s(0.8), (1,)),
    "norm_l21 columns": NormL21(s(0.8), (0,)),
    "groups": atoms.GroupNorm(s(0.8), GROUPS, jnp.asarray([1.0, 0.5, 2.0, 0.0]), 3, covered=True),
    "groups, one free": atoms.GroupNorm(s(0.8), GROUPS, jnp.asarray([1.0, 0.0, 2.0, 0.0]), 3, covered=False),
    "nuclear": atoms.Nuclear(s(0.8)),
    "box": Interval(s(-0.5), s(0.75)),
    "nonnegative": Interval(s(0.0), s(jnp.inf)),
    "simplex": atoms.Simplex(s(2.0), None),
    "simplex of columns": atoms.Simplex(s(2.0), 0),
    "l1_ball": atoms.L1Ball(s(1.5)),
    "l2_ball": atoms.L2Ball(s(1.5), DATA),
    "l2_balls of columns": atoms.BlockBalls(NormL21(s(1.5), (0,))),
    "knapsack": atoms.Knapsack(jnp.abs(DATA), s(1.0)),
    "affine": atoms.Affine(jnp.asarray(ROWS), jnp.asarray(np.linalg.pinv(ROWS)), jnp.asarray([1.0, -2.0])),
    "negative_entropy": atoms.NegativeEntropy(s(0.7)),
    "relative_entropy": atoms.RelativeEntropy(s(0.7), COUNTS + 0.5),
    "log_barrier": atoms.LogBarrier(s(0.7)),
    "norm_l21 of a difference": atoms.Shifted(NormL21(s(0.8), (1,)), DATA),
    "box around data": atoms.Shifted(Interval(s(-0.5), s(0.75)), DATA),
}
FRAMED = {
    "l1 in a frame": atoms.Framed(L1(s(0.4), jnp.zeros(12)), FRAME, 4.0, square=True),
    "groups of some entries": atoms.Framed(NormL21(s(0.8), (0,)), linops.Slice(0, 0, 2, 1, SHAPE), 1.0, square=False),
}
NONNEGATIVE = ONE["nonnegative"]
MERGED: dict[str, list[Any]] = {
    "quadratic + l1": [Quadratic(s(0.7), DATA), L1(s(0.4), 2 * DATA)],
    "l1 + box": [L1(s(0.4), DATA), ONE["box"]],
    "quadratic + l1 + box": [Quadratic(s(2.0), DATA), L1(s(0.4), DATA), Interval(s(0.0), s(1.0))],
    "nonnegative + norm_l21": [NONNEGATIVE, ONE["norm_l21 rows"]],
    "groups + nonnegative": [ONE["groups"], NONNEGATIVE],
    "l1 + norm_l21": [L1(s(0.4), s(0.0)), ONE["norm_l21 rows"]],
    "l1 + nonnegative + groups": [L1(s(0.4), s(0.0)), NONNEGATIVE, ONE["groups"]],
    "quadratic + l1 + norm_l21": [Quadratic(s(0.7), DATA), L1(s(0.4), s(0.0)), ONE["norm_l21 columns"]],
    "two intervals": [ONE["box"], NONNEGATIVE],
    "box + simplex": [Interval(s(-0.5), s(0.75)), ONE["simplex"]],
    "box + simplex of columns": [Interval(s(0.1), s(1.5)), ONE["simplex of columns"]],
    "l1_ball + box": [ONE["l1_ball"], ONE["box"]],
    "l1_ball + box above 0": [ONE["l1_ball"], Interval(s(0.05), s(0.3))],
    "l1_ball + box below 0": [ONE["l1_ball"], Interval(s(-0.4), s(-0.1))],
    "l1_ball + nonnegative": [ONE["l1_ball"], NONNEGATIVE],
    "quadratic + l1_ball + box": [Quadratic(s(0.7), DATA), ONE["l1_ball"], ONE["box"]],
    **{f"quadratic + {name}": [Quadratic(s(0.7), DATA), atom] for name, atom in ONE.items() if name != "quadratic"},
}
ATOMS: dict[str, Any] = ONE | FRAMED | {name: merge(parts) for name, parts in MERGED.items()}
SMOOTH = {name: atom for name, atom in ONE.items() if atom.smooth}
SPECTRAL: dict[str, Any] = {
    "log_det": atoms.LogDet(s(0.7)),
    "semidefinite": atoms.Semidefinite(),
    "quadratic + log_det": merge([Quadratic(s(0.7), jnp.asarray(RNG.standard_normal((4, 4)))), atoms.LogDet(s(0.7))]),
}
POSITIVE = atoms.Poisson | atoms.NegativeEntropy | atoms.RelativeEntropy | atoms.LogBarrier
"""Finite for positive numbers alone."""


def projected(atom: Any, z: Array, step: Array) -> Array:
    """A point of the domain near z: the prox of what only constrains, and of each part of a sum that does."""
    parts = [atom.interval, atom.other] if isinstance(atom, atoms.Merged) else [atom]
    for part in parts:
        if part is not None and part.indicator:
            z = part.prox(z, step)
    return jnp.abs(z) + 1e-9 if any(isinstance(part, POSITIVE) for part in parts) else z
