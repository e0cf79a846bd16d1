"""A term's role, and which terms have a prox on a variable itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowapi.frozen import frozen
from flowengine.atoms import Framed
from flowengine.linops import Blocks, Identity, cotight, tight
from flowengine.problem import Role, Term, Unknown


@frozen
class Classified:
    """A term with its role and the reason for it."""

    term: Term
    role: Role
    reason: str


def variable_of(term: Term) -> str | None:
    """The one variable that a term acts on itself, where there are several."""
    name: str | None = getattr(term.operator, "alone", None)
    return name


def shape_of(term: Term, unknowns: Sequence[Unknown]) -> tuple[int, ...]:
    """Of the variable that a term acts on itself."""
    name = variable_of(term)
    return next(one.shape for one in unknowns if name in (None, one.name))


def simple(term: Term) -> bool:
    """Whether it acts on a variable itself."""
    operator = term.operator
    return isinstance(operator, Identity) or (isinstance(operator, Blocks) and operator.alone is not None)


def in_frame(term: Term) -> bool:
    """Whether WWᵀ = c·I: a transform forth and back makes its prox simple."""
    return cotight(term.operator) is not None


def on_the_variable(term: Term) -> Any:
    """The term as an atom on the variable itself."""
    bound = cotight(term.operator)
    if simple(term) or bound is None:
        return term.atom
    return Framed(term.atom, term.operator, bound, square=tight(term.operator) is not None)


def bent(term: Term) -> bool:
    """Whether it is smooth and not quadratic, and has a prox: then an exact solver can take it by that."""
    quadratic = getattr(term.atom, "affine_gradient", False)
    return term.atom.smooth and not quadratic and term.atom.has_prox and term.atom.convex
