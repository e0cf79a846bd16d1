"""The last words of pods, kept until their flow is gone: an evicted pod is away within a second."""

from flowoperator.core.observed import LastWords
from flowoperator.shell.queue import Key

KEPT = 8


class Words:
    """A short memory of how the last pods of each flow ended, oldest first."""

    def __init__(self) -> None:
        self._words: dict[Key, dict[str, LastWords]] = {}

    def keep(self, key: Key, words: LastWords) -> None:
        """Remember them; what a later event says of the same pod replaces them, but no report is lost by it."""
        found = self._words.setdefault(key, {})
        old = found.pop(words.pod_uid, None)
        if old is not None and words.report is None:
            words = old
        found[words.pod_uid] = words
        while len(found) > KEPT:
            found.pop(next(iter(found)))

    def of(self, key: Key) -> tuple[LastWords, ...]:
        """What is remembered of a flow."""
        return tuple(self._words.get(key, {}).values())

    def forget(self, key: Key) -> None:
        """The flow is gone."""
        self._words.pop(key, None)
