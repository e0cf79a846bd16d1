"""The operator in the test's own process: its asyncio, its real client, its real watches, its service account."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import aiohttp
import kopf
from aiohttp import web

from flowoperator.main import run
from flowoperator.settings import Settings
from kit.apiserver.node import Engines
from kit.apiserver.plane import ENGINE

T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own, for what must go on while a test waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="the operator's loop")
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        """Do something and wait for it."""
        return self.start(work).result(seconds)

    def close(self) -> None:
        """Stop the loop; what is still at work in it ends first."""
        with suppress(TimeoutError):
            self.run(_end_all(), 10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


async def _end_all() -> None:
    mine = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not mine]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class ToEngines(aiohttp.TCPConnector):
    """Every pod's address leads to the one server that answers for all engines; the Host header tells them apart."""

    def __init__(self, port: int) -> None:
        super().__init__(force_close=True)
        self._port = port

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[Any]:
        return [{
            "hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET,
            "proto": 0, "flags": socket.AI_NUMERICHOST,
        }]  # fmt: skip


async def serve(handler: Any) -> tuple[web.AppRunner, int]:
    """A server for everything that is asked of one handler; returns it with its port."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    return runner, site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]


class Operator:
    """Starts, kills and starts again the operator of one namespace."""

    def __init__(self, loop: Loop, url: str, token: str, namespace: str, engines_port: int) -> None:
        self._loop, self._url, self._token = loop, url, token
        self._namespaces, self.engines_port = (namespace,) if namespace else (), engines_port
        self._running: Future[None] | None = None
        self._ended = threading.Event()
        self._revive = False
        self.image = ENGINE

    def start(self) -> None:
        """A fresh operator, that remembers nothing."""
        self._ended.clear()
        self._running = self._loop.start(self._run())

    async def _run(self) -> None:
        def login() -> kopf.ConnectionInfo:
            return kopf.ConnectionInfo(server=self._url, scheme="Bearer", token=self._token)

        settings = Settings(self.image, self._namespaces, 0, "warning")
        try:
            async with aiohttp.ClientSession(connector=ToEngines(self.engines_port)) as http:
                await run(settings, login, http)
        finally:
            self._ended.set()
            if self._revive:
                self._revive = False
                self._loop.loop.call_soon(self.start)

    @property
    def url(self) -> str:
        """Where it finds the apiserver."""
        return self._url

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and not self._running.done()

    def kill(self) -> None:
        """End it wherever it is: no more of its code runs than what cancellation runs."""
        self._revive = False
        if self._running is not None:
            self._running.cancel()
            if not self._ended.wait(60):
                raise AssertionError("the operator did not end when it was killed")
            self._running = None

    def crash(self) -> None:
        """The same from inside its loop; a fresh one follows, as a kubelet sees to."""
        if self._running is not None:
            self._revive = True
            self._running.cancel()

    def check(self) -> None:
        """Raise what ended it, if it ended by itself."""
        if self._running is not None and self._running.done() and not self._running.cancelled():
            self._running.result()

    def restart(self) -> None:
        """Kill it, and start a fresh one."""
        self.kill()
        self.start()


__all__ = ["Engines", "Loop", "Operator", "ToEngines", "serve"]
