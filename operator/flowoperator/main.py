"""The operator's process: Kopf's watches, our workers, a resync, and a health port, in one event loop."""

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import kopf
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from flowoperator import handlers
from flowoperator.settings import Settings, configure_logs
from flowoperator.shell import credentials
from flowoperator.shell.cluster import Cluster
from flowoperator.shell.connection import Connection, LoginError
from flowoperator.shell.credentials import Login
from flowoperator.shell.engines import Engines
from flowoperator.shell.informer import Informer
from flowoperator.shell.lease import SECONDS, WRITING_SECONDS, Lease, clock
from flowoperator.shell.listings import Listings
from flowoperator.shell.metrics import QUEUE, Flows
from flowoperator.shell.observe import Observer
from flowoperator.shell.passes import Passes
from flowoperator.shell.queue import WorkQueue

log = structlog.get_logger()
WORKERS = 24  # four namespaces full of slow flows leave none for a fifth
RETRY_SECONDS = 1.0
STUCK_SECONDS = 180.0
NESTING = 25_000  # of JSON that can be read: the apiserver takes flows of up to 10,000 levels


class Operator:
    """Wires the parts together."""

    def __init__(self, settings: Settings, cluster: Cluster, http: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.cluster = cluster
        self.informer = Informer()
        self.engines = Engines(http, lambda key: self.queue.add(key))
        observer = Observer(cluster, self.informer, self.engines, settings.image, settings.resources or {})
        self.passes = Passes(cluster, self.informer, self.engines, observer)
        self.queue = self.passes.queue = WorkQueue(self.passes.work)
        self._flows = CollectorRegistry()
        self._flows.register(Flows(lambda: (one.value for one in self.informer.flows.entries.values())))
        self.standby: Lease | None = None
        self.listings = Listings(cluster, self.informer, self.queue, settings.namespaces)
        self.watching = asyncio.Event()

    def healthy(self, now: float) -> bool:
        """Whether it asks for the Lease; or, with it, gets answers and events, and its queue moves."""
        if self.standby is not None:
            return clock() - self.standby.asked < STUCK_SECONDS
        stuck = not self.queue.idle and now - self.queue.progress > STUCK_SECONDS
        synced = bool(self.listings.synced) and now - self.listings.synced < STUCK_SECONDS
        return self.watching.is_set() and synced and not stuck

    async def serve(self) -> web.AppRunner:
        """Open the health port."""

        async def healthz(_: web.Request) -> web.Response:
            well = self.healthy(asyncio.get_running_loop().time())
            return web.Response(text="ok\n" if well else "stuck\n", status=200 if well else 503)

        async def metrics(_: web.Request) -> web.Response:
            QUEUE.set(self.queue.length)
            body = generate_latest() + generate_latest(self._flows)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=self.settings.port).start()
        return runner

    async def work(self) -> None:
        """Fill the cache, then pass over flows for ever."""
        await self.listings.fill()
        await asyncio.gather(*(self.queue.worker() for _ in range(WORKERS)), self.listings.resync())

    async def watch(self, login: Login) -> None:
        """Kopf's watches, until a signal ends them; begun again when one is dead: Kopf itself goes on without it."""
        while True:
            self.listings.dead_watch.clear()
            self.listings.begun.set()
            watches = asyncio.create_task(self._kopf(login))
            dead = asyncio.create_task(self.listings.dead_watch.wait())
            try:
                await asyncio.wait({watches, dead}, return_when=asyncio.FIRST_COMPLETED)
                if watches.done() and watches.exception() is None:
                    return
                if watches.done():
                    log.warning("the watches failed; beginning them again", error=repr(watches.exception()))
                    await asyncio.sleep(RETRY_SECONDS)
            finally:
                dead.cancel()
                watches.cancel()
                await asyncio.gather(watches, dead, return_exceptions=True)
                self.watching.clear()

    async def _kopf(self, login: Login) -> None:
        tasks = await kopf.spawn_tasks(
            registry=handlers.registry(self.queue, self.informer, login),
            ready_flag=self.watching,
            settings=handlers.settings(),
            standalone=True,
            identity="computable-flows",  # type: ignore[arg-type] # a user without a name: Kopf would ask
            namespaces=self.settings.namespaces,
            clusterwide=not self.settings.namespaces,
        )
        await kopf.run_tasks(tasks, ignored=_Everything())


class _Everything(Collection[asyncio.Task[Any]]):
    """For Kopf, whose end would cancel what was begun after it and is not in here: our own workers."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(())

    def __len__(self) -> int:
        return 0


async def run(settings: Settings, login: Login, http: aiohttp.ClientSession) -> None:
    """Run until a signal or until a part fails.

    Args:
        settings: What the chart tells.
        login: The way to the apiserver.
        http: Asks the engines.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), NESTING))
    async with Connection(login) as api:
        lease = Lease(Cluster(api), settings.lease) if settings.lease is not None else None
        guarded = Cluster(api, lease.check, SECONDS - WRITING_SECONDS) if lease is not None else Cluster(api)
        operator = Operator(settings, guarded, http)
        operator.standby = lease
        runner = await operator.serve()
        stop = asyncio.Event()
        with suppress(RuntimeError, ValueError):  # signals are the main thread's; Kopf has its own handler, later
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        try:
            if lease is None or await _acquired(lease, stop):
                operator.standby = None
                await _lead(operator, login, lease, stop)
        finally:
            if lease is not None:
                await lease.release()
            await runner.cleanup()


async def _acquired(lease: Lease, stop: asyncio.Event) -> bool:
    """Wait for the Lease; False when a signal came first."""
    tasks = [asyncio.create_task(lease.acquire()), asyncio.create_task(stop.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return not stop.is_set()
    finally:
        await _end(tasks)


async def _lead(operator: Operator, login: Login, lease: Lease | None, stop: asyncio.Event) -> None:
    """Watch and work, for as long as the Lease is ours and no signal has come."""
    parts: list[Coroutine[Any, Any, Any]] = [operator.work(), operator.watch(login), stop.wait()]
    tasks = [asyncio.create_task(part) for part in (*parts, *([lease.keep()] if lease is not None else []))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        operator.engines.close()
        await _end(tasks)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run(settings: Settings) -> None:
    async with aiohttp.ClientSession(trust_env=False) as http:
        await run(settings, credentials.login(), http)


def main() -> None:
    """The entry point."""
    settings = Settings.of(os.environ)
    configure_logs(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except LoginError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
