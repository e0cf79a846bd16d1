"""Which term enters how: by gradient, by prox, or by the prox of its conjugate. Few proxes may be merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowapi.errors import DocumentError
from flowengine.atoms import L1, Interval, Merged, Quadratic
from flowengine.linops import Identity
from flowengine.problem import Role, Term


@dataclass(frozen=True)
class Classified:
    """A term with its role and the reason for it."""

    term: Term
    role: Role
    reason: str


def classify(terms: Sequence[Term], forced: Sequence[str | None], algorithm: str | None) -> list[Classified]:
    """Give every term its role.

    A smooth term is taken by its gradient, a simple one on the variable itself by its prox, all others become dual.
    A quadratic on the variable itself joins the prox when there are dual terms and no other smooth one: then no step
    size depends on it.

    Args:
        terms: In the order of the document.
        forced: Their `as:`, or None.
        algorithm: `policy.algorithm`, or None.

    Raises:
        DocumentError: a forced role is impossible.
    """
    first = [_first_role(term, force) for term, force in zip(terms, forced, strict=True)]
    needs_dual = any(one.role is Role.DUAL for one in first) or algorithm == "pd3o"
    composed_smooth = any(one.role is Role.SMOOTH and not _simple(one.term) for one in first)
    result: list[Classified] = []
    for one, force in zip(first, forced, strict=True):
        movable = one.role is Role.SMOOTH and _simple(one.term) and force is None
        if movable and needs_dual and not composed_smooth:
            one = replace(one, role=Role.PROX, reason="a quadratic of the variable itself: its prox costs no step size")
        result.append(one)
    return _one_prox(result, forced)


def _first_role(term: Term, force: str | None) -> Classified:
    atom = term.atom
    if force == "smooth" and not atom.smooth:
        raise DocumentError("this atom has no gradient", path=f"{term.path}.as", remedy="Use `prox` or `dual`.")
    if force == "prox" and not (_simple(term) and _mergeable(atom)):
        raise DocumentError(
            "the prox of this term is not simple", path=f"{term.path}.as", remedy="Leave `as` out, or use `dual`."
        )
    if force:
        return Classified(term, Role(force), "the document says so")
    if atom.smooth:
        return Classified(term, Role.SMOOTH, "it has a Lipschitz gradient")
    if _simple(term) and _mergeable(atom):
        return Classified(term, Role.PROX, "its prox on the variable itself is simple")
    why = "its argument is composed" if not _simple(term) else "its prox merges with no other"
    return Classified(term, Role.DUAL, f"{why}: the prox of its conjugate is simple")


def _one_prox(terms: list[Classified], forced: Sequence[str | None]) -> list[Classified]:
    """Keep one of each kind in the prox; further ones become dual with W = I."""
    seen: set[type] = set()
    result = []
    for one, force in zip(terms, forced, strict=True):
        kind = type(one.term.atom)
        if one.role is Role.PROX and kind in seen and kind is not Interval:
            if force:
                raise DocumentError("two terms of this kind don't merge into one prox", path=f"{one.term.path}.as")
            one = replace(one, role=Role.DUAL, reason="a second one of its kind doesn't merge into one prox")
        if one.role is Role.PROX:
            seen.add(kind)
        result.append(one)
    return result


def merge(terms: Sequence[Classified]) -> Merged | None:
    """The prox terms as one atom; None without any."""
    atoms = [one.term.atom for one in terms if one.role is Role.PROX]
    if not atoms:
        return None
    quadratic = next((atom for atom in atoms if isinstance(atom, Quadratic)), None)
    l1 = next((atom for atom in atoms if isinstance(atom, L1)), None)
    interval = _intersection([atom for atom in atoms if isinstance(atom, Interval)])
    return Merged(quadratic, l1, interval, bounded=_bounded(interval))


def _intersection(intervals: list[Interval]) -> Interval | None:
    if not intervals:
        return None
    los, his = [float(one.lo) for one in intervals], [float(one.hi) for one in intervals]
    best_lo, best_hi = intervals[los.index(max(los))].lo, intervals[his.index(min(his))].hi
    return Interval(best_lo, best_hi)


def _bounded(interval: Interval | None) -> bool:
    return interval is not None and abs(float(interval.lo)) < float("inf") and abs(float(interval.hi)) < float("inf")


def _simple(term: Term) -> bool:
    return isinstance(term.operator, Identity)


def _mergeable(atom: Any) -> bool:
    return isinstance(atom, Quadratic | L1 | Interval)
