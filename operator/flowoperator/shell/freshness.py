"""Whether the watches still tell what happens: a flow that two resyncs saw changed, and no watch did, says no."""

from collections.abc import Mapping

from flowoperator.shell.queue import Key


class Freshness:
    """Compares what watches told with what lists found."""

    def __init__(self) -> None:
        self._watched: dict[Key, str] = {}
        self._behind: dict[Key, str] = {}
        self.stale = False

    def watched(self, key: Key, version: str) -> None:
        """A watch told of this version."""
        self._watched[key] = version

    def listed(self, versions: Mapping[Key, str]) -> None:
        """A list found these. What is behind now and was behind at the list before has been missed."""
        behind = {key: version for key, version in versions.items() if self._watched.get(key) != version}
        self.stale = any(self._behind.get(key) == version for key, version in behind.items())
        self._behind = behind
        self._watched = {key: version for key, version in self._watched.items() if key in versions}
