"""Canonical numbers and JSON: equal documents have equal bytes, whoever parsed them.

A document reaches us through Go (`kubectl`, the apiserver) or through our own reader. Go writes `4.0` as `4`
and knows no NaN; so integral floats become integers here, and numbers that JSON can't hold are refused.
"""

import json
import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from flowapi.errors import DocumentError

# Go's JSON decoder and every float64 reader keep integers exactly up to here.
LARGEST_EXACT_INTEGER = 2**53
DEEPEST = 100


def canonical(value: object, path: str = "") -> JsonValue:
    """Bring a JSON-like value to its canonical form.

    Integral floats become integers; mappings and sequences become dicts and lists.

    Raises:
        DocumentError: for NaN, infinities, integers beyond 2^53, keys that aren't strings, other types, and what is
            nested more than 100 levels deep.
    """
    return _canonical(value, path, DEEPEST)


def _canonical(value: object, path: str, left: int) -> JsonValue:
    if not left:
        raise DocumentError(f"this is nested more than {DEEPEST} levels deep", path=path, remedy="Make it flatter.")
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > LARGEST_EXACT_INTEGER:
                raise DocumentError(
                    f"the integer {value} is beyond 2^53",
                    path=path,
                    remedy="Write a smaller one, or quote it.",
                )
            return value
        case float():
            return _canonical_float(value, path)
        case Mapping():
            return {_key(key, path): _canonical(item, _join(path, str(key)), left - 1) for key, item in value.items()}
        case Sequence():
            return [_canonical(item, f"{path}[{index}]", left - 1) for index, item in enumerate(value)]
        case _:
            raise DocumentError(
                f"a value of type {type(value).__name__} can't stand in a document",
                path=path,
                remedy="Write a text, a number, true, false, null, a list or a mapping.",
            )


def canonical_json(value: object) -> bytes:
    """The canonical value as JSON: keys sorted, no spaces, UTF-8."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _canonical_float(value: float, path: str) -> int | float:
    if not math.isfinite(value):
        raise DocumentError(f"{value} is not a number that JSON can hold", path=path, remedy="Write a finite number.")
    if value.is_integer() and abs(value) <= LARGEST_EXACT_INTEGER:
        return int(value)
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    raise DocumentError(f"the key {key!r} is not a string", path=path, remedy=f'Quote it: "{key}".')


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
