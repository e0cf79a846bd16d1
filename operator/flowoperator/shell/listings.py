"""The cache is filled before anything is decided, and compared with what is there now and then: events get lost."""

import asyncio
import gc
import random
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import structlog

from flowapi.group import FLOW_LABEL, KIND
from flowoperator.shell.cluster import ApiError, Cluster
from flowoperator.shell.informer import KINDS, Informer
from flowoperator.shell.metrics import RESTARTS
from flowoperator.shell.queue import Key, WorkQueue

log = structlog.get_logger()
RESYNC_SECONDS = 60.0
EARLY_SECONDS = (3.0, 12.0)  # after the watches begin: no event tells of what went between our listing and theirs
RETRY_SECONDS = 1.0
GRACE_SECONDS = 5.0  # for an event to come: beginning the watches again lists everything


class Listings:
    """Fills the cache, and compares it with the apiserver's listings.

    Args:
        cluster: Where.
        informer: The cache.
        queue: Of flows to look at.
        namespaces: Those to list; none: all.

    Attributes:
        synced: When the cache was last known to be right, by the loop's clock; 0 before it is filled.
        begun: Set when the watches begin.
        dead_watch: Set when they have missed something, and must begin again.
    """

    def __init__(self, cluster: Cluster, informer: Informer, queue: WorkQueue, namespaces: tuple[str, ...]) -> None:
        self._cluster, self._informer, self._queue, self._namespaces = cluster, informer, queue, namespaces
        self.synced = 0.0
        self.begun = asyncio.Event()
        self.dead_watch = asyncio.Event()

    def _places(self) -> Iterator[tuple[str, str, str]]:
        """Each kind in each namespace, with the label that its objects bear."""
        for kind in KINDS:
            for namespace in self._namespaces or ("",):
                yield kind, namespace, "" if kind == KIND else FLOW_LABEL

    async def fill(self) -> None:
        """List everything; an apiserver that is not ready yet is asked again."""
        while True:
            try:
                for kind, namespace, labels in self._places():
                    self._informer.fill(kind, await self._cluster.items(kind, namespace, labels=labels))
                break
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("the first listing failed; trying again", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
        self.synced = asyncio.get_running_loop().time()
        settle_memory()
        for entry in self._informer.flows.entries.values():
            self._queue.add(entry.key)

    async def resync(self) -> None:
        """Compare the cache with what is there, for ever."""
        early: list[float] = []
        pause = RESYNC_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.begun.wait(), random.uniform(0.8, 1.2) * pause)  # noqa: S311 - jitter
                self.begun.clear()
                early = list(EARLY_SECONDS)
                pause = early[0]
                continue
            try:
                for kind, namespace, labels in self._places():
                    await self.compare(kind, namespace, labels, early=bool(early))
                self.synced, early = asyncio.get_running_loop().time(), early[1:]
                pause = early[0] if early else RESYNC_SECONDS
                settle_memory()
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("the resync failed", error=repr(error))
                pause = RETRY_SECONDS

    async def compare(self, kind: str, namespace: str, labels: str, *, early: bool = False) -> None:
        """One kind; `early`: what the cache lacks is still on its way."""
        version, found = await self._cluster.listing(kind, namespace, labels=labels, metadata=True)
        keys, missed = self._informer.compare(kind, version, found, namespace)
        if missed and not early:
            await asyncio.sleep(GRACE_SECONDS)  # its event may be on its way
            missed = self._informer.compare(kind, version, found, namespace)[1]
        late = {key for one in missed if not early and (key := await self._take_in(kind, one)) is not None}
        if late:
            log.warning("a watch has missed objects; beginning the watches again", kind=kind, missed=len(missed))
            RESTARTS.inc()
            self.dead_watch.set()
        for key in keys | late:
            self._queue.add_idle(key)

    async def _take_in(self, kind: str, place: tuple[str, str]) -> Key | None:
        """The flow of an object that the cache lacks, or has an older version of; None if it was deleted meanwhile."""
        body = await self._cluster.get(kind, *place)
        return self._informer.seen(kind, body) if body is not None else None


def settle_memory() -> None:
    """Keep the garbage collector off the cache: with thousands of flows a walk through it stops all work for 0.5 s.

    What is kept lives on until nothing refers to it.
    """
    gc.collect()
    gc.freeze()
