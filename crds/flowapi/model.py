"""What every model of a document shares, and how pydantic's findings become errors that a person can act on."""

import difflib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from flowapi.errors import DocumentError, DocumentErrors
from flowapi.forms import NAME
from flowapi.sentences import given, wrong_value
from flowapi.synonyms import OF_DIFFERENCES, SYNONYMS

LONGEST_NAME = 63
Name = Annotated[
    str,
    StringConstraints(pattern=NAME, max_length=LONGEST_NAME),
    AfterValidator(lambda value: _no_yaml_word(value)),
]
"""A name that a document gives to data, a variable, an operator or a parameter."""
Number = Annotated[float, PlainValidator(lambda value: _number(value))]
PositiveInt = Annotated[int, Field(strict=True, ge=1, le=2**53)]
Positive = Annotated[Number, AfterValidator(lambda value: _positive(value))]
NumberOrName = Annotated[float | str, PlainValidator(lambda value: _number_or_name(value))]


class DocumentFinding(ValueError):
    """Raised by validators: what is wrong, below which path, and the remedy; `Model.parse` adds the place."""

    def __init__(self, message: str, *, path: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.remedy = remedy


class Model(BaseModel):
    """A frozen value with camelCase keys; unknown keys are refused, later ones by name.

    `later` lists keys that the design has and this version doesn't act on: better refused than ignored.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,  # a start needs few of them
    )
    later: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def parse(cls, value: object, *, at: str) -> Self:
        """Validate a JSON value.

        Args:
            value: What the reader or the apiserver gave.
            at: Its path, the start of every path in an error.

        Raises:
            DocumentErrors: with everything that is wrong, each with its path and a remedy.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            found = [detail for detail in error.errors() if not _follows(detail)]
            raise DocumentErrors(_unique(_explain(detail, cls, at) for detail in found)) from None


def is_name(value: object) -> bool:
    """Whether a value that no document brought is a name; names become those of files."""
    return isinstance(value, str) and len(value) <= LONGEST_NAME and re.fullmatch(NAME, value) is not None


def _no_yaml_word(value: str) -> str:
    """What kubectl made of a bare key `y`, `on` or `~` reaches the apiserver as one of these."""
    if value in {"true", "false", "null"}:
        raise DocumentFinding(
            f"`{value}` is no name: to YAML the bare words y, yes, on, n, no, off and ~ mean true, false and null",
            remedy='Quote the name ("y") or choose another.',
        )
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DocumentFinding("a number is needed here")
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise DocumentFinding("a number above 0 is needed here")
    return value


def _number_or_name(value: object) -> float | str:
    if isinstance(value, str) and re.match(NAME, value):
        return value
    return _number(value)


def one_of(kinds: str) -> WrapValidator:
    """For a value of several types: one sentence instead of an error from each of them."""

    def checked(value: object, check: ValidatorFunctionWrapHandler) -> object:
        try:
            return check(value)
        except ValidationError:
            raise DocumentFinding(f"{kinds} is needed here") from None

    return WrapValidator(checked)


def nearest(word: str, known: Iterable[str]) -> str:
    """A question with the known word that others say for this one or that looks most like it, or the list of all."""
    names = sorted(known)
    plain = word.lower().replace("-", "_")
    if (meant := SYNONYMS.get(plain, plain)) in names:
        how = " of `D x`, with the operator `D: {gradient: {}}`" if plain in OF_DIFFERENCES else ""
        return f"Did you mean `{meant}`{how}?"
    if found := difflib.get_close_matches(word, names, n=1):
        return f"Did you mean `{found[0]}`?"
    return f"Known: {', '.join(names)}." if names else ""


def join(at: str, *parts: int | str) -> str:
    """A path into the YAML: `flow.terms[1].atom`."""
    for part in parts:
        if isinstance(part, int):
            at = f"{at}[{part}]"
        elif at and not re.fullmatch(r"[-\w]+", part):
            at = f"{at}[{json.dumps(part, ensure_ascii=False)}]"  # podLabels["example.com/team"]
        else:
            at = f"{at}.{part}" if at else part
    return at


def _unique(errors: Iterable[DocumentError]) -> list[DocumentError]:
    return list({(error.path, error.message): error for error in errors}.values())


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list is short only because its items have errors of their own."""
    given, least = detail["input"], detail.get("ctx", {}).get("min_length", 0)
    return detail["type"] == "too_short" and isinstance(given, list | tuple) and len(given) >= least


def _explain(detail: ErrorDetails, model: type[Model], at: str) -> DocumentError:
    location = tuple(part for part in detail["loc"] if part != "[key]")
    owner = _owner(location, model)
    path = join(at, *location)
    word = str(location[-1]) if location else ""
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden" if owner and word in owner.later:
            return DocumentError("this key is not available in this version", path=path, remedy="Remove it.")
        case "extra_forbidden":
            remedy = nearest(word, keys(owner) if owner else ()) or "Remove it."
            return DocumentError("unknown key", path=path, remedy=remedy)
        case "missing":
            return DocumentError("this key is required", path=path, remedy="Add it.")
        case "value_error" if isinstance(finding := context.get("error"), DocumentFinding):
            return DocumentError(
                finding.message,
                path=_below(path, finding.path),
                remedy=finding.remedy or given(detail["input"]),
            )
        case _:
            message, remedy = wrong_value(detail)
            return DocumentError(message, path=path, remedy=remedy)


def keys(model: type[Model]) -> list[str]:
    """The keys of a model as a document writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def without_nulls(value: Any, known: Collection[str] | None = None) -> Any:
    """A mapping without the keys that have no value: those that are known, or all of them."""
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item is not None or (known is not None and key not in known)}


def _owner(location: tuple[int | str, ...], model: type[Model]) -> type[Model] | None:
    """The model that owns the last key of a location."""
    owner: type[Model] | None = model
    for part in location[:-1]:
        owner = _child(owner, part) if owner else None
    return owner


def _child(owner: type[Model], part: int | str) -> type[Model] | None:
    """The model behind a key, through optionals, sequences and mappings; the owner itself behind an index or a name."""
    for name, field in owner.model_fields.items():
        if part in (field.alias, name):
            found = list(_models_in(field.annotation))
            return found[0] if len(found) == 1 else None
    return owner


def _models_in(annotation: object) -> Iterable[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _below(path: str, inner: str) -> str:
    if not inner:
        return path
    return f"{path}{inner}" if inner.startswith("[") or not path else f"{path}.{inner}"
