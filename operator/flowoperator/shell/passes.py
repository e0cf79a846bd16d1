"""One pass over a flow: look, decide, act, and say in one line what changed."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from flowapi.group import KIND
from flowoperator.core.decide import decide
from flowoperator.core.observed import Observed, Refusal
from flowoperator.core.plan import Create, GrowClaim, NoteSettings, Plan, SetClaimOwners
from flowoperator.shell.apply import RefusedError, apply
from flowoperator.shell.cluster import Cluster, ConflictError
from flowoperator.shell.engines import Engines, Target
from flowoperator.shell.informer import Informer
from flowoperator.shell.metrics import PASS_SECONDS, PASSES
from flowoperator.shell.observe import Observer
from flowoperator.shell.queue import Key, WorkQueue

log = structlog.get_logger()
CONFLICT_SECONDS = 0.025
LONGEST_SECONDS = 5.0


@dataclass
class Passes:
    """What a worker of the queue does with a key."""

    cluster: Cluster
    informer: Informer
    engines: Engines
    observer: Observer
    queue: "WorkQueue | None" = None
    _conflicts: dict[Key, int] = field(default_factory=dict)

    async def work(self, key: Key) -> float | None:
        """One pass. A conflict means that something newer is there: look again."""
        with PASS_SECONDS.time():
            return await self._pass(key)

    async def _pass(self, key: Key) -> float | None:
        seen = await self.observer.look(key)
        if seen is None:
            self._forget(key)
            return None
        observed, version = seen
        observed, plan = await self._decide(observed)
        self.engines.follow(key, _target(observed))
        try:
            await apply(self.cluster, self.informer, observed.flow, version, plan, datetime.now(UTC))
        except ConflictError:
            PASSES.labels("conflict").inc()
            return await self._behind(key)
        except RefusedError as refused:
            return self._refused(key, observed, refused)
        self._conflicts.pop(key, None)
        if observed.refusal is not None and _lifts(plan, observed.refusal):
            self.observer.refusals.pop(key, None)
        PASSES.labels("done").inc()
        _tell(key, plan, observed)
        return plan.requeue_after

    async def _decide(self, observed: Observed) -> tuple[Observed, Plan]:
        """The plan; one that makes something, or starts an attempt, rests on what the apiserver has at this moment."""
        status = observed.flow.status
        failed = status.revision.failed[-1].inputs if status.revision.replaced else ""
        if status.phase == "Stalled" and (status.attempt.inputs or failed):
            missing, inputs = await self.observer.inputs(observed)
            observed = replace(observed, missing_inputs=missing, inputs=inputs)
        plan = decide(observed, datetime.now(UTC))
        attempts = plan.status is not None and plan.status.attempt.number != status.attempt.number
        if plan.creates or attempts:
            observed = await self.observer.live(observed)
            plan = decide(observed, datetime.now(UTC))
        if plan.unclear:
            observed = replace(observed, warnings=await self.observer.warnings(observed))
            plan = decide(observed, datetime.now(UTC))
        return observed, plan

    async def _behind(self, key: Key) -> float:
        """The cache is behind, and its watch may be dead: read the flow itself; a repeated conflict waits longer."""
        body = await self.cluster.get(KIND, key.namespace, key.name)
        if body is None:
            self.informer.flows.drop(key.namespace, key.name)
        else:
            self.informer.seen(KIND, body)
        times = self._conflicts[key] = self._conflicts.get(key, 0) + 1
        return min(CONFLICT_SECONDS * 2.0 ** min(times, 10), LONGEST_SECONDS)

    def _refused(self, key: Key, observed: Observed, refused: RefusedError) -> float:
        """Remember it, and pass again at once: the next decision writes it into the status."""
        error = refused.error
        refusal = Refusal(
            refused.kind, error.status, error.message, error.fields, observed.flow.generation, changing=refused.changing
        )
        wait = self.observer.refused(key, refusal)
        PASSES.labels("refused").inc()
        log.warning(
            "the apiserver refused an object", namespace=key.namespace, flow=key.name, kind=refused.kind,
            status=error.status, reason=error.reason, message=error.message, again_in=round(wait, 1),
        )  # fmt: skip
        return 0.0

    def _forget(self, key: Key) -> None:
        self.engines.follow(key, None)
        self.observer.forget(key)
        self._conflicts.pop(key, None)
        if self.queue is not None:
            self.queue.forget(key)


def _target(observed: Observed) -> Target | None:
    """The engine to ask: of the pod whose chain of owners leads to this flow, and of no other."""
    job, pod = observed.job, observed.pod
    if job is None or pod is None or job.owner_uid != observed.flow.ref.uid:
        return None
    if not (pod.ip and pod.running) or pod.ended or pod.engine_ended or pod.deleting:
        return None
    return Target(pod.uid, pod.ip, observed.flow.status.attempt.saved)


def _lifts(plan: Plan, refusal: Refusal) -> bool:
    """Whether a plan that was carried out did what was refused before."""
    if refusal.changing:
        changes = GrowClaim | SetClaimOwners | NoteSettings
        return any(isinstance(action, changes) for action in (*plan.before, *plan.actions))
    return any(isinstance(action, Create) and action.body["kind"] == "Job" for action in plan.actions)


def _tell(key: Key, plan: Plan, observed: Observed) -> None:
    """One line for a decision that changed something but the figures of progress."""
    old, new = observed.flow.status, plan.status
    moved = new is not None and (new.phase, new.attempt.number) != (old.phase, old.attempt.number)
    if not (moved or plan.before or plan.actions or plan.events):
        return
    status = new or old
    done = [
        f"{type(one).__name__} {one.body['kind'] if isinstance(one, Create) else one.name}"
        for one in (*plan.before, *plan.actions)
    ]
    log.info(
        "decided", namespace=key.namespace, flow=key.name, revision=status.revision.current,
        attempt=status.attempt.number, phase=status.phase, was=old.phase, done=done,
        why="; ".join(event.message for event in plan.events)
        or next((one.message for one in status.conditions if one.type == "Ready"), ""),
    )  # fmt: skip
