"""What was seen of a flow and its objects: plain values, taken apart from Kubernetes' JSON at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flowapi.report import ExitCode, RunReport
from flowapi.revision import RevisionTuple
from flowapi.spec import RetrySpec
from flowapi.status import FlowStatus
from flowoperator.core.wanted import InvalidSpec, ValidSpec
from flowoperator.objects.meta import FlowRef

FINAL = frozenset({ExitCode.DOCUMENT, ExitCode.DATA, ExitCode.DIVERGED, ExitCode.FENCED})


@dataclass(frozen=True)
class Flow:
    """The resource.

    Attributes:
        queue: Its labels that name a queue and a priority there, which its Jobs bear too.
    """

    ref: FlowRef
    generation: int
    spec: ValidSpec | InvalidSpec
    status: FlowStatus
    deleting: bool = False
    queue: tuple[tuple[str, str], ...] = ()

    @property
    def claim_name(self) -> str:
        """The claim of its checkpoint volume: the one that it names, else that of its own name."""
        named = self.spec.spec.checkpoint.volume.claim_name if self.spec.spec is not None else None
        return named or self.ref.name


@dataclass(frozen=True)
class Job:
    """A Job that bears the flow's name in its label or in its own name.

    Attributes:
        owner_uid: Of its controller; empty without one.
        image: The engine's.
        finished: How it ended; empty while it goes on.
        ending: Whether its end is decided, and its pods have yet to end.
        reason: Kubernetes' word for how it failed, such as `BackoffLimitExceeded`.
        message: Kubernetes' sentence for that.
        suspended: Whether something outside, such as a queue, holds it back.
        queued: Whether it bears the name of a queue, which may give its place to another one.
    """

    name: str
    uid: str
    owner_uid: str
    revision: str
    attempt: int
    settings: str
    image: str = ""
    deleting: bool = False
    finished: Literal["", "Complete", "Failed"] = ""
    ending: bool = False
    reason: str = ""
    message: str = ""
    suspended: bool = False
    queued: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod that bears the flow's label or mounts its claim for writing.

    Attributes:
        job_uid: Uid of the Job that controls it; empty without one.
        flow: The flow that its label names; empty for a pod that is not an engine's.
        ready: Whether its readiness probe succeeds.
        ended: How its containers have ended for good; empty while they have not.
        deleting: When it should be gone (RFC 3339), its grace period included; empty while nobody deletes it.
        blocked: Why a container of it does not start, such as `ImagePullBackOff`; empty when nothing is known.
        message: What Kubernetes says about that.
        unschedulable: Why the scheduler finds no node; empty when it does.
        engine_ended: Whether the engine's container has ended, whatever the others do.
        outlives: Other containers that still run.
        memory: The engine's memory limit; empty without one.
        writes: The claims that it mounts for writing, until it has ended.
    """

    name: str
    uid: str
    job_uid: str
    flow: str = ""
    node: str = ""
    ip: str = ""
    running: bool = False
    ready: bool = False
    ended: Literal["", "Succeeded", "Failed"] = ""
    deleting: str = ""
    blocked: str = ""
    message: str = ""
    unschedulable: str = ""
    engine_ended: bool = False
    outlives: tuple[str, ...] = ()
    memory: str = ""
    writes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TerminationRecord:
    """How an engine's container ended. Kept from watch events, for the pod itself is soon gone.

    Attributes:
        disrupted: Whether the pod was moved away (`DisruptionTarget`).
        reason: Kubernetes' word, such as `OOMKilled`.
        created: When the pod was made, by Kubernetes' clock: pods are listed by their names, which tell no order.
    """

    pod_uid: str
    revision: str
    attempt: int
    exit_code: int
    disrupted: bool
    report: RunReport | None = None
    job_uid: str = ""
    pod_name: str = ""
    created: str = ""
    reason: str = ""
    memory: str = ""

    @property
    def crashed(self) -> bool:
        """Whether the engine failed by itself, neither moved away nor asked to stop."""
        return not self.disrupted and self.exit_code not in (ExitCode.FINISHED, ExitCode.STOPPED)

    @property
    def final(self) -> bool:
        """Whether its exit code ends the Job; the Job's controller may need seconds to say so."""
        return self.exit_code in FINAL

    @property
    def cause(self) -> str:
        """The end in words."""
        if self.reason == "OOMKilled":
            limit = f" (limit {self.memory})" if self.memory else ""
            return f"was killed for want of memory{limit}; raise spec.engine.resources.limits.memory"
        error = self.report.error if self.report is not None else None
        said = f" ({error.message})" if error is not None and error.code == self.exit_code else ""
        return f"ended with exit code {self.exit_code}{said}"


