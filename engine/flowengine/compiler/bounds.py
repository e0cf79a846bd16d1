"""The terms of a sampler: by their gradient, as bounds that reflect, or smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowapi.errors import DocumentError
from flowengine.atoms import Interval, Shifted, disjoint, merges
from flowengine.compiler.roles import Classified, simple, variable_of
from flowengine.problem import Role, Term


def for_sampling(terms: Sequence[Term], forced: Sequence[str | None]) -> list[Classified]:
    """A sampler needs gradients: what has none reflects it, as bounds of a variable do, or is smoothed.

    Raises:
        DocumentError: a term has neither a gradient nor a convex prox, or bounds leave no number.
    """
    held: dict[str | None, list[Any]] = {}
    return [
        _role(term, force, held.setdefault(variable_of(term), [])) for term, force in zip(terms, forced, strict=True)
    ]


def _role(term: Term, force: str | None, held: list[Any]) -> Classified:
    """One term's; `held` are the bounds of its variable so far."""
    if term.atom.smooth and force in (None, "smooth"):
        return Classified(term, Role.SMOOTH, "it has a gradient")
    if not term.atom.has_prox or not term.atom.convex or force == "smooth":
        raise DocumentError(
            "this atom has neither a gradient nor a convex prox",
            path=term.path,
            remedy="It can't be sampled: remove it.",
        )
    if simple(term) and _bounds(term.atom) and force != "dual" and merges([*held, term.atom]):
        held.append(term.atom)
        if disjoint(held):
            raise DocumentError(
                "no number is within these bounds and those before it: the energy has no finite value",
                path=term.path,
                remedy="Let the bounds overlap.",
            )
        return Classified(term, Role.PROX, "bounds on the variable itself: they reflect every move")
    return Classified(term, Role.DUAL, "smoothed: by the gradient of its Moreau envelope")


def _bounds(atom: Any) -> bool:
    return isinstance(atom.atom if isinstance(atom, Shifted) else atom, Interval)
