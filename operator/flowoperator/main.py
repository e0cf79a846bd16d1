"""The operator's process: Kopf's watches, our workers, a resync, and a health port, in one event loop."""

import asyncio
import logging
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import kopf
import structlog
from aiohttp import web
from kubernetes.aio import client
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from flowoperator.core.decide import decide
from flowoperator.handlers import registry
from flowoperator.shell import credentials
from flowoperator.shell.apply import apply
from flowoperator.shell.cluster import Cluster, ConflictError
from flowoperator.shell.credentials import Access
from flowoperator.shell.freshness import Freshness
from flowoperator.shell.observe import Observer
from flowoperator.shell.queue import Key, WorkQueue
from flowoperator.shell.words import Words

log = structlog.get_logger()
WORKERS = 8
RESYNC_SECONDS = 60.0
STUCK_SECONDS = 180.0
PASSES = Counter("flowoperator_passes", "Passes over a flow.", ["end"])


@dataclass(frozen=True)
class Settings:
    """What the chart tells the operator."""

    image: str
    namespaces: tuple[str, ...]
    port: int
    log_level: str

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Settings":
        """From the environment.

        Raises:
            ValueError: the engine's image is missing.
        """
        image = env.get("CFLOW_ENGINE_IMAGE", "")
        if not image:
            raise ValueError("CFLOW_ENGINE_IMAGE names no image; set engine.image in the chart's values")
        names = tuple(name for name in env.get("CFLOW_NAMESPACES", "").split(",") if name)
        return cls(image, names, int(env.get("CFLOW_PORT", "8081")), env.get("CFLOW_LOG_LEVEL", "info"))


class Operator:
    """Wires the parts together."""

    def __init__(self, settings: Settings, cluster: Cluster, http: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.cluster = cluster
        self.words = Words()
        self.queue = WorkQueue(self.work)
        self.observer = Observer(cluster, http, self.words, settings.image)
        self.freshness = Freshness()
        self.synced = 0.0
        self.watching = asyncio.Event()

    async def work(self, key: Key) -> float | None:
        """One pass: look, decide, act. A conflict means that something newer is there: look again."""
        seen = await self.observer.look(key)
        if seen is None:
            self.words.forget(key)
            return None
        observed, version = seen
        now = datetime.now(UTC)
        plan = decide(observed, now)
        try:
            await apply(self.cluster, observed.flow, version, plan, now)
        except ConflictError:
            PASSES.labels("conflict").inc()
            return 0.05
        PASSES.labels("done").inc()
        return plan.requeue_after

    async def resync(self) -> None:
        """Look at every flow now and then: events get lost."""
        while True:
            try:
                found: dict[Key, str] = {}
                for namespace in self.settings.namespaces or ("",):
                    for body in await self.cluster.list("ComputableFlow", namespace):
                        meta = body["metadata"]
                        found[Key(meta["namespace"], meta["name"])] = meta["resourceVersion"]
                for key in found:
                    self.queue.add(key)
                self.freshness.listed(found)
                self.synced = asyncio.get_running_loop().time()
            except (client.ApiException, aiohttp.ClientError, TimeoutError) as error:
                log.warning("the resync failed", error=repr(error))
            await asyncio.sleep(random.uniform(0.8, 1.2) * RESYNC_SECONDS)  # noqa: S311 - jitter

    def healthy(self, now: float) -> bool:
        """Whether the apiserver answers, the watches tell what happens, and the queue moves."""
        stuck = not self.queue.idle and now - self.queue.progress > STUCK_SECONDS
        return self.watching.is_set() and not self.freshness.stale and now - self.synced < STUCK_SECONDS and not stuck

    async def serve(self) -> web.AppRunner:
        """Open the health port."""

        async def healthz(_: web.Request) -> web.Response:
            well = self.healthy(asyncio.get_running_loop().time())
            return web.Response(text="ok\n" if well else "stuck\n", status=200 if well else 503)

        async def metrics(_: web.Request) -> web.Response:
            return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=self.settings.port).start()
        return runner


def kopf_settings() -> kopf.OperatorSettings:
    """Watches that notice when they are dead; nothing of Kopf's own in the cluster."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.watching.server_timeout = 300
    found.watching.client_timeout = 310
    found.watching.connect_timeout = 30
    found.scanning.disabled = True
    return found


async def run(settings: Settings, access: Access, http: aiohttp.ClientSession) -> None:
    """Run until a signal or until a part fails.

    Args:
        settings: What the chart tells.
        access: The way to the apiserver.
        http: Asks the engines.
    """
    async with client.ApiClient(access.configuration) as api:
        operator = Operator(settings, Cluster(api), http)
        runner = await operator.serve()
        tasks = [asyncio.create_task(operator.queue.worker()) for _ in range(WORKERS)]
        tasks.append(asyncio.create_task(operator.resync()))
        tasks.append(
            asyncio.create_task(
                kopf.operator(
                    registry=registry(operator.queue, operator.words, operator.freshness, access.login),
                    ready_flag=operator.watching,
                    settings=kopf_settings(),
                    standalone=True,
                    identity="computable-flows",  # type: ignore[arg-type] # a user without a name: Kopf would ask
                    namespaces=settings.namespaces,
                    clusterwide=not settings.namespaces,
                )
            )
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await runner.cleanup()


async def _run(settings: Settings) -> None:
    async with aiohttp.ClientSession(trust_env=False) as http:
        await run(settings, await credentials.access(), http)


def configure_logs(level: str) -> None:
    """One JSON object a line, ours and those of the libraries alike."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso"),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(renderer)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def main() -> None:
    """The entry point."""
    settings = Settings.of(os.environ)
    configure_logs(settings.log_level)
    asyncio.run(_run(settings))


if __name__ == "__main__":
    main()