@dataclass(frozen=True)
class Claim:
    """The claim of the checkpoint volume.

    Attributes:
        ours: Whether the operator made it for a flow of this name.
        offered: Whether its owner has labelled it as a checkpoint volume.
        flow_uids: Uids of the flows that own it.
        phase: `Pending`, `Bound` or `Lost`.
        requested: The size that it asks for, a quantity.
        capacity: The size of its volume, a quantity; empty before it has one.
        resizing: What Kubernetes says of a change of size that goes on, or fails; empty where there is none.
    """

    name: str
    ours: bool
    offered: bool = False
    flow_uids: frozenset[str] = frozenset()
    deleting: bool = False
    phase: str = ""
    uid: str = ""
    requested: str = ""
    capacity: str = ""
    resizing: str = ""


@dataclass(frozen=True)
class RevisionMap:
    """The ConfigMap of a revision, with the image that was resolved when it was made.

    Attributes:
        settings: The run-time settings under which it last saved, or first started.
        tuple: What was hashed; None in the cache, which keeps no large values, and where it can't be read.
    """

    name: str
    uid: str
    owner_uid: str
    revision: str
    image: str
    settings: str = ""
    tuple: RevisionTuple | None = None


@dataclass(frozen=True)
class Refusal:
    """The apiserver's refusal of an object that the operator wanted to make, or to change.

    Attributes:
        changing: Whether the object is there: what it refused is a change of it, and nothing else waits for that.
        fields: What the apiserver names as wrong, as paths into the object.
        generation: Of the spec that asked for it.
        retry_in: Seconds until the next try.
    """

    kind: str
    status: int
    message: str
    fields: tuple[str, ...] = ()
    generation: int = 0
    retry_in: float = 0.0
    changing: bool = False


@dataclass(frozen=True)
class Observed:
    """Everything that a decision rests on.

    Attributes:
        flow: The resource with its status.
        image: The engine's image where the spec names none.
        resources: Requests and limits of an engine whose spec names none.
        jobs: Of this flow by label or name, whoever owns them.
        pods: Of this flow by label, and, when looked at live, those that mount its claim for writing; oldest first.
        claim: The checkpoint volume's; None when there is none yet.
        maps: ConfigMaps of this flow's revisions.
        sharing: Other flows of the namespace that name the same claim.
        report: What the engine of the current attempt said last; None before it has said anything.
        silent: Seconds for which it has not answered; 0 while it does.
        terminations: Of pods that ended, oldest pod first.
        missing_inputs: A sentence for each input that is not there.
        inputs: A fingerprint of the inputs as they are; empty when they were not looked at.
        warnings: What Kubernetes' events say against the Job and its pod, or its queue of it, newest last.
        refusal: Of the last object that could not be made.
        live: Whether jobs, pods, claim, ConfigMaps and inputs were read from the apiserver a moment ago.
    """

    flow: Flow
    image: str
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    claim: Claim | None = None
    maps: tuple[RevisionMap, ...] = ()
    sharing: tuple[str, ...] = ()
    report: RunReport | None = None
    silent: float = 0.0
    terminations: tuple[TerminationRecord, ...] = ()
    missing_inputs: tuple[str, ...] = ()
    inputs: str = ""
    warnings: tuple[str, ...] = ()
    refusal: Refusal | None = None
    live: bool = False

    @property
    def job(self) -> Job | None:
        """The Job of the attempt that status records, made for this very flow."""
        wanted, mine = self.flow.status.attempt.job_name, self.flow.ref.uid
        return next((job for job in self.jobs if job.name == wanted and job.owner_uid == mine), None)

    @property
    def pod(self) -> Pod | None:
        """The newest pod of that Job, one that still lives before one that ended."""
        job = self.job
        pods = [pod for pod in self.pods if job and pod.job_uid == job.uid]
        return next((pod for pod in pods if not pod.ended), pods[-1] if pods else None)

    @property
    def termination(self) -> TerminationRecord | None:
        """How the newest pod of the current attempt ended; of its Job as it is now, if there is one."""
        attempt, job = self.flow.status.attempt.number, self.job
        mine = (one for one in reversed(self.terminations) if one.attempt == attempt)
        return next((one for one in mine if job is None or one.job_uid == job.uid), None)

    def termination_of(self, pod_name: str) -> TerminationRecord | None:
        """How a pod ended; None when nobody saw it."""
        return next((one for one in self.terminations if one.pod_name == pod_name), None)

    @property
    def window(self) -> int:
        """Seconds for which a failure of the engine counts."""
        spec = self.flow.spec.spec
        return (spec.retry if spec is not None else RetrySpec()).window_seconds

    def map_of(self, revision: str) -> RevisionMap | None:
        """The ConfigMap of a revision, made for this very flow."""
        mine = (one for one in self.maps if one.owner_uid == self.flow.ref.uid)
        return next((one for one in mine if one.revision == revision), None)

    @property
    def latest_report(self) -> RunReport | None:
        """The newest of the current attempt: of the living engine, else of its termination."""
        if self.report and self.report.attempt == self.flow.status.attempt.number:
            return self.report
        return self.termination.report if self.termination else None
