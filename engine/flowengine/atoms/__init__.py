"""Atoms: functions with value, gradient or prox, and conjugate; one class an atom, one file a family."""

from flowengine.atoms.base import DualDomain, has_bound
from flowengine.atoms.constraints import Affine, BlockBalls, Cardinality, Interval, Knapsack, L1Ball, L2Ball, Simplex
from flowengine.atoms.coupling import Bilinear, LowRank, Orthogonality
from flowengine.atoms.data import Huber, Quadratic, QuadraticForm
from flowengine.atoms.embedded import Embedded, embed, embeds
from flowengine.atoms.entropy import LogBarrier, NegativeEntropy, RelativeEntropy
from flowengine.atoms.framed import Framed
from flowengine.atoms.likelihood import CrossEntropy, KullbackLeibler, Logistic, Poisson
from flowengine.atoms.merged import Merged, disjoint, merge, merges
from flowengine.atoms.piecewise import Hinge, Linear, Pinball
from flowengine.atoms.separable import Separable
from flowengine.atoms.shifted import Shifted
from flowengine.atoms.sparsity import L1, GroupNorm, NormL21, Nuclear, WeightedL1
from flowengine.atoms.spectral import LogDet, Semidefinite

__all__ = [
    "L1",
    "Affine",
    "Bilinear",
    "BlockBalls",
    "Cardinality",
    "CrossEntropy",
    "DualDomain",
    "Embedded",
    "Framed",
    "GroupNorm",
    "Hinge",
    "Huber",
    "Interval",
    "Knapsack",
    "KullbackLeibler",
    "L1Ball",
    "L2Ball",
    "Linear",
    "LogBarrier",
    "LogDet",
    "Logistic",
    "LowRank",
    "Merged",
    "NegativeEntropy",
    "NormL21",
    "Nuclear",
    "Orthogonality",
    "Pinball",
    "Poisson",
    "Quadratic",
    "QuadraticForm",
    "RelativeEntropy",
    "Semidefinite",
    "Separable",
    "Shifted",
    "Simplex",
    "WeightedL1",
    "disjoint",
    "embed",
    "embeds",
    "has_bound",
    "merge",
    "merges",
]
