"""Names in a flow document that refer to something, and operators that are made of others."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

from flowapi.argument import Summand, TermSpec
from flowapi.errors import DocumentError
from flowapi.model import join, nearest

if TYPE_CHECKING:
    from flowapi.flow import FlowDocument

MAX_PARTS = 64  # plain operators in one that is made of others


def references(document: "FlowDocument", at: str) -> Iterator[DocumentError]:
    """Names that nothing defines."""
    known: dict[str, Mapping[str, object]] = {
        "data": document.data,
        "params": document.params,
        "variables": document.variables,
        "operators": document.operators,
    }
    for kind, name, path in _mentions(document, at):
        if isinstance(name, str) and name not in known[kind]:
            remedy = nearest(name, known[kind]) or f"Define it under `{at}.{kind}`."
            yield DocumentError(f"`{name}` is not among the {kind}", path=path, remedy=remedy)


def unused(document: "FlowDocument", at: str) -> Iterator[str]:
    """Paths of names that nothing refers to: a variable that no term has, data and operators that nothing takes."""
    used = {(kind, name) for kind, name, _ in _mentions(document, at)}
    for kind in ("data", "variables", "operators", "params"):
        for name in getattr(document, kind):
            if (kind, name) not in used:
                yield join(at, kind, name)


def sizes(document: "FlowDocument", at: str) -> Iterator[DocumentError]:
    """Operators that are made of themselves, or of too many others."""
    for name, operator in document.operators.items():
        if _size(document, name, frozenset()) > MAX_PARTS:
            yield DocumentError(
                f"`{name}` is made of itself, or of more than {MAX_PARTS} operators",
                path=join(at, "operators", name, type(operator).__name__.lower(), "of"),
                remedy="Break the circle.",
            )


def _size(document: "FlowDocument", name: str, above: frozenset[str]) -> int:
    """How many plain operators it comes to; beyond the most that are allowed any larger number."""
    if name in above:
        return MAX_PARTS + 1
    total = 0
    for part in document.operators[name].parts:
        total += _size(document, part, above | {name})
        if total > MAX_PARTS:
            break
    return total or 1


def _mentions(document: "FlowDocument", at: str) -> Iterator[tuple[str, object, str]]:
    """Every name that refers to something: (kind, name, path)."""
    for name, variable in document.variables.items():
        yield "data", variable.like, join(at, "variables", name, "like")
        yield "data", variable.init, join(at, "variables", name, "init")
    for name, operator in document.operators.items():
        for key in operator.data_keys:
            kind = type(operator).__name__.lower()
            place = join(at, "operators", name, kind, *((to_camel(key),) if key != kind else ()))
            yield "data", getattr(operator, key), place
        for inner in operator.parts:
            yield "operators", inner, join(at, "operators", name, type(operator).__name__.lower(), "of")
    for index, term in enumerate(document.terms):
        yield from _mentions_of(term, join(at, "terms", index))
    for index, output in enumerate(document.outputs):
        yield "variables", output.variable, join(at, "outputs", index, output.kind)
    for index, invariant in enumerate(document.certificates.invariants):
        yield from _mentions_in(invariant.arg, join(at, "certificates", "invariants", index, invariant.kind))


def _mentions_of(term: TermSpec, place: str) -> Iterator[tuple[str, object, str]]:
    for key in term.data_keys:
        yield "data", getattr(term, key, None), join(place, to_camel(key))
    for key in term.param_keys:
        yield "params", getattr(term, key), join(place, to_camel(key))
    for key in term.argument_keys:
        yield from _mentions_in(getattr(term, key), join(place, type(term).model_fields[key].alias or key))


def _mentions_in(argument: tuple[Summand, ...], place: str) -> Iterator[tuple[str, object, str]]:
    for summand in argument:
        yield "variables", summand.var, place
        for name in summand.operators:
            yield "operators", name, place
