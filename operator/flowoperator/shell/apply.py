"""Carrying out a plan: the status first, then the actions in order."""

import secrets
from datetime import datetime

from flowapi.spec import API_VERSION, KIND
from flowoperator.core.observed import Flow
from flowoperator.core.plan import Create, DeleteJob, Event, Plan, SetClaimOwners
from flowoperator.shell.cluster import Cluster


async def apply(cluster: Cluster, flow: Flow, version: str, plan: Plan, now: datetime) -> None:
    """Carry out a plan.

    Raises:
        ConflictError: something changed since it was seen; nothing later in the plan was done.
    """
    ref = flow.ref
    if plan.status is not None:
        body = {"metadata": {"resourceVersion": version}, "status": plan.status.to_patch()}
        await cluster.merge("ComputableFlow", ref.namespace, ref.name, body, subresource="status")
    for action in plan.actions:
        match action:
            case Create(body=body):
                await cluster.create(body)
            case DeleteJob(name=name, uid=uid):
                await cluster.delete("Job", ref.namespace, name, uid)
            case SetClaimOwners(name=name, owners=owners):
                patch = {"metadata": {"ownerReferences": list(owners) or None}}
                await cluster.merge("PersistentVolumeClaim", ref.namespace, name, patch)
    for event in plan.events:
        await cluster.create(_event(flow, event, now))


def _event(flow: Flow, event: Event, now: datetime) -> dict[str, object]:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    ref = flow.ref
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name}.{secrets.token_hex(8)}", "namespace": ref.namespace},
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
