"""Terms beside variables on manifolds: by their gradients, or by a prox that is known on the manifold too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from flowapi.errors import DocumentError
from flowapi.model import join
from flowengine.atoms import Embedded, Merged, embed, embeds, merge, merges
from flowengine.compiler.roles import Classified, in_frame, on_the_variable, simple, variable_of
from flowengine.problem import Role, Term, Unknown
from flowengine.steps import MANIFOLDS


def beside_manifolds(
    terms: Sequence[Term], forced: Sequence[str | None], unknowns: Sequence[Unknown]
) -> list[Classified]:
    """Give every term its role where a variable lies on a manifold: nothing is dual there.

    Raises:
        DocumentError: a term has neither a gradient nor such a prox, or another role is forced.
    """
    result: list[Classified] = []
    kept: dict[str, list[Any]] = {one.name: [] for one in unknowns}
    for term, force in zip(terms, forced, strict=True):
        if force == "dual" or (force == "smooth" and not term.atom.smooth):
            what = "nothing is dual" if force == "dual" else "this atom has no gradient, and can't be `smooth`"
            raise DocumentError(
                f"beside a variable on a manifold {what}", path=join(term.path, "as"), remedy="Leave `as` out."
            )
        if (term.atom.smooth and force is None) or force == "smooth":
            result.append(Classified(term, Role.SMOOTH, "it has a gradient, and the step is searched for"))
        else:
            result.append(_by_prox(term, unknowns, kept))
    return result


def _by_prox(term: Term, unknowns: Sequence[Unknown], kept: dict[str, list[Any]]) -> Classified:
    """By its prox, merged with those `kept` of its variable."""
    if any(one.manifold == "spd" for one in unknowns):
        _refuse(term, "beside a variable on `spd` every term enters by its gradient", "Use smooth terms only.")
    alone = simple(term) or (len(unknowns) == 1 and in_frame(term))
    if not (alone and term.atom.has_prox):
        _refuse(
            term,
            "beside a variable on a manifold a term enters by its gradient or by its prox on a variable itself",
            "Give its argument a variable of its own, held near by a `quadratic` of the difference.",
        )
    mine = unknowns[0] if len(unknowns) == 1 else next(one for one in unknowns if one.name == variable_of(term))
    beside = [*kept[mine.name], on_the_variable(term)]
    if mine.curved and not embeds(mine.manifold, beside):
        _refuse(
            term,
            f"its prox on a {mine.manifold} manifold is not known",
            "Leave `as` out, for it has a gradient."
            if term.atom.smooth
            else "On a sphere those of one `l1` (around 0, unweighted), `nonnegative` and `cardinality` are; or "
            "give it a variable of its own, held near by a `quadratic` of the difference.",
        )
    if not mine.curved and not merges(beside):
        _refuse(
            term,
            "its prox can't be combined with that of the terms before it",
            "Give it a variable of its own, held near by a quadratic.",
        )
    kept[mine.name] = beside
    where = f"its prox on the {mine.manifold} is known" if mine.curved else "its prox on the variable itself is simple"
    return Classified(term, Role.PROX, where)


def part_of(unknown: Unknown, atoms: Sequence[Any]) -> Merged | Embedded | None:
    """What a method that splits by proxes has of a variable: its atoms, and the manifold that it lies on."""
    return embed(MANIFOLDS[unknown.manifold].nearest, atoms) if unknown.curved else merge(atoms)


def _refuse(term: Term, message: str, remedy: str) -> NoReturn:
    raise DocumentError(message, path=term.path, remedy=remedy)
