"""What Kopf calls: each event puts its flow's key into the queue. Nothing is decided here."""

from collections.abc import Callable
from typing import Any

import kopf

from flowapi.schema import PLURAL
from flowapi.spec import GROUP, VERSION
from flowoperator.core import parse
from flowoperator.objects.meta import FLOW_LABEL
from flowoperator.shell.freshness import Freshness
from flowoperator.shell.queue import Key, WorkQueue
from flowoperator.shell.words import Words

_OURS = {FLOW_LABEL: kopf.PRESENT}


def registry(
    queue: WorkQueue, words: Words, freshness: Freshness, connect: Callable[[], kopf.ConnectionInfo | None]
) -> kopf.OperatorRegistry:
    """Handlers for flows and for the objects that bear our label."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    def login(**_: Any) -> kopf.ConnectionInfo | None:
        return connect()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=found)
    def flow(body: kopf.Body, **_: Any) -> None:
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        freshness.watched(key, body["metadata"]["resourceVersion"])
        queue.add(key)

    @kopf.on.event("batch", "v1", "jobs", labels=_OURS, registry=found)
    @kopf.on.event("", "v1", "persistentvolumeclaims", labels=_OURS, registry=found)
    def owned(body: kopf.Body, **_: Any) -> None:
        queue.add(Key(body["metadata"]["namespace"], parse.flow_name(body)))

    @kopf.on.event("", "v1", "pods", labels=_OURS, registry=found)
    def pod(body: kopf.Body, **_: Any) -> None:
        key = Key(body["metadata"]["namespace"], parse.flow_name(body))
        if said := parse.last_words(body):
            words.keep(key, said)
        queue.add(key)

    return found
