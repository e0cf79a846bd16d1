"""Carrying out a plan: what must hold first, then the status, then the actions in order."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from flowapi.group import API_VERSION, KIND
from flowoperator.core.moves import stamp_of
from flowoperator.core.observed import Flow
from flowoperator.core.plan import Action, Create, Delete, Event, GrowClaim, NoteSettings, Plan, SetClaimOwners
from flowoperator.objects.meta import SAVED_SETTINGS_ANNOTATION
from flowoperator.shell.cluster import ApiError, Cluster, Json
from flowoperator.shell.informer import Informer

CLAIM = "PersistentVolumeClaim"
REFUSALS = frozenset({400, 403, 422})


class RefusedError(Exception):
    """The apiserver refused to make or change an object: news for the flow's owner.

    Attributes:
        kind: Of the object.
        error: What it said.
        changing: Whether the object is there.
    """

    def __init__(self, kind: str, error: ApiError, *, changing: bool = False) -> None:
        super().__init__(str(error))
        self.kind, self.error, self.changing = kind, error, changing


async def apply(cluster: Cluster, informer: Informer, flow: Flow, version: str, plan: Plan, now: datetime) -> None:
    """Carry out a plan; the cache learns of each write at once, for the watch may be behind.

    Raises:
        ConflictError: something changed since it was seen; nothing later in the plan was done.
        RefusedError: an object could not be made; nothing later in the plan was done.
    """
    ref = flow.ref
    await _act(cluster, informer, flow, plan.before)
    if plan.status is not None:
        body = {"metadata": {"resourceVersion": version}, "status": plan.status.to_patch()}
        informer.seen(KIND, await cluster.merge(KIND, ref.namespace, ref.name, body, subresource="status"))
    await _act(cluster, informer, flow, plan.actions)
    for event in plan.events:
        await _tell(cluster, flow, event, now)


async def _act(cluster: Cluster, informer: Informer, flow: Flow, actions: Iterable[Action]) -> None:
    namespace = flow.ref.namespace
    for action in actions:
        match action:
            case Create(body=body):
                with _refusals_of(body["kind"]):
                    informer.seen(body["kind"], await cluster.create(body))
            case Delete(kind=kind, name=name, uid=uid):
                await cluster.delete(kind, namespace, name, uid)
                informer.deleting(kind, namespace, name)
            case SetClaimOwners(name=name, uid=uid, owners=owners):
                change: Json = {"metadata": {"uid": uid, "ownerReferences": list(owners) or None}}
                await _change(cluster, informer, flow, CLAIM, name, change)
            case GrowClaim(name=name, uid=uid, size=size):
                change = {"metadata": {"uid": uid}, "spec": {"resources": {"requests": {"storage": size}}}}
                await _change(cluster, informer, flow, CLAIM, name, change)
            case NoteSettings(name=name, uid=uid, settings=settings):
                change = {"metadata": {"uid": uid, "annotations": {SAVED_SETTINGS_ANNOTATION: settings}}}
                await _change(cluster, informer, flow, "ConfigMap", name, change)


async def _change(cluster: Cluster, informer: Informer, flow: Flow, kind: str, name: str, change: Json) -> None:
    with _refusals_of(kind, changing=True):
        informer.seen(kind, await cluster.merge(kind, flow.ref.namespace, name, change))


@contextmanager
def _refusals_of(kind: str, *, changing: bool = False) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status in REFUSALS:
            raise RefusedError(kind, error, changing=changing) from error
        raise


async def _tell(cluster: Cluster, flow: Flow, event: Event, now: datetime) -> None:
    """Post an event; the same one again is counted, not made anew."""
    body = _event(flow, event, now)
    namespace, name = flow.ref.namespace, body["metadata"]["name"]
    old = await cluster.get("Event", namespace, name)
    if old is None:
        await cluster.create(body)
        return
    count = int(old.get("count") or 1) + 1
    await cluster.merge("Event", namespace, name, {"count": count, "lastTimestamp": body["lastTimestamp"]})


def _event(flow: Flow, event: Event, now: datetime) -> Json:
    stamp, ref = stamp_of(now), flow.ref
    same = hashlib.sha256(f"{ref.uid} {event.reason} {event.message}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name}.{same}", "namespace": ref.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION, "kind": KIND, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid,
        },
        "reason": event.reason,
        "message": event.message[:1024],
        "type": event.kind,
        "source": {"component": "computable-flows"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }  # fmt: skip
