"""Reading what another version wrote, or a hand changed: what fits a model is kept, what doesn't is left out."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flowapi.model import Model

M = TypeVar("M", bound=Model)
Path = tuple[int | str, ...]
SENTENCE = 1024
"""Texts of at least this room are sentences: a longer one is cut. Shorter ones are names, and a cut name is another."""


def what_fits(model: type[M], value: object) -> M | None:
    """The model with every key of a JSON value that fits it; unknown keys, odd values and items of lists are left out.

    A part without one of its required keys is left out as a whole. Never raises.

    Returns:
        None when the value as a whole is such a part.
    """
    while True:
        try:
            return model.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        mended = _mended(value, found)
        if mended is None:
            return None
        value = mended[0]


def _mended(value: object, errors: Iterable[ErrorDetails]) -> tuple[object] | None:
    """The value without what the errors are about; None when that is the whole of it."""
    doomed: dict[Path, set[int | str]] = {}
    for error in errors:
        path: Path = tuple(part for part in error["loc"] if part != "[key]")
        if error["type"] == "missing":
            path = path[:-1]
        longest = error.get("ctx", {}).get("max_length", 0)
        if error["type"] == "too_long":
            value = _changed(value, path, partial(_shortened, longest))
        elif error["type"] == "string_too_long" and longest >= SENTENCE:
            value = _changed(value, path, partial(_cut, longest))
        elif not path:
            return None
        else:
            doomed.setdefault(path[:-1], set()).add(path[-1])
    for path in sorted(doomed, key=len, reverse=True):
        value = _changed(value, path, partial(_without, doomed[path]))
    return (value,)


def _changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy in which the part at a path is changed; only what the path passes through is copied."""
    if not path:
        return change(value)
    copied: Any = list(value) if isinstance(value, list | tuple) else dict(value)
    copied[path[0]] = _changed(copied[path[0]], path[1:], change)
    return copied


def _without(keys: set[int | str], part: Any) -> Any:
    if isinstance(part, dict):
        return {key: item for key, item in part.items() if key not in keys}
    return [item for index, item in enumerate(part) if index not in keys]


def _shortened(most: int, part: Any) -> Any:
    """The first entries of a mapping, the last items of a list: histories have the newest last."""
    return dict(list(part.items())[:most]) if isinstance(part, dict) else list(part)[-most:]


def _cut(most: int, text: Any) -> str:
    return f"{str(text)[: most - 1]}…"
