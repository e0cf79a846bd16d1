"""The terms of a sampler: by their gradient, as sets that hold a variable, or smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowapi.errors import DocumentError
from flowengine.atoms import Interval, Shifted, Simplex, disjoint, merges
from flowengine.compiler.roles import Classified, shape_of, simple, variable_of
from flowengine.problem import Role, Term, Unknown


def for_sampling(terms: Sequence[Term], forced: Sequence[str | None], unknowns: Sequence[Unknown]) -> list[Classified]:
    """A sampler needs gradients: what has none holds a variable, as bounds or a simplex, or is smoothed.

    Raises:
        DocumentError: a term has neither a gradient nor a convex prox, or bounds leave no number.
    """
    held: dict[str | None, list[Any]] = {}
    return [
        _role(term, force, held.setdefault(variable_of(term), []), shape_of(term, unknowns))
        for term, force in zip(terms, forced, strict=True)
    ]


def _role(term: Term, force: str | None, held: list[Any], shape: tuple[int, ...]) -> Classified:
    """One term's; `held` is what holds its variable so far."""
    if term.atom.smooth and force in (None, "smooth"):
        return Classified(term, Role.SMOOTH, "it has a gradient")
    if not term.atom.has_prox or not term.atom.convex or force == "smooth":
        raise DocumentError(
            "this atom has neither a gradient nor a convex prox",
            path=term.path,
            remedy="It can't be sampled: remove it.",
        )
    if simple(term) and force != "dual" and _holds(held, term.atom):
        held.append(term.atom)
        if disjoint(held, shape):
            raise DocumentError(
                "no number is within these bounds and those before it: the energy has no finite value",
                path=term.path,
                remedy="Let the bounds overlap.",
            )
        if isinstance(term.atom, Simplex):
            return Classified(term, Role.PROX, "a simplex of the variable itself: moves are of the entries' logarithms")
        return Classified(term, Role.PROX, "bounds on the variable itself: they reflect every move")
    return Classified(term, Role.DUAL, "smoothed: by the gradient of its Moreau envelope")


def _holds(held: list[Any], atom: Any) -> bool:
    """Whether a variable can be kept in what holds it and in this: intervals alone, or one simplex."""
    if isinstance(atom, Simplex):
        return not held
    bounds = isinstance(atom.atom if isinstance(atom, Shifted) else atom, Interval)
    return bounds and merges([*held, atom]) and not any(isinstance(one, Simplex) for one in held)
