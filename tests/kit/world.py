"""A cluster in memory: just what the Job controller and the engine do to the things that `decide` sees."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from flowapi.report import RestoredFrom, RunError, RunReport, RunResult, SavedCheckpoint
from flowapi.spec import parse_spec
from flowapi.status import FlowStatus
from flowoperator.core.decide import decide
from flowoperator.core.observed import Claim, Flow, Job, Observed, Pod, Refusal, RevisionMap, TerminationRecord
from flowoperator.core.parse import whole_revision_map
from flowoperator.core.plan import Action, Create, Delete, GrowClaim, NoteSettings, Plan, SetClaimOwners
from flowoperator.core.wanted import InvalidSpec, ValidSpec
from flowoperator.objects.meta import ATTEMPT_LABEL, QUEUE_LABELS, REVISION_LABEL, SETTINGS_ANNOTATION, FlowRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = FlowRef("work", "denoise", "uid-1")


def spec(weight: float = 0.1, limit: int = 1000, **more: Any) -> ValidSpec:
    flow = {
        "data": {"b": {"inline": [[0.0, 1.0], [1.0, 0.0]]}},
        "variables": {"x": {"like": "b"}},
        "operators": {"D": {"gradient": {}}},
        "terms": [
            {"atom": "quadratic", "arg": "x", "data": "b"},
            {"atom": "norm_l21", "arg": "D x", "weight": weight},
        ],
        "stop": {"maxIterations": limit},
    }
    return ValidSpec(*parse_spec({"flow": flow, **more}))


@dataclass
class World:
    """The state; `step` is one pass of the operator."""

    wanted: ValidSpec | InvalidSpec = field(default_factory=spec)
    status: FlowStatus = field(default_factory=FlowStatus)
    generation: int = 1
    jobs: list[Job] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    claim: Claim | None = None
    maps: dict[str, RevisionMap] = field(default_factory=dict)
    terminations: list[TerminationRecord] = field(default_factory=list)
    report: RunReport | None = None
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    image: str = "engine:1"
    queue: tuple[tuple[str, str], ...] = ()
    inputs: str = ""
    missing_inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: Refusal | None = None
    silent: float = 0.0
    now: datetime = NOW
    made: int = 0
    made_pods: int = 0
    evicted: int = 0
    crashed: int = 0

    def observed(self) -> Observed:
        return Observed(
            flow=Flow(REF, self.generation, self.wanted, self.status, queue=self.queue), image=self.image, jobs=tuple(self.jobs),
            pods=tuple(self.pods), claim=self.claim, maps=tuple(self.maps.values()), report=self.report,
            terminations=tuple(self.terminations), inputs=self.inputs, missing_inputs=self.missing_inputs, warnings=self.warnings, refusal=self.refusal,
            silent=self.silent, live=True,
        )  # fmt: skip

    def edit(self, wanted: ValidSpec | InvalidSpec) -> None:
        self.wanted, self.generation = wanted, self.generation + 1

    def step(self, *, writes: int = 99) -> Plan:
        """One pass; `writes` is how many get through before the operator dies."""
        plan = decide(self.observed(), self.now)
        for action in plan.before[:writes]:
            self.carry_out(action)
        writes = max(writes - len(plan.before), 0)
        if plan.status is not None and writes > 0:
            self.status, writes = plan.status, writes - 1
        for action in plan.actions[: max(writes, 0)]:
            self.carry_out(action)
        self.events += [event.reason for event in plan.events]
        return plan

    def carry_out(self, action: Action) -> None:
        match action:
            case Create(body) if body["kind"] == "Job":
                self.create_job(body)
            case Create(body) if body["kind"] == "ConfigMap":
                meta = {**body["metadata"], "uid": f"map-{len(self.maps)}"}
                self.maps[meta["name"]] = whole_revision_map({**body, "metadata": meta})
            case Create(body):
                owners = frozenset(owner["uid"] for owner in body["metadata"]["ownerReferences"])
                size = body["spec"]["resources"]["requests"]["storage"]
                self.claim = Claim(
                    body["metadata"]["name"], ours=True, flow_uids=owners, phase="Bound", requested=size, capacity=size
                )  # fmt: skip
            case Delete("ConfigMap", name):
                self.maps.pop(name, None)
            case Delete(_, name, uid):
                self.jobs = [replace(j, deleting=True) if (j.name, j.uid) == (name, uid) else j for j in self.jobs]
            case SetClaimOwners(_, _, owners):
                assert self.claim is not None
                self.claim = replace(self.claim, flow_uids=frozenset(owner["uid"] for owner in owners))
            case NoteSettings(name, _, settings):
                self.maps[name] = replace(self.maps[name], settings=settings)
            case GrowClaim(_, _, size):
                assert self.claim is not None
                self.claim = replace(self.claim, requested=size)

    def create_job(self, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        assert not self.jobs, "a second Job beside another"
        assert not [pod for pod in self.pods if not pod.ended], "a Job beside a living pod"
        self.made += 1
        self.bodies[meta["name"]] = body
        found = meta["labels"]
        self.jobs.append(
            Job(
                meta["name"], f"job-{self.made}", meta["ownerReferences"][0]["uid"], found[REVISION_LABEL],
                int(found[ATTEMPT_LABEL]), meta["annotations"][SETTINGS_ANNOTATION],
                queued=QUEUE_LABELS[0] in found,
            )
        )  # fmt: skip

    def settle(self, passes: int = 12) -> None:
        """Passes and Kubernetes' own work in turns, until an engine runs or nothing moves."""
        for _ in range(passes):
            self.step()
            self.kubernetes()

    def kubernetes(self) -> None:
        """Pods of Jobs that go end and vanish with them; a Job without a living pod gets one beside those that failed."""
        living = {job.uid for job in self.jobs if not job.deleting}
        self.pods = [pod for pod in self.pods if pod.job_uid in living]
        self.jobs = [job for job in self.jobs if not job.deleting]
        if not self.jobs or self.jobs[0].attempt != (self.report.attempt if self.report else -1):
            self.report = None
        for job in self.jobs:
            if not job.finished and not any(pod.job_uid == job.uid and not pod.ended for pod in self.pods):
                self.made_pods += 1
                name = f"pod-{self.made_pods}-{job.uid}"
                self.pods.append(Pod(name, name, job.uid, flow=REF.name, node="n1", ip="10.0.0.1", running=True))

    def say(self, iteration: int, saved: int, *, base: int = 0, epoch: int = 1, lost: int = 0, **more: Any) -> None:
        """The engine of the running attempt reports."""
        revision, attempt = self.status.revision.current, self.status.attempt.number
        green = more.get("controller", "GREEN") == "GREEN"
        checkpoint = SavedCheckpoint(revision=revision, id=f"c{saved}", iteration=saved, digest="d", green=green)
        from_ = RestoredFrom(revision=revision, id=f"c{base}", iteration=base, digest="d", arrays_sha256="a")
        self.report = RunReport(
            revision=revision, attempt=attempt, epoch=epoch, state="Running", iteration=iteration, controller="GREEN",
            energy=1.0, saved=checkpoint if saved else None, restored_from=from_ if base else None, lost_iterations=lost,
        ).model_copy(update=more)  # fmt: skip

    def end(
        self,
        code: int,
        *,
        disrupted: bool = False,
        error: RunError | None = None,
        job: Literal["", "Complete", "Failed"] = "",
        **more: Any,
    ) -> None:
        """The pod ends; an evicted one is gone at once."""
        report = self.report or RunReport(revision=self.status.revision.current, attempt=self.status.attempt.number)
        report = report.model_copy(update={"error": error, **more})
        (pod,) = self.living
        attempt = self.status.attempt.number
        self.terminations.append(
            TerminationRecord(pod.uid, report.revision, attempt, code, disrupted, report, pod.job_uid, pod.name)
        )
        self.pods.remove(pod)
        self.evicted, self.crashed = self.evicted + disrupted, self.crashed + (code != 0 and not disrupted)
        if not disrupted:
            self.pods.append(replace(pod, running=False, ended="Failed" if code else "Succeeded"))
        self.report = None
        if job:
            reason = "PodFailurePolicy" if job == "Failed" else ""
            self.jobs = [replace(one, finished=job, reason=reason) for one in self.jobs]

    def finish(self, iteration: int = 1000) -> None:
        result = RunResult(reason="IterationLimit", iteration=iteration, energy=1.0, path="r", sha256={"x": "s"})
        self.say(iteration, iteration)
        self.end(0, job="Complete", result=result, state="Finished")

    def forget(self) -> None:
        """The operator starts anew: it knows how pods ended only of those that are still there."""
        left = {pod.uid for pod in self.pods}
        self.terminations = [one for one in self.terminations if one.pod_uid in left]

    @property
    def living(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.ended]

    @property
    def job(self) -> Job:
        (job,) = self.jobs
        return job

    def argument(self, option: str) -> str:
        arguments = self.bodies[self.job.name]["spec"]["template"]["spec"]["containers"][0]["args"]
        return arguments[arguments.index(f"--{option}") + 1] if f"--{option}" in arguments else ""

    @property
    def expects_checkpoint(self) -> bool:
        arguments = self.bodies[self.job.name]["spec"]["template"]["spec"]["containers"][0]["args"]
        return "--expect-checkpoint" in arguments

    def condition(self, kind: str) -> tuple[str, str]:
        return next(((one.status, one.reason) for one in self.status.conditions if one.type == kind), ("", ""))


def running_flow(**state: Any) -> World:
    """A flow whose engine runs and has saved; `state` is the world's."""
    world = World(**state)
    world.settle()
    world.say(120, 100)
    world.step()
    return world


def edited_flow(first: ValidSpec, then: ValidSpec) -> World:
    """A stable revision that another one has replaced, whose engine runs and has yet to save."""
    world = running_flow(wanted=first)
    world.edit(then)
    world.settle()
    world.say(3, 0)
    world.step()
    return world
