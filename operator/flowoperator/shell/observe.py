"""Assembling what a decision rests on: from the cache, and by live reads before anything is made."""

import asyncio
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowapi.group import FLOW_LABEL
from flowoperator.core import parse
from flowoperator.core.observed import Claim, Flow, Job, Observed, Pod, Refusal
from flowoperator.core.wanted import ValidSpec
from flowoperator.shell.cluster import ApiError, Cluster, Json
from flowoperator.shell.engines import Engines
from flowoperator.shell.informer import Informer
from flowoperator.shell.queue import Key

STEADY_SECONDS = 60.0
RESTLESS_SECONDS = 1.0
WORKLOAD_LABEL = "kueue.x-k8s.io/job-uid"


@dataclass(frozen=True)
class Tried:
    """A create that was refused, and the moment of the event loop's clock at which it is due again."""

    refusal: Refusal
    due: float
    times: int


@dataclass(frozen=True)
class Asked:
    """A claim that no watch tells of, as it was when it was last asked for, by the event loop's clock."""

    name: str
    at: float
    claim: Claim | None


@dataclass(frozen=True)
class Observer:
    """Reads a flow and what belongs to it."""

    cluster: Cluster
    informer: Informer
    engines: Engines
    image: str
    resources: Mapping[str, Mapping[str, str]]
    refusals: dict[Key, Tried] = field(default_factory=dict)
    _asked: dict[Key, Asked] = field(default_factory=dict)

    async def look(self, key: Key) -> tuple[Observed, str] | None:
        """What the cache has, and the resourceVersion that a write must carry; None when the flow is gone."""
        entry = self.informer.flows.entries.get((key.namespace, key.name))
        if entry is None:
            return None
        flow, cache = entry.value, self.informer
        observed = Observed(
            flow=flow,
            image=self.image,
            resources=self.resources,
            jobs=cache.jobs.of(key),
            pods=cache.pods.of(key),
            claim=await self._claim(key, flow),
            maps=cache.maps.of(key),
            terminations=cache.terminations(key),
            refusal=self._refusal(key),
        )
        pod = observed.pod
        alive = pod is not None and not pod.ended and not pod.engine_ended
        if pod is not None and alive and (answer := self.engines.last(pod.uid)) is not None:
            observed = replace(observed, report=answer.report, silent=answer.silent)
        return observed, str(entry.version)

    async def _claim(self, key: Key, flow: Flow) -> Claim | None:
        """The claim of the cache; one without our label is asked for, now and then while all is well."""
        place = (flow.ref.namespace, flow.claim_name)
        if (entry := self.informer.claims.entries.get(place)) is not None:
            self._asked.pop(key, None)
            return entry.value
        phase, spec, now = flow.status.phase, flow.spec.spec, asyncio.get_running_loop().time()
        last = self._asked.get(key)
        if last is None or last.name != flow.claim_name:
            last = Asked(flow.claim_name, -STEADY_SECONDS, None)
        if flow.deleting or (phase == "Suspended" and spec is not None and spec.suspend):
            return last.claim
        if now - last.at > (STEADY_SECONDS if phase in {"Running", "Completed"} else RESTLESS_SECONDS):
            body = await self.cluster.get("PersistentVolumeClaim", *place)
            last = self._asked[key] = Asked(flow.claim_name, now, parse.claim(body) if body else None)
        return last.claim

    def _refusal(self, key: Key) -> Refusal | None:
        tried = self.refusals.get(key)
        left = tried.due - asyncio.get_running_loop().time() if tried else 0.0
        return replace(tried.refusal, retry_in=max(left, 0.0)) if tried else None

    async def live(self, observed: Observed) -> Observed:
        """The same with jobs, pods, claim, ConfigMaps and inputs as the apiserver has them at this moment."""
        flow, cluster = observed.flow, self.cluster
        namespace, name = flow.ref.namespace, flow.ref.name
        jobs, pods, claim, maps, (missing, fingerprint) = await asyncio.gather(
            self._jobs(flow),
            self._pods(flow),
            cluster.get("PersistentVolumeClaim", namespace, flow.claim_name),
            cluster.items("ConfigMap", namespace, labels=f"{FLOW_LABEL}={name}"),
            self.inputs(observed),
        )
        return replace(
            observed,
            jobs=jobs,
            pods=pods,
            claim=parse.claim(claim) if claim else None,
            maps=tuple(parse.whole_revision_map(one) for one in maps),
            sharing=self.informer.sharing(flow),
            missing_inputs=missing,
            inputs=fingerprint,
            live=True,
        )

    async def _jobs(self, flow: Flow) -> tuple[Job, ...]:
        """Jobs of the flow's label, and the one that its status records, whatever that bears."""
        namespace, recorded = flow.ref.namespace, flow.status.attempt.job_name
        found = await self.cluster.items("Job", namespace, labels=f"{FLOW_LABEL}={flow.ref.name}")
        if recorded and recorded not in {one["metadata"]["name"] for one in found}:
            other = await self.cluster.get("Job", namespace, recorded)
            found += [other] if other else []
        return tuple(parse.job(one) for one in found)

    async def _pods(self, flow: Flow) -> tuple[Pod, ...]:
        """Pods of the flow's label, and any other that mounts its claim for writing.

        Of engines only those of flows on this claim are asked for: a namespace may be full of others.
        """
        namespace, name, claim = flow.ref.namespace, flow.ref.name, flow.claim_name
        flows = ",".join(sorted({name, *self.informer.sharing(flow), *self.informer.writing(namespace, claim)}))
        engines, others = await asyncio.gather(
            self.cluster.items("Pod", namespace, labels=f"{FLOW_LABEL} in ({flows})"),
            self.cluster.items("Pod", namespace, labels=f"!{FLOW_LABEL}"),
        )
        found = [parse.pod(one) for one in sorted((*engines, *others), key=parse.created)]
        return tuple(one for one in found if one.flow == name or claim in one.writes)

    async def inputs(self, observed: Observed) -> tuple[tuple[str, ...], str]:
        """A sentence for each input that is not there, and a fingerprint of those that are."""
        flow = observed.flow
        if not isinstance(flow.spec, ValidSpec):
            return (), ""
        missing, versions = [], []
        for index, one in enumerate(flow.spec.spec.inputs):
            kind, key = ("PersistentVolumeClaim", "claimName") if one.claim_name else ("ConfigMap", "configMapName")
            name = one.claim_name or one.config_map_name or ""
            body = await self.cluster.get(kind, flow.ref.namespace, name)
            if body is None:
                missing.append(
                    f"spec.inputs[{index}].{key}: there is no {kind} {name}. Create it; the flow then starts."
                )
            else:
                version = body["metadata"]["resourceVersion"] if kind == "ConfigMap" else ""
                versions.append(f"{kind}/{name}/{body['metadata']['uid']}/{version}")
        digest = hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16] if versions else ""
        return tuple(missing), digest

    async def warnings(self, observed: Observed) -> tuple[str, ...]:
        """What events say against the Job, its pod and its claim, newest last; of a queued Job, its queue's words."""
        if observed.job is not None and observed.job.suspended:
            return await self._of_queue(observed.flow.ref.namespace, observed.job)
        named = [("Job", observed.job.uid)] if observed.job else []
        named += [("Pod", observed.pod.uid)] if observed.pod and not observed.pod.ended else []
        found: list[Json] = []
        for kind, uid in named:
            found += await self._events(observed, f"involvedObject.kind={kind},involvedObject.uid={uid}")
        if observed.claim and observed.claim.phase == "Pending":
            name = observed.claim.name
            selector = f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}"
            found += await self._events(observed, selector)
        said = sorted(found, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
        return tuple(f"{one.get('reason', '')}: {one.get('message', '')}" for one in said)

    async def _of_queue(self, namespace: str, job: Job) -> tuple[str, ...]:
        """Why Kueue holds a Job back; nothing where another thing does, or Kueue may not be asked."""
        try:
            found = await self.cluster.items("Workload", namespace, labels=f"{WORKLOAD_LABEL}={job.uid}")
        except ApiError as error:
            if error.status in {403, 404}:
                return ()
            raise
        known = [one for work in found for one in (work.get("status") or {}).get("conditions") or ()]
        said = {(one.get("type"), one.get("status")): str(one.get("message", "")) for one in known}
        return tuple(said[key] for key in (("Evicted", "True"), ("QuotaReserved", "False")) if said.get(key))

    async def _events(self, observed: Observed, selector: str) -> list[Json]:
        """Warnings about an object, except failed probes: a container that is probed has started."""
        wanted = f"{selector},type=Warning,reason!=Unhealthy"
        return await self.cluster.items("Event", observed.flow.ref.namespace, fields=wanted)

    def forget(self, key: Key) -> None:
        """The flow is gone."""
        self.refusals.pop(key, None)
        self._asked.pop(key, None)

    def refused(self, key: Key, refusal: Refusal) -> float:
        """Remember a refusal; the seconds after which the create is tried again, more each time, and never aligned."""
        old = self.refusals.get(key)
        same = old is not None and (old.refusal.kind, old.refusal.generation) == (refusal.kind, refusal.generation)
        times = old.times + 1 if same and old is not None else 1
        wait = back_off(times)
        self.refusals[key] = Tried(refusal, asyncio.get_running_loop().time() + wait, times)
        return wait


def back_off(times: int) -> float:
    """2 s, 4 s, … at most 60 s, less up to a half at random."""
    longest = min(60.0, 2.0 ** min(times, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter
