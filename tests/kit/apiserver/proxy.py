"""Between operator and apiserver: it numbers the writes, can kill the operator at each, and makes trouble with answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp
from aiohttp import web

from kit.apiserver.api import Json

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
Event = Json
Filter = Callable[[str, Event], list[tuple[float, Event]]]


class Moment(Enum):
    """When the operator dies: before the write reaches the apiserver, before its answer comes back, or after that."""

    BEFORE = "before"
    AT = "at"
    AFTER = "after"


@dataclass
class Write:
    """A write that the operator asked for, and the status of its answer; 0 while there is none."""

    number: int
    method: str
    path: str
    status: int = 0

    @property
    def resource(self) -> str:
        """Its plural, such as `jobs`."""
        parts = self.path.split("/")
        return parts[parts.index("namespaces") + 2] if "namespaces" in parts else parts[-1]

    def __str__(self) -> str:
        return f"{self.number} {self.method} {self.path}"


@dataclass
class Fault:
    """An answer in the apiserver's stead, for requests that match, so many times.

    Attributes:
        status: The HTTP status; 0: no answer at all, until the client gives up.
    """

    method: str
    part: str
    status: int
    times: int = 1
    message: str = ""
    retry_after: int = 0

    def body(self) -> Json:
        """As the apiserver words it."""
        reasons = {409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests", 403: "Forbidden"}
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": self.status,
            "message": self.message or f"injected {self.status}", "reason": reasons.get(self.status, "InternalError"),
        }  # fmt: skip


@dataclass
class Proxy:
    """One operator's way to the apiserver.

    Attributes:
        writes: All so far, in order.
        kill_at: The number of the write at which, and the moment when, the operator dies.
        faults: Answers to give instead of the apiserver's.
        filter: What becomes of a watch event of a resource (its plural): pairs of delay and event; none: it is dropped.
        frozen: Watches are silent, without an end, while this is set.
    """

    url: str
    authority: str
    on_kill: Callable[[], None] = lambda: None
    writes: list[Write] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    kill_at: tuple[int, Moment] | None = None
    killed_at: Write | None = None
    faults: list[Fault] = field(default_factory=list)
    filter: Filter | None = None
    frozen: bool = False
    _session: aiohttp.ClientSession | None = None

    def made(self, method: str) -> dict[str, int]:
        """How many writes of a kind the apiserver has carried out, by resource; events apart."""
        done = [one.resource for one in self.writes if one.method == method and 200 <= one.status < 300]
        return {one: done.count(one) for one in sorted(set(done)) if one != "events"}

    def clear(self) -> None:
        """Forget what was counted, and make no more trouble."""
        self.writes, self.reads, self.faults = [], {}, []
        self.kill_at = self.killed_at = self.filter = None
        self.frozen = False

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request of the operator's."""
        if self._session is None:
            context = ssl.create_default_context(cafile=self.authority)
            connector = aiohttp.TCPConnector(ssl=context, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        if fault := self._fault(request):
            return await self._answer(fault)
        if request.method not in WRITES:
            key = request.path.rsplit("/", 1)[-1] + (" watch" if "watch" in request.query else "")
            self.reads[key] = self.reads.get(key, 0) + 1
            return await self._pass_on(request)
        write = Write(len(self.writes) + 1, request.method, request.path)
        self.writes.append(write)
        moment = self.kill_at[1] if self.kill_at and self.kill_at[0] == write.number else None
        if moment is Moment.BEFORE:
            return await self._die(write)
        answer = await self._pass_on(request)
        write.status = answer.status
        if moment is Moment.AT:
            return await self._die(write)
        if moment is Moment.AFTER:
            self.killed_at = write
            asyncio.get_running_loop().call_later(0.005, self.on_kill)  # once the answer has gone out
        return answer

    def _fault(self, request: web.Request) -> Fault | None:
        for one in self.faults:
            if one.times > 0 and one.method == request.method and one.part in request.path_qs:
                one.times -= 1
                return one
        return None

    async def _answer(self, fault: Fault) -> web.Response:
        if fault.status == 0:
            await asyncio.sleep(3600)
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
        return web.json_response(fault.body(), status=fault.status, headers=headers)

    async def _die(self, write: Write) -> web.Response:
        self.killed_at = write
        self.on_kill()
        await asyncio.sleep(3600)  # the connection goes with the operator
        raise AssertionError

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        headers["Accept-Encoding"] = "identity"
        body = await request.read()
        async with self._session.request(
            request.method, self.url + request.path_qs, headers=headers, data=body or None,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:  # fmt: skip
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if "watch" not in request.query or answer.status != 200:
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
            stream = web.StreamResponse(status=200, headers=kept)
            await stream.prepare(request)
            async for line in self._events(request.path.rsplit("/", 1)[-1], answer):
                await stream.write(line)
            return stream

    async def _events(self, plural: str, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The lines of a watch, as the filter changes them; delayed ones hold nothing else up."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def read() -> None:
            try:
                async for line in answer.content:
                    if self.filter is None:
                        queue.put_nowait(line)
                        continue
                    for delay, event in self.filter(plural, json.loads(line)):
                        data = json.dumps(event).encode() + b"\n"
                        loop.call_later(delay, queue.put_nowait, data) if delay else queue.put_nowait(data)
            except (aiohttp.ClientError, ConnectionError):
                pass
            finally:
                queue.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (line := await queue.get()) is not None:
                while self.frozen:
                    await asyncio.sleep(0.05)
                yield line
        finally:
            reader.cancel()


_HOP = {
    "host",
    "connection",
    "transfer-encoding",
    "content-length",
    "keep-alive",
    "accept-encoding",
    "content-encoding",
}


def only(plural: str, change: Callable[[Event], list[tuple[float, Event]]]) -> Filter:
    """A filter for one resource."""

    def found(kind: str, event: Event) -> list[tuple[float, Event]]:
        return change(event) if kind == plural else [(0.0, event)]

    return found


def dropped(event: Event) -> list[tuple[float, Any]]:
    """The event is lost."""
    return []


def twice(event: Event) -> list[tuple[float, Any]]:
    """The event comes twice."""
    return [(0.0, event), (0.0, event)]


def late(seconds: float) -> Callable[[Event], list[tuple[float, Any]]]:
    """The event comes later, and so perhaps out of order."""
    return lambda event: [(seconds, event)]
