"""Parts of a page with versions: whoever has seen a version gets what changed since, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from flowapi.frozen import frozen

MOST = 100  # parts of one change; what is left comes with the next one
T = TypeVar("T")


@frozen
class Change(Generic[T]):
    """What to do to come from one version to another.

    Attributes:
        version: The one that it leads to.
        parts: By name, those that are new or other than before.
        gone: Names of those that are no more.
    """

    version: int
    parts: Mapping[str, T]
    gone: tuple[str, ...]


class Feed(Generic[T]):
    """Parts by name. Every change of a part has a version of its own, so that changes can be sent in portions."""

    def __init__(self) -> None:
        self.version = 0
        self.parts: dict[str, T] = {}
        self._changed: dict[str, int] = {}  # the oldest change first

    def update(self, parts: Mapping[str, T]) -> None:
        """Take note of all parts as they are now."""
        for name in [one for one in self.parts if one not in parts]:
            del self.parts[name]
            self._touch(name)
        for name, part in parts.items():
            if name not in self.parts or self.parts[name] != part:
                self.parts[name] = part
                self._touch(name)

    def since(self, version: int, most: int = MOST) -> Change[T] | None:
        """What changed after a version, the oldest first, at most so many parts; None where nothing did."""
        names = []
        for name in reversed(self._changed):
            if self._changed[name] <= version:
                break
            names.append(name)
        chosen = names[::-1][:most]
        if not chosen:
            return None
        parts = {name: self.parts[name] for name in chosen if name in self.parts}
        return Change(self._changed[chosen[-1]], parts, tuple(name for name in chosen if name not in parts))

    def _touch(self, name: str) -> None:
        self.version += 1
        self._changed.pop(name, None)
        self._changed[name] = self.version
