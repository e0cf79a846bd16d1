"""The Lease: of several operators only its holder watches and writes; whoever loses it ends.

Time is counted by this machine's clock since its start, which nobody sets and which goes on while a process is frozen
or the machine asleep; what others wrote into the Lease as times decides nothing.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import structlog

from flowoperator.shell.cluster import ApiError, Cluster, ConflictError, Json
from flowoperator.shell.metrics import LEADER

log = structlog.get_logger()
KIND = "Lease"
SECONDS = 15.0  # after which another operator may take a Lease that has not changed
WRITING_SECONDS = 10.0  # after its last renewal began, the holder writes no more: a request in flight has time to end
RENEW_SECONDS = 2.0
TROUBLES = (ApiError, ConflictError, aiohttp.ClientError, TimeoutError, OSError)


class LeaseLostError(Exception):
    """This operator may not write any more."""


@dataclass(frozen=True)
class LeaseName:
    """Where the Lease is, and who asks for it."""

    namespace: str
    name: str
    identity: str


def clock() -> float:
    """Seconds since this machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One operator's hold on the Lease: `acquire`, then `keep` for as long as it works, then `release`."""

    def __init__(self, cluster: Cluster, place: LeaseName) -> None:
        self._cluster, self._place = cluster, place
        self._until = 0.0
        self._version = ""
        self._transitions = 0
        self._seen: tuple[str, float] = ("", 0.0)  # the version of another's Lease, and since when it is the same
        self.asked = clock()

    def check(self) -> None:
        """Raise `LeaseLostError` unless this operator holds the Lease at this moment."""
        if clock() >= self._until:
            raise LeaseLostError("the Lease was not renewed in time; this operator writes no more")

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while True:
            self.asked = clock()
            try:
                if await self._take():
                    LEADER.set(1)
                    log.info("this operator holds the Lease", identity=self._place.identity)
                    return
            except TROUBLES as error:
                log.warning("the Lease can't be taken; trying again", error=repr(error))
            await asyncio.sleep(RENEW_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def keep(self) -> None:
        """Renew it for ever.

        Raises:
            LeaseLostError: another operator has it, or it could not be renewed in time.
        """
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            self.check()
            begun = clock()
            try:
                async with asyncio.timeout(self._until - begun):
                    await self._write({"renewTime": _now()}, begun)
            except ConflictError as error:
                if not await self._is_still_ours():
                    self._lose()
                    raise LeaseLostError(f"another operator has taken the Lease ({error})") from error
            except TROUBLES as error:
                log.warning("the Lease can't be renewed; trying again", error=repr(error))

    async def release(self) -> None:
        """Hand it over: whoever waits for it takes it at its next look."""
        if clock() < self._until:
            try:
                await self._write({"holderIdentity": "", "leaseDurationSeconds": 1}, clock())
            except TROUBLES as error:
                log.warning("the Lease could not be handed over; it ends by itself", error=repr(error))
        self._lose()

    async def _is_still_ours(self) -> bool:
        """Whether the newer version is a renewal of ours whose answer was lost."""
        try:
            found = await self._cluster.get(KIND, self._place.namespace, self._place.name)
        except TROUBLES:
            return True  # not known: the next renewal tells
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._place.identity:
            return False
        self._version = str(found["metadata"]["resourceVersion"])
        return True

    def _lose(self) -> None:
        self._until = 0.0
        LEADER.set(0)

    async def _take(self) -> bool:
        place, begun = self._place, clock()
        found = await self._cluster.get(KIND, place.namespace, place.name)
        if found is None:
            meta = {"name": place.name, "namespace": place.namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": KIND, "metadata": meta, "spec": self._spec(0)}
            made = await self._cluster.create(body)
            return self._is_ours(made, begun)
        spec, version = found.get("spec") or {}, str(found["metadata"]["resourceVersion"])
        self._transitions, self._version = int(spec.get("leaseTransitions") or 0), version
        if spec.get("holderIdentity") and not self._has_expired(version, begun):
            return False
        await self._write(self._spec(self._transitions + 1), begun)
        return True

    def _is_ours(self, body: Json, begun: float) -> bool:
        """Whether the Lease that came of a create was made by it: one that was there already may be another's."""
        self._version = str(body["metadata"]["resourceVersion"])
        ours = bool(body["spec"].get("holderIdentity") == self._place.identity)
        self._until = begun + WRITING_SECONDS if ours else 0.0
        return ours

    def _has_expired(self, version: str, now: float) -> bool:
        """Whether nobody has renewed it for its time, as seen from here."""
        known, since = self._seen
        if known != version:
            self._seen = (version, now)
            return False
        return now - since > SECONDS

    async def _write(self, spec: Json, begun: float) -> None:
        """Change the Lease as it was last seen; nobody else has changed it since, or this is a `ConflictError`."""
        place = self._place
        patch = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        body = await self._cluster.merge(KIND, place.namespace, place.name, patch)
        self._version = str(body["metadata"]["resourceVersion"])
        self._until = begun + WRITING_SECONDS

    def _spec(self, transitions: int) -> Json:
        stamp = _now()
        return {
            "holderIdentity": self._place.identity, "leaseDurationSeconds": int(SECONDS), "acquireTime": stamp,
            "renewTime": stamp, "leaseTransitions": transitions,
        }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
