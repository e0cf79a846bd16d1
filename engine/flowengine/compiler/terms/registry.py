"""Which builder makes the terms of which atom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flowapi.argument import TermSpec
from flowapi.errors import DocumentError
from flowengine.compiler.site import Site
from flowengine.problem import Term

S = TypeVar("S", bound=TermSpec)
BUILDERS: dict[type[TermSpec], Callable[[Any, Site], list[Term]]] = {}


def build_terms(spec: TermSpec, site: Site) -> list[Term]:
    """The terms that a document's term stands for: one, or a few.

    Raises:
        DocumentError: its keys don't fit its argument.
        DataError: its data don't.
    """
    terms = BUILDERS[type(spec)](spec, site)
    if site.is_complex and not all(term.atom.takes_complex for term in terms):
        raise DocumentError(
            "this atom needs real numbers, and its argument is complex",
            path=site.path("arg"),
            remedy="Use a real dtype, or another atom.",
        )
    return terms


def simple(model: type[S]) -> Callable[[Callable[[S, Site], Any]], Callable[[S, Site], Any]]:
    """Register a function from keys to the one atom on the argument itself."""

    def register(build: Callable[[S, Site], Any]) -> Callable[[S, Site], Any]:
        BUILDERS[model] = lambda spec, site: [Term(build(spec, site), site.operator, None, site.place)]
        return build

    return register


def composed(model: type[S]) -> Callable[[Callable[[S, Site], list[Term]]], Callable[[S, Site], list[Term]]]:
    """Register a function from keys to terms with operators of their own."""

    def register(build: Callable[[S, Site], list[Term]]) -> Callable[[S, Site], list[Term]]:
        BUILDERS[model] = build
        return build

    return register
