"""What was seen of a flow and its objects: plain values, taken apart from Kubernetes' JSON at the edge."""

from dataclasses import dataclass, field
from typing import Literal

from flowapi.flow import FlowDocument
from flowapi.report import ExitCode, RunReport
from flowapi.revision import RevisionTuple, RuntimeSettings
from flowapi.spec import FlowSpec
from flowapi.status import FlowStatus
from flowoperator.objects.job import settings_hash
from flowoperator.objects.meta import FlowRef


@dataclass(frozen=True)
class ValidSpec:
    """A spec that both the resource's and the flow's models accept."""

    spec: FlowSpec
    document: FlowDocument

    @property
    def revision(self) -> RevisionTuple:
        """What is hashed."""
        return RevisionTuple.of(self.spec)

    @property
    def settings(self) -> RuntimeSettings:
        """What is not."""
        return RuntimeSettings.of(self.spec, self.document)

    @property
    def settings_hash(self) -> str:
        """A change of it restarts the pod."""
        return settings_hash(self.spec, self.settings)


@dataclass(frozen=True)
class InvalidSpec:
    """A spec that was refused, and the sentences that say why."""

    message: str


@dataclass(frozen=True)
class Flow:
    """The resource."""

    ref: FlowRef
    generation: int
    spec: ValidSpec | InvalidSpec
    status: FlowStatus
    deleting: bool = False


@dataclass(frozen=True)
class Job:
    """A Job that bears the flow's name in its label or in its own name.

    Attributes:
        owner_uid: Of its controller; empty without one.
        finished: How it ended; empty while it goes on.
        reason: Kubernetes' word for how it failed, such as `BackoffLimitExceeded`.
    """

    name: str
    uid: str
    owner_uid: str
    revision: str
    attempt: int
    settings: str
    deleting: bool = False
    finished: Literal["", "Complete", "Failed"] = ""
    reason: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod that bears the flow's label or mounts its claim.

    Attributes:
        job_uid: Uid of the Job that controls it; empty without one.
        ended: How its containers have ended for good; empty while they have not.
        waiting: Why its container does not start, such as `ImagePullBackOff`.
        message: What Kubernetes says about that.
        unschedulable: Why the scheduler finds no node; empty when it does.
    """

    name: str
    uid: str
    job_uid: str
    node: str = ""
    ip: str = ""
    running: bool = False
    ended: Literal["", "Succeeded", "Failed"] = ""
    deleting: bool = False
    waiting: str = ""
    message: str = ""
    unschedulable: str = ""


@dataclass(frozen=True)
class LastWords:
    """How a pod ended. Kept from watch events, for the pod itself is soon gone.

    Attributes:
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

    @property
    def crashed(self) -> bool:
        """Whether the engine failed by itself, neither moved away nor asked to stop."""
        return not self.disrupted and self.exit_code not in (ExitCode.FINISHED, ExitCode.STOPPED)


@dataclass(frozen=True)
class Claim:
    """The claim of the checkpoint volume."""

    name: str
    ours: bool
    owner_uids: frozenset[str] = frozenset()
    deleting: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Observed:
    """Everything that a decision rests on.

    Attributes:
        flow: The resource with its status.
        image: The engine's image where the spec names none.
        jobs: Of this flow by label or name, whoever owns them.
        pods: Of this flow by label or by mounted claim, whoever owns them; oldest first.
        claim: The checkpoint volume's; None when there is none yet.
        revisions: Hashes whose ConfigMap exists.
        report: What the engine of the current attempt says now; None when it can't be asked.
        last_words: Of pods that ended, oldest pod first.
        missing_inputs: A sentence for each input that is not there; looked for only before a Job is made.
    """

    flow: Flow
    image: str
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    claim: Claim | None = None
    revisions: frozenset[str] = field(default_factory=frozenset)
    report: RunReport | None = None
    last_words: tuple[LastWords, ...] = ()
    missing_inputs: tuple[str, ...] = ()

    @property
    def job(self) -> Job | None:
        """The Job of the attempt that status records."""
        wanted = self.flow.status.attempt.job_name
        return next((job for job in self.jobs if job.name == wanted), None)

    @property
    def pod(self) -> Pod | None:
        """The newest pod of that Job, one that still lives before one that ended."""
        job = self.job
        pods = [pod for pod in self.pods if job and pod.job_uid == job.uid]
        return next((pod for pod in pods if not pod.ended), pods[-1] if pods else None)

    @property
    def words(self) -> LastWords | None:
        """The last words of the attempt that status records; of its Job as it is now, if there is one."""
        attempt, job = self.flow.status.attempt.number, self.job
        mine = (one for one in reversed(self.last_words) if one.attempt == attempt)
        return next((one for one in mine if job is None or one.job_uid == job.uid), None)

    def words_of(self, pod_name: str) -> LastWords | None:
        """The last words of a pod; None when nobody heard them."""
        return next((one for one in self.last_words if one.pod_name == pod_name), None)

    @property
    def latest_report(self) -> RunReport | None:
        """The newest that the current attempt said: of the living engine, else its last words."""
        if self.report and self.report.attempt == self.flow.status.attempt.number:
            return self.report
        return self.words.report if self.words else None
