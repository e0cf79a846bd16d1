"""Stop rules: the thresholds that the loop is given, and those that can never hold."""

from __future__ import annotations

import numpy as np

from flowapi.errors import DocumentError
from flowapi.flow import Stop
from flowapi.model import join
from flowengine.arithmetic import real_dtype
from flowengine.certify import has_conjugate
from flowengine.loop import Stops
from flowengine.problem import Problem
from flowengine.xla import placed

FLOAT32_FLOOR = 1e-6  # below this float32 residuals are rounding


def stops_of(stop: Stop, dtype: str) -> Stops:
    """The traced thresholds of a document's stop rules."""
    return Stops(
        limit=placed(stop.max_iterations or 2**53, np.int64),
        residual=placed(stop.residual or 0, real_dtype(dtype)),
        gap=placed(stop.gap or 0, real_dtype(dtype)),
        change=placed(stop.relative_change or 0, real_dtype(dtype)),
    )


def check_thresholds(stop: Stop, dtype: str, at: str) -> None:
    """See that the precision has room for every threshold.

    Raises:
        DocumentError: one is below it.
    """
    for key, value in (("residual", stop.residual), ("gap", stop.gap), ("relativeChange", stop.relative_change)):
        if real_dtype(dtype) == "float32" and value is not None and value < FLOAT32_FLOOR:
            raise DocumentError(
                f"{dtype} can't reach {value:g}",
                path=join(at, "stop", key),
                remedy=f"Use at least {FLOAT32_FLOOR:g}, or a dtype of twice the bits.",
            )


def check_gap(stop: Stop, problem: Problem, at: str) -> None:
    """See that a gap that is asked for can be known.

    Raises:
        DocumentError: it can't.
    """
    if stop.gap is None or has_conjugate(problem):
        return
    reason, remedy = "no finite dual of this energy is known", "Stop at a `residual`."
    if away := next((term.path for term in problem.dual if term.atom.indicator), None):
        reason = f"{away}, a constraint that is not in the prox, is met at the end only"
    elif problem.convex:
        remedy = "Stop at a `residual`, or bound the variable with a box."
    raise DocumentError(f"{reason}, so there is no gap to stop at", path=join(at, "stop", "gap"), remedy=remedy)
