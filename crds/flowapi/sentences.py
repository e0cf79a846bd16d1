"""What is wrong with a value, in a plain sentence and a remedy, for every kind of error that the models raise."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from flowapi.forms import FORMS

Context = Mapping[str, Any]
Words = tuple[str, str]
OTHER = "this value doesn't fit here"


def wrong_value(detail: ErrorDetails) -> Words:
    """Message and remedy for an error of pydantic's."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in _WANTED:
        return f"{_WANTED[kind]} needed here", given(value)
    if kind in _SENTENCES:
        return _SENTENCES[kind](value, context)
    return OTHER, given(value)


def given(value: object) -> str:
    """What stands there instead, as JSON."""
    return f"It is {_as_json(value)}."


def _as_json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return "something else"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _text_is_wanted(value: object, _: Context) -> Words:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return "a text is needed here", f'Quote it: "{value}".' if plain else given(value)


def _no_form(value: object, context: Context) -> Words:
    form = FORMS.get(str(context["pattern"]))
    if form is None:
        return OTHER, given(value)
    return f"`{_short(value)}` is no {form.wanted}", form.remedy


def _too_short(value: object, context: Context) -> Words:
    if value:
        return "this list is too short", f"It needs {context['min_length']} items."
    return "this is empty", "Add an item."


def _too_long(value: object, context: Context) -> Words:
    if isinstance(value, str):
        return f"this text has {len(value)} characters", f"It may have {context['max_length']}."
    count = len(value) if isinstance(value, dict | list | tuple) else "too many"
    return f"this has {count} items", f"It may have {context['max_length']}."


def _bounded(size: str, wanted: str, key: str) -> Callable[[object, Context], Words]:
    return lambda value, context: (
        f"{_short(value)} is too {size}",
        f"Write {wanted} {_as_json(_whole(context[key]))}.",
    )


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _short(value: object) -> str:
    return value[:60] if isinstance(value, str) else _as_json(value)


_LIST, _KEYS, _WHOLE = "a list is", "keys with values are", "a whole number is"
_NUMBER, _FLAG = "a number is", "true or false is"
_WANTED = {
    "tuple_type": _LIST, "list_type": _LIST, "iterable_type": _LIST,
    "dict_type": _KEYS, "mapping_type": _KEYS, "model_type": _KEYS, "model_attributes_type": _KEYS,
    "int_type": _WHOLE, "int_from_float": _WHOLE, "int_parsing": _WHOLE, "int_parsing_size": _WHOLE,
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": "a finite number is",
    "bool_type": _FLAG, "bool_parsing": _FLAG,
}  # fmt: skip
_SENTENCES: dict[str, Callable[[object, Context], Words]] = {
    "string_type": _text_is_wanted,
    "string_pattern_mismatch": _no_form,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "string_too_long": _too_long,
    "too_long": _too_long,
    "literal_error": lambda value, context: (f"unknown value `{_short(value)}`", f"Known: {context['expected']}."),
    "greater_than_equal": _bounded("small", "at least", "ge"),
    "greater_than": _bounded("small", "more than", "gt"),
    "less_than_equal": _bounded("large", "at most", "le"),
    "less_than": _bounded("large", "less than", "lt"),
}
