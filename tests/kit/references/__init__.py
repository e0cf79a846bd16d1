"""Published problems with the answers of other people's solvers, which are on record beside them."""

from kit.references import linear_programs, matrices, quadratic_programs, regressions, signals, variables
from kit.references.recipe import RECIPES

__all__ = ["RECIPES", "linear_programs", "matrices", "quadratic_programs", "regressions", "signals", "variables"]
