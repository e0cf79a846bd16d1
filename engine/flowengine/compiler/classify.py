"""Which term enters how: by gradient, by prox, or by the prox of its conjugate. Few proxes may be merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowapi.errors import DocumentError
from flowapi.frozen import frozen
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.atoms import Framed, Merged, Quadratic, Separable, disjoint, merges
from flowengine.atoms import merge as merge_atoms
from flowengine.linops import Blocks, Identity, cotight, tight
from flowengine.problem import Role, Term, Unknown


@frozen
class Classified:
    """A term with its role and the reason for it."""

    term: Term
    role: Role
    reason: str


def classify(
    terms: Sequence[Term], forced: Sequence[str | None], policy: Policy, *, curved: bool = False
) -> list[Classified]:
    """Give every term its role.

    A term whose gradient has a Lipschitz constant is taken by its gradient, a simple one on the variable itself by its
    prox, all others become dual. A quadratic on the variable itself joins the prox when there are dual terms and no
    other smooth one: then no step size depends on it.

    Args:
        terms: In the order of the document.
        forced: Their `as:`, or None.
        policy: A step that is searched for needs no Lipschitz constant; `pd3o` wants a dual term.
        curved: Whether a variable lies on a manifold, where only gradients are known.

    Raises:
        DocumentError: a forced role is impossible, or no role is possible.
    """
    if policy.samples:
        return [_for_sampling(term, force) for term, force in zip(terms, forced, strict=True)]
    if curved:
        return [_on_a_manifold(term, force) for term, force in zip(terms, forced, strict=True)]
    searched = policy.step == "backtracking"
    first = [_first_role(term, force, searched=searched) for term, force in zip(terms, forced, strict=True)]
    needs_dual = any(one.role is Role.DUAL for one in first) or policy.algorithm == "pd3o"
    composed_smooth = any(one.role is Role.SMOOTH and not _simple(one.term) for one in first)
    result: list[Classified] = []
    for one, force in zip(first, forced, strict=True):
        movable = (
            policy.algorithm != "admm"
            and one.role is Role.SMOOTH
            and _simple(one.term)
            and isinstance(one.term.atom, Quadratic)
            and not force
        )
        if movable and needs_dual and not composed_smooth:
            one = replace(one, role=Role.PROX, reason="a quadratic of the variable itself: its prox costs no step size")
        result.append(one)
    result = _one_prox(result, forced)
    _check_convex(result)
    return result


def _for_sampling(term: Term, force: str | None) -> Classified:
    """A sampler needs gradients: what has none gets that of its Moreau envelope, from its prox."""
    if term.atom.smooth and force in (None, "smooth"):
        return Classified(term, Role.SMOOTH, "it has a gradient")
    if not term.atom.has_prox or not term.atom.convex or force == "smooth":
        raise DocumentError(
            "this atom has neither a gradient nor a convex prox",
            path=term.path,
            remedy="It can't be sampled: remove it.",
        )
    return Classified(term, Role.DUAL, "smoothed: by the gradient of its Moreau envelope")


def _on_a_manifold(term: Term, force: str | None) -> Classified:
    """Every term by its gradient."""
    if not term.atom.smooth or force in ("prox", "dual"):
        raise DocumentError(
            "beside a variable on a manifold every term enters by its gradient, and this one has none",
            path=term.path,
            remedy="Use smooth terms only (`huber` is near `l1`), or take the `manifold` away.",
        )
    return Classified(term, Role.SMOOTH, "it has a gradient, and the step is searched for")


def merge(terms: Sequence[Classified], unknowns: Sequence[Unknown]) -> Merged | Separable | None:
    """The prox terms as one atom, of several variables one each; None without any."""
    proxes = [one.term for one in terms if one.role is Role.PROX]
    if len(unknowns) == 1 or not proxes:
        return merge_atoms([_on_the_variable(term) for term in proxes])
    return Separable(
        {one.name: merge_atoms([term.atom for term in proxes if term.operator.alone == one.name]) for one in unknowns}
    )


def _first_role(term: Term, force: str | None, *, searched: bool) -> Classified:
    atom, place = term.atom, join(term.path, "as")
    bounded = atom.smooth and (searched or not atom.has_prox or math.isfinite(atom.lipschitz))
    if force == "smooth" and not bounded:
        message, remedy = "this atom has no gradient", "Use `prox` or `dual`."
        if atom.smooth:
            message, remedy = "its gradient has no Lipschitz constant", "Add `policy: {step: backtracking}`."
        raise DocumentError(message, path=place, remedy=remedy)
    if force == "prox" and not ((_simple(term) or _in_frame(term)) and atom.has_prox):
        raise DocumentError("the prox of this term is not simple", path=place, remedy="Leave `as` out, or use `dual`.")
    if force == "dual" and not (atom.has_prox and atom.convex):
        raise DocumentError("this atom has no prox of a conjugate", path=place, remedy="Leave `as` out.")
    if force:
        return Classified(term, Role(force), "the document says so")
    if atom.smooth and math.isfinite(atom.lipschitz):
        return Classified(term, Role.SMOOTH, "it has a Lipschitz gradient")
    if _simple(term) and atom.has_prox:
        return Classified(term, Role.PROX, "its prox on the variable itself is simple")
    if _in_frame(term) and atom.has_prox:
        return Classified(term, Role.PROX, "its operator is orthonormal: its prox is simple in that frame")
    if bounded:
        return Classified(term, Role.SMOOTH, "it has a gradient, and the step is searched for")
    return Classified(term, Role.DUAL, "its argument is composed: the prox of its conjugate is simple")


def _one_prox(terms: list[Classified], forced: Sequence[str | None]) -> list[Classified]:
    """Keep in the prox what merges; the rest becomes dual with W = I."""
    kept: dict[str | None, list[object]] = {}
    result = []
    for one, force in zip(terms, forced, strict=True):
        mine = kept.setdefault(getattr(one.term.operator, "alone", None), [])
        if one.role is Role.PROX and not merges([*mine, _on_the_variable(one.term)]):
            if force:
                raise DocumentError("its prox doesn't merge with those before it", path=join(one.term.path, "as"))
            one = replace(one, role=Role.DUAL, reason="its prox merges with none before it: by that of its conjugate")
        if one.role is Role.PROX:
            mine.append(_on_the_variable(one.term))
            if disjoint(mine):
                raise DocumentError(
                    "no number is within these bounds and those before it: the energy has no finite value",
                    path=one.term.path,
                    remedy="Let the bounds overlap.",
                )
        result.append(one)
    return result


def _check_convex(terms: Sequence[Classified]) -> None:
    """A term that is not convex enters by its prox, beside nothing dual."""
    odd = next((one for one in terms if not one.term.atom.convex), None)
    if odd is None:
        return
    if odd.role is Role.DUAL:
        raise DocumentError(
            "this atom is not convex, so it can't act through an operator or beside another prox",
            path=odd.term.path,
            remedy="Let it act on the variable itself, alone but for smooth terms.",
        )
    dual = next((one for one in terms if one.role is Role.DUAL), None)
    if dual is not None:
        raise DocumentError(
            f"this term becomes a dual one, which {odd.term.path}, not convex, can't stand beside",
            path=dual.term.path,
            remedy="Use smooth terms only.",
        )


def _simple(term: Term) -> bool:
    """Whether it acts on a variable itself."""
    operator = term.operator
    return isinstance(operator, Identity) or (isinstance(operator, Blocks) and operator.alone is not None)


def _in_frame(term: Term) -> bool:
    """Whether WWᵀ = c·I: a transform forth and back makes its prox simple."""
    return cotight(term.operator) is not None


def _on_the_variable(term: Term) -> Any:
    """The term as an atom on the variable itself."""
    bound = cotight(term.operator)
    if _simple(term) or bound is None:
        return term.atom
    return Framed(term.atom, term.operator, bound, square=tight(term.operator) is not None)
