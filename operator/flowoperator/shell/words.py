"""The last words of pods, kept until their flow is gone: an evicted pod is away within a second."""

from flowoperator.core.observed import LastWords
from flowoperator.shell.queue import Key

KEPT = 8


class Words:
    """A short memory of how the last pods of each flow ended, oldest pod first, in whatever order they are told."""

    def __init__(self) -> None:
        self._words: dict[Key, dict[str, LastWords]] = {}

    def keep(self, key: Key, words: LastWords) -> None:
        """Remember them; what a later event says of the same pod replaces them, but no report is lost by it."""
        found = self._words.setdefault(key, {})
        old = found.get(words.pod_uid)
        if old is not None and words.report is None:
            words = old
        found[words.pod_uid] = words
        newest = sorted(found.values(), key=lambda one: one.created)[-KEPT:]
        self._words[key] = {one.pod_uid: one for one in newest}

    def of(self, key: Key) -> tuple[LastWords, ...]:
        """What is remembered of a flow."""
        return tuple(self._words.get(key, {}).values())

    def forget(self, key: Key) -> None:
        """The flow is gone."""
        self._words.pop(key, None)
