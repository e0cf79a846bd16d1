"""The work queue: each key at most once in it and at most once at work, fair by namespace; failures back off."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()
FIRST_SECONDS = 0.2
LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Key:
    """A flow."""

    namespace: str
    name: str


@dataclass
class WorkQueue:
    """Keys to look at. `work` returns the seconds after which the key is due again, or None.

    Namespaces take turns, and none has more than `share` of its keys at work at once: a namespace full of slow flows
    delays no other.
    """

    work: Callable[[Key], Awaitable[float | None]]
    share: int = 6
    progress: float = 0.0
    _ready: dict[str, deque[Key]] = field(default_factory=lambda: defaultdict(deque))
    _turns: deque[str] = field(default_factory=deque)
    _waiting: set[Key] = field(default_factory=set)
    _active: set[Key] = field(default_factory=set)
    _busy: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _again: set[Key] = field(default_factory=set)
    _timers: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    _failures: dict[Key, int] = field(default_factory=dict)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: Key) -> None:
        """Look at a key soon; one that is at work is looked at again afterwards."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            if key.namespace not in self._turns:
                self._turns.append(key.namespace)
            self._ready[key.namespace].append(key)
            self._more.set()

    def add_idle(self, key: Key) -> None:
        """Look at a key soon unless it is due at a time of its own: a resync must not align what backs off."""
        if key not in self._timers:
            self.add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at a key later, unless an event comes first."""
        if old := self._timers.pop(key, None):
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.add, key)

    def forget(self, key: Key) -> None:
        """The flow is gone."""
        self._failures.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    @property
    def length(self) -> int:
        """How many keys wait to be looked at."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be looked at."""
        return not self._waiting

    def _take(self) -> Key | None:
        """The next key of the next namespace that has one and is not at its share."""
        for _ in range(len(self._turns)):
            namespace = self._turns[0]
            self._turns.rotate(-1)
            if self._ready[namespace] and self._busy[namespace] < self.share:
                key = self._ready[namespace].popleft()
                if not self._ready[namespace]:
                    del self._ready[namespace]
                    self._turns.remove(namespace)
                return key
        return None

    async def worker(self) -> None:
        """Take keys for ever; a failing key never stops the others."""
        while True:
            while (key := self._take()) is None:
                self._more.clear()
                await self._more.wait()
            self._waiting.discard(key)
            self._active.add(key)
            self._busy[key.namespace] += 1
            try:
                after = await self.work(key)
                self._failures.pop(key, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other flows go on
                after = self._delay(key)
                log.warning("a pass failed", namespace=key.namespace, flow=key.name, error=repr(error), again_in=after)
            finally:
                self._active.discard(key)
                self._done(key.namespace)
                self.progress = asyncio.get_running_loop().time()
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif after is not None:
                self.add_after(key, after)

    def _done(self, namespace: str) -> None:
        self._busy[namespace] -= 1
        if not self._busy[namespace]:
            del self._busy[namespace]
        if namespace in self._ready:
            self._more.set()

    def _delay(self, key: Key) -> float:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(count, 12))
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter
