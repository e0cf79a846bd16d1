"""The work queue: each key at most once in it and at most once at work; failures wait longer each time."""

import asyncio
import random
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
    """Keys to look at. `work` returns the seconds after which the key is due again, or None."""

    work: Callable[[Key], Awaitable[float | None]]
    _ready: "asyncio.Queue[Key]" = field(default_factory=asyncio.Queue)
    _waiting: set[Key] = field(default_factory=set)
    _active: set[Key] = field(default_factory=set)
    _again: set[Key] = field(default_factory=set)
    _timers: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    _failures: dict[Key, int] = field(default_factory=dict)
    progress: float = 0.0

    def add(self, key: Key) -> None:
        """Look at a key soon; one that is at work is looked at again afterwards."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at a key later, unless an event comes first."""
        if old := self._timers.pop(key, None):
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.add, key)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be looked at."""
        return not self._waiting

    async def worker(self) -> None:
        """Take keys for ever; a failing key never stops the others."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._active.add(key)
            try:
                after = await self.work(key)
                self._failures.pop(key, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other flows go on
                after = self._delay(key)
                log.warning("a pass failed", namespace=key.namespace, flow=key.name, error=repr(error), again_in=after)
            finally:
                self._active.discard(key)
                self.progress = asyncio.get_running_loop().time()
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif after is not None:
                self.add_after(key, after)

    def _delay(self, key: Key) -> float:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(count, 12))
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter
