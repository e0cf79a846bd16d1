"""What Kopf calls: each event goes into the cache, and its flow's key into the queue. Nothing is decided here."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from flowapi.group import FLOW_LABEL, GROUP, KIND, VERSION
from flowapi.schema import PLURAL
from flowoperator.shell.informer import Informer
from flowoperator.shell.queue import WorkQueue

CHILDREN = {
    "Job": ("batch", "v1", "jobs"),
    "Pod": ("", "v1", "pods"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
    "ConfigMap": ("", "v1", "configmaps"),
}


class _NoDifferences(kopf.DiffBaseStorage):
    """Kopf would copy each object of each event to find what has changed; our handlers don't ask."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def registry(
    queue: WorkQueue, informer: Informer, connect: Callable[[], kopf.ConnectionInfo | None]
) -> kopf.OperatorRegistry:
    """Handlers for flows and for the objects that bear our label."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    async def login(**_: Any) -> kopf.ConnectionInfo | None:  # Kopf would keep a thread for any other function
        return connect()

    def handler(kind: str) -> Callable[..., Awaitable[None]]:
        async def handle(event: kopf.RawEvent, **_: Any) -> None:  # Kopf would run any other function in a thread
            key = informer.seen(kind, event["object"], deleted=event["type"] == "DELETED")
            if key is not None:
                queue.add(key)

        return handle

    kopf.on.event(GROUP, VERSION, PLURAL, registry=found, id="flow")(handler(KIND))
    for kind, (group, version, plural) in CHILDREN.items():
        kopf.on.event(group, version, plural, labels={FLOW_LABEL: kopf.PRESENT}, registry=found, id=plural)(
            handler(kind)
        )
    return found


def settings() -> kopf.OperatorSettings:
    """Watches that notice when they are dead and see our objects alone; nothing of Kopf's own in the cluster."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.posting.loggers = False
    found.watching.server_timeout = 300
    found.watching.client_timeout = 310
    found.watching.connect_timeout = 30
    found.watching.chunk_size = 500
    for group, version, plural in CHILDREN.values():
        found.watching.label_selectors[group, version, plural] = FLOW_LABEL
    found.persistence.diffbase_storage = _NoDifferences()
    found.scanning.disabled = True
    found.process.ultimate_exiting_timeout = None  # Kopf would kill the process then, though its watches began again
    return found
