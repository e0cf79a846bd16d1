"""Atoms: convex functions with value, prox and conjugate; one class an atom, one file a family."""

from flowengine.atoms.constraints import Interval
from flowengine.atoms.data import Quadratic
from flowengine.atoms.merged import Merged
from flowengine.atoms.sparsity import L1, NormL21

__all__ = ["L1", "Interval", "Merged", "NormL21", "Quadratic"]
