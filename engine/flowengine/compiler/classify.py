"""Which term enters how: by gradient, by prox, or by the prox of its conjugate. Few proxes may be merged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.atoms import DualDomain, Embedded, Merged, Quadratic, Separable, disjoint, merges
from flowengine.atoms import merge as merged
from flowengine.compiler.bounds import for_sampling
from flowengine.compiler.curved import beside_manifolds, part_of
from flowengine.compiler.roles import Classified, bent, in_frame, on_the_variable, shape_of, simple, variable_of
from flowengine.problem import Role, Term, Unknown


def classify(
    terms: Sequence[Term],
    forced: Sequence[str | None],
    policy: Policy,
    unknowns: Sequence[Unknown],
    *,
    bounding: bool = False,
) -> list[Classified]:
    """Give every term its role.

    A term whose gradient has a Lipschitz constant is taken by its gradient, a simple one on the variable itself by its
    prox, all others become dual. A quadratic on the variable itself joins the prox when there are dual terms and no
    other smooth one: then no step size depends on it.

    Args:
        terms: In the order of the document.
        forced: Their `as:`, or None.
        policy: A step that is searched for needs no Lipschitz constant; `pd3o` wants a dual term, and `admm` no smooth
            one but quadratics.
        unknowns: The variables; beside one on a manifold other rules hold.
        bounding: Of several that can't share the prox, those that bound the variable have it, so that there is a gap.

    Raises:
        DocumentError: a forced role is impossible, or no role is possible.
    """
    if policy.samples:
        return for_sampling(terms, forced, unknowns)
    if any(one.curved for one in unknowns):
        return beside_manifolds(terms, forced, unknowns)
    first = [_first_role(term, force, policy) for term, force in zip(terms, forced, strict=True)]
    needs_dual = any(one.role is Role.DUAL for one in first) or policy.algorithm == "pd3o"
    composed_smooth = any(one.role is Role.SMOOTH and not simple(one.term) for one in first)
    result: list[Classified] = []
    for one, force in zip(first, forced, strict=True):
        movable = (
            policy.algorithm != "admm"
            and one.role is Role.SMOOTH
            and simple(one.term)
            and isinstance(one.term.atom, Quadratic)
            and not force
        )
        if movable and needs_dual and not composed_smooth:
            one = replace(one, role=Role.PROX, reason="a quadratic of the variable itself: its prox costs no step size")
        result.append(one)
    result = _one_prox(result, forced, unknowns, bounding=bounding)
    _check_convex(result)
    return result


def merge(terms: Sequence[Classified], unknowns: Sequence[Unknown]) -> Merged | Embedded | Separable | None:
    """The prox terms as one atom, of several variables one each; None without any."""
    proxes = [one.term for one in terms if one.role is Role.PROX]
    if not proxes:
        return None
    if len(unknowns) == 1:
        return part_of(unknowns[0], [on_the_variable(term) for term in proxes])
    return Separable(
        {
            one.name: part_of(one, [on_the_variable(term) for term in proxes if variable_of(term) == one.name])
            for one in unknowns
        }
    )


def _first_role(term: Term, force: str | None, policy: Policy) -> Classified:
    atom, place, searched = term.atom, join(term.path, "as"), policy.step == "backtracking"
    bounded = atom.smooth and (searched or not atom.has_prox or math.isfinite(atom.lipschitz))
    if force == "smooth" and not bounded:
        message, remedy = "this atom has no gradient", "Use `prox` or `dual`."
        if atom.smooth:
            message, remedy = "its gradient has no Lipschitz constant", "Add `policy: {step: backtracking}`."
        raise DocumentError(message, path=place, remedy=remedy)
    if force == "prox" and not ((simple(term) or in_frame(term)) and atom.has_prox):
        raise DocumentError("the prox of this term is not simple", path=place, remedy="Leave `as` out, or use `dual`.")
    if force == "dual" and not (atom.has_prox and atom.convex):
        raise DocumentError("this atom has no prox of a conjugate", path=place, remedy="Leave `as` out.")
    if force:
        return Classified(term, Role(force), "the document says so")
    in_the_way = policy.algorithm == "admm" and bent(term)
    if atom.smooth and math.isfinite(atom.lipschitz) and not in_the_way:
        return Classified(term, Role.SMOOTH, "it has a Lipschitz gradient")
    if simple(term) and atom.has_prox:
        return Classified(term, Role.PROX, "its prox on the variable itself is simple")
    if in_frame(term) and atom.has_prox:
        return Classified(term, Role.PROX, "its operator is orthonormal: its prox is simple in that frame")
    if bounded and not in_the_way:
        return Classified(term, Role.SMOOTH, "it has a gradient, and the step is searched for")
    return Classified(term, Role.DUAL, "its argument is composed: the prox of its conjugate is simple")


def _one_prox(
    terms: list[Classified], forced: Sequence[str | None], unknowns: Sequence[Unknown], *, bounding: bool
) -> list[Classified]:
    """Keep in the prox what merges; the rest becomes dual with W = I."""
    kept: dict[str | None, list[object]] = {}
    result = list(terms)
    order = sorted(range(len(terms)), key=lambda i: bounding and not _bounds(terms[i]))
    for i in order:
        one, force = terms[i], forced[i]
        mine = kept.setdefault(variable_of(one.term), [])
        if one.role is Role.PROX and not merges([*mine, on_the_variable(one.term)]):
            if force:
                raise DocumentError(
                    "its prox can't be combined with that of the terms before it",
                    path=join(one.term.path, "as"),
                    remedy="Leave `as` out: the term then becomes a dual one.",
                )
            one = replace(one, role=Role.DUAL, reason="its prox merges with none before it: by that of its conjugate")
        if one.role is Role.PROX:
            mine.append(on_the_variable(one.term))
            if disjoint(mine, shape_of(one.term, unknowns)):
                raise DocumentError(
                    "no number is within these bounds and those before it: the energy has no finite value",
                    path=one.term.path,
                    remedy="Let the bounds overlap.",
                )
        result[i] = one
    return result


def _bounds(one: Classified) -> bool:
    """Whether a prox has a conjugate that is finite everywhere."""
    if one.role is not Role.PROX:
        return False
    atom = merged([on_the_variable(one.term)])
    return atom is not None and atom.dual_domain is DualDomain.WHOLE


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
