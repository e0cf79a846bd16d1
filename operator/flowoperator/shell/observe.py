"""Assembling what a decision rests on, by live reads: of names that are decided and of labels."""

from dataclasses import dataclass

import aiohttp

from flowapi.report import RunReport
from flowoperator.core import parse
from flowoperator.core.observed import Claim, Flow, Observed, Pod, ValidSpec
from flowoperator.objects.meta import FLOW_LABEL, REVISION_LABEL
from flowoperator.shell import engine
from flowoperator.shell.cluster import Cluster, Json
from flowoperator.shell.queue import Key
from flowoperator.shell.words import Words


@dataclass(frozen=True)
class Observer:
    """Reads a flow and what belongs to it."""

    cluster: Cluster
    http: aiohttp.ClientSession
    words: Words
    image: str

    async def look(self, key: Key) -> tuple[Observed, str] | None:
        """What is there, and the resourceVersion that a write must carry; None when the flow is gone."""
        body = await self.cluster.get("ComputableFlow", key.namespace, key.name)
        if body is None:
            return None
        flow = parse.flow(body)
        selector = f"{FLOW_LABEL}={key.name}"
        jobs = await self.cluster.list("Job", key.namespace, labels=selector)
        names = {one["metadata"]["name"] for one in jobs}
        recorded = flow.status.attempt.job_name
        if recorded and recorded not in names and (other := await self.cluster.get("Job", key.namespace, recorded)):
            jobs.append(other)
        claim = await self._claim(flow)
        pods = await self._pods(key, claim)
        for pod in pods:
            if parse.flow_name(pod) == key.name and (said := parse.last_words(pod)):
                self.words.keep(key, said)
        maps = await self.cluster.list("ConfigMap", key.namespace, labels=selector)
        observed = Observed(
            flow=flow,
            image=self.image,
            jobs=tuple(parse.job(one) for one in jobs),
            pods=tuple(parse.pod(one) for one in sorted(pods, key=parse.created)),
            claim=claim,
            revisions=frozenset(
                one["metadata"]["labels"].get(REVISION_LABEL, "")
                for one in maps
                if parse.controller_uid(one) == flow.ref.uid
            ),
            last_words=self.words.of(key),
            missing_inputs=() if jobs else await self._missing_inputs(flow),
        )
        report = await self._report(observed)
        return (
            Observed(**{**vars(observed), "report": report}),
            body["metadata"]["resourceVersion"],
        )

    async def _claim(self, flow: Flow) -> Claim | None:
        named = flow.spec.spec.checkpoint.volume.claim_name if isinstance(flow.spec, ValidSpec) else None
        body = await self.cluster.get("PersistentVolumeClaim", flow.ref.namespace, named or flow.ref.name)
        return parse.claim(body) if body else None

    async def _missing_inputs(self, flow: Flow) -> tuple[str, ...]:
        """A pod whose input is not there would wait for it in silence."""
        if not isinstance(flow.spec, ValidSpec):
            return ()
        found = []
        for index, one in enumerate(flow.spec.spec.inputs):
            kind, key = ("PersistentVolumeClaim", "claimName") if one.claim_name else ("ConfigMap", "configMapName")
            name = one.claim_name or one.config_map_name or ""
            if await self.cluster.get(kind, flow.ref.namespace, name) is None:
                found.append(f"spec.inputs[{index}].{key}: there is no {kind} {name}. Create it; the flow then starts.")
        return tuple(found)

    async def _pods(self, key: Key, claim: Claim | None) -> list[Json]:
        """Pods of the flow's label, and any other that mounts its claim."""
        everything = await self.cluster.list("Pod", key.namespace)
        return [
            one
            for one in everything
            if parse.flow_name(one) == key.name or (claim and claim.name in parse.claims_of(one))
        ]

    async def _report(self, observed: Observed) -> RunReport | None:
        """Of the pod whose chain of owners leads to this flow, and of no other."""
        job, pod = observed.job, observed.pod
        if job is None or job.owner_uid != observed.flow.ref.uid or not _answers(pod):
            return None
        return await engine.ask(self.http, pod.ip) if pod else None


def _answers(pod: Pod | None) -> bool:
    return pod is not None and bool(pod.ip) and pod.running and not pod.ended and not pod.deleting
