"""Terms, operators and data sources read by their kinds.

The grammar only; what each means (formula, shapes, prox, norm) stands with its function in the engine.
A model an atom: adding one in `atoms` and one builder in the engine is all that a new atom takes.
"""

from typing import TypeVar

from pydantic import JsonValue

from flowapi.argument import TermSpec
from flowapi.atoms import ATOMS
from flowapi.errors import DocumentError, DocumentErrors
from flowapi.model import Model, join, nearest
from flowapi.operators import OPERATORS, SHORT_KEYS, OperatorSpec
from flowapi.sentences import given
from flowapi.sources import LATER_SOURCES, SOURCES, SourceSpec

M = TypeVar("M", bound=Model)


def parse_term(value: JsonValue, at: str) -> TermSpec:
    """A term by its atom; unknown atoms get the nearest word."""
    mapping = _mapping(value, at, "a term", "{atom: quadratic, arg: x}")
    if "atom" not in mapping:
        raise DocumentError("a term needs an atom", path=at, remedy=f"Add `atom:`, one of {', '.join(ATOMS)}.")
    atom = mapping["atom"]
    if not isinstance(atom, str):
        raise DocumentError("the name of an atom is needed here", path=join(at, "atom"), remedy=given(atom))
    model = _known(atom, ATOMS, join(at, "atom"), "atom")
    return model.parse(mapping, at=at)


def parse_operator(value: JsonValue, at: str) -> OperatorSpec:
    """An operator, a mapping with one key: `{conv: {kernel: k}}`."""
    kind, body = _single(value, at, "an operator", "{gradient: {boundary: neumann}}")
    model = _known(kind, OPERATORS, join(at, kind), "operator")
    if body is not None and not isinstance(body, dict) and kind in SHORT_KEYS:
        body = {SHORT_KEYS[kind]: body}
    return model.parse({} if body is None else body, at=join(at, kind))


def parse_source(value: JsonValue, at: str) -> SourceSpec:
    """A data source, a mapping with one key for the kind: `{npy: psf.npy}`."""
    mapping = _mapping(value, at, "a data source", "{npy: file.npy}")
    kinds = [key for key in mapping if key in SOURCES]
    if len(kinds) > 1:
        raise DocumentError(f"this names two data sources: {' and '.join(kinds)}", path=at, remedy="Keep one of them.")
    kind = kinds[0] if kinds else next(iter(mapping), "")
    return _known(kind, SOURCES, join(at, kind), "data source", later=LATER_SOURCES).parse(mapping, at=at)


def collect(errors: list[DocumentError], error: DocumentError) -> None:
    """Add an error, or all of those it holds, to a list."""
    errors.extend(error.errors if isinstance(error, DocumentErrors) else [error])


def _mapping(value: JsonValue, at: str, what: str, example: str) -> dict[str, JsonValue]:
    if isinstance(value, dict) and value:
        return value
    raise DocumentError(f"{what} must be a mapping", path=at, remedy=f"Write it like `{example}`.")


def _single(value: JsonValue, at: str, what: str, example: str) -> tuple[str, JsonValue]:
    mapping = _mapping(value, at, what, example)
    if len(mapping) != 1:
        raise DocumentError(f"{what} must have one key, its kind", path=at, remedy=f"Write it like `{example}`.")
    return next(iter(mapping.items()))


def _known(kind: str, known: dict[str, type[M]], at: str, what: str, *, later: frozenset[str] = frozenset()) -> type[M]:
    if kind in known:
        return known[kind]
    if kind in later:
        available = ", ".join(known)
        raise DocumentError(
            f"the {what} `{kind}` is not available in this version",
            path=at,
            remedy=f"Available: {available}.",
        )
    raise DocumentError(f"unknown {what} `{kind}`", path=at, remedy=nearest(kind, known))
