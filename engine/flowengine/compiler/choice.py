"""What a choice of a method is made of."""

from __future__ import annotations

from collections.abc import Sequence

from flowapi.frozen import frozen
from flowapi.model import join
from flowengine.problem import Hypers, Method, Problem, Term
from flowengine.steps import Equations
from flowengine.xla import placed

REACH = 1e3  # how many times less a balanced primal step may become than at first, and more where no bound forbids it
BLIND_REACH = 1e12  # as REACH, where nothing in the problem says how long a step is
ANCHORED = "anchored and begun anew, for the problem is like a linear program"


@frozen
class Choice:
    """What runs, and why.

    Attributes:
        method: Its name is in it.
        hypers: Its steps.
        reasons: Sentences for `cflow lint` and the log.
        equations: What the method's direct solver needs, if it has one.
        warnings: `path: sentence` of an explicit step beyond its bound, and of names that nothing uses.
    """

    method: Method
    hypers: Hypers
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    equations: Equations | None = None


def lipschitz(terms: Sequence[Term]) -> float:
    """An upper bound of the Lipschitz constant of ∇f: Σ L_ψ · ‖A‖²."""
    return float(sum(term.atom.lipschitz * term.operator.norm * term.operator.norm for term in terms))


def explicit(
    step: object, natural: float, limit: float, at: str, *, below: bool = False
) -> tuple[float, tuple[str, ...]]:
    """The step that the document gives, with a warning beyond its limit, or not `below` it; else the natural one."""
    if not isinstance(step, int | float):
        return natural, ()
    if step < limit * (1 - 1e-9 if below else 1 + 1e-9):
        return float(step), ()
    place, what = join(at, "policy", "step"), "beyond" if step > limit * (1 + 1e-9) else "at"
    return float(step), (f"{place}: the step {step:.4g} is {what} its bound {limit:.4g}; the run may diverge",)


def hypers_of(
    problem: Problem, tau: float, sigma: tuple[float, ...], *, least: float | None = None, most: float | None = None
) -> Hypers:
    """Steps as arrays."""
    values = tuple(placed(value, problem.real) for value in (tau, *sigma))
    bounds = (None if value is None else placed(value, problem.real) for value in (least, most))
    return Hypers(values[0], values[1:], *bounds)


def flat(problem: Problem) -> bool:
    """Whether every term beside f is piecewise linear."""
    terms = [*(term.atom for term in problem.dual), *([] if problem.prox is None else [problem.prox])]
    return all(getattr(one, "polyhedral", False) for one in terms)
