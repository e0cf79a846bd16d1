"""The table of failures on a cluster: each row's phase, reason and sentence are what the operator decides then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flowapi.errors import ENLARGE
from flowapi.report import RunError
from flowoperator.core.observed import Claim, Job, Pod, Refusal
from flowoperator.core.wanted import InvalidSpec
from kit import messages
from kit.world import NOW, REF, World, edited_flow, running_flow, spec

PAGE = Path(__file__).parents[2] / "docs" / "failure-modes.md"


def started(**more) -> World:
    world = World(wanted=spec(**more))
    world.settle()
    return world


def with_pod(**more) -> World:
    world = started()
    world.pods = [replace(world.pods[0], name="denoise-1-x", running=False, **more)]
    world.terminations.clear()
    return world


def failed(world: World, code: int, **more) -> World:
    world.end(code, job="Failed", **more)
    (ended,) = world.terminations
    world.terminations = [replace(ended, pod_name="denoise-1-x")]
    return world


def invalid() -> World:
    world = running_flow()
    world.edit(InvalidSpec("spec.flow.terms[1].atom: unknown atom `norm_l12`. Did you mean `norm_l21`?"))
    return world


def bad_data() -> World:
    error = RunError(code=65, reason="InvalidSpec", path="spec.flow.data.b", message="2 NaN", remedy="Mask them.")
    return failed(started(), 65, error=error)


def unbounded() -> World:
    message = "the energy falls without end, as iteration 1000 proves, along +0.8·x[1] -0.6·x[0]"
    error = RunError(
        code=76, reason="Unbounded", path="spec.flow.terms", message=message, remedy="Bound that direction."
    )
    return failed(started(), 76, error=error)


def missing_input() -> World:
    world = World()
    world.step()
    world.missing_inputs = (
        "spec.inputs[0].configMapName: there is no ConfigMap photo. Create it; the flow then starts.",
    )
    return world


def refused(status: int, message: str, kind: str = "Job") -> Callable[[], World]:
    def situation() -> World:
        world = World()
        world.step()
        world.refusal = Refusal(kind, status, message, generation=1, retry_in=2.0)
        return world

    return situation


def warned(text: str, *, pod: bool = False) -> Callable[[], World]:
    def situation() -> World:
        world = with_pod() if pod else started()
        world.pods = world.pods if pod else []
        world.warnings = (text,)
        return world

    return situation


def claim(**more) -> Callable[[], World]:
    def situation() -> World:
        world = running_flow()
        world.claim = replace(world.claim, **more) if more else None
        world.pods = [] if not more else world.pods
        return world

    return situation


def named_claim() -> World:
    world = World(wanted=spec(checkpoint={"volume": {"claimName": "mine"}}))
    world.step()
    return world


def resized() -> World:
    world = running_flow()
    world.claim = replace(world.claim, requested="2Gi", resizing="FileSystemResizePending: Waiting for a pod to start")
    return world


def cannot_grow() -> World:
    world = running_flow()
    world.edit(spec(checkpoint={"volume": {"size": "2Gi"}}))
    said = "the storageclass that provisions the pvc must support resize"
    world.refusal = Refusal(
        "PersistentVolumeClaim", 403, said, generation=world.generation, retry_in=2.0, changing=True
    )  # fmt: skip
    return world


def full() -> World:
    said = "the checkpoint can't be written (No space left on device)"
    return failed(running_flow(), 74, error=RunError(code=74, reason="VolumeFull", message=said, remedy=ENLARGE))


def foreign_claim() -> World:
    world = World(claim=Claim(REF.name, ours=False))
    world.step()
    return world


def second_writer() -> World:
    world = World()
    world.step()
    world.claim = Claim(REF.name, ours=True)
    world.pods = [Pod("train-1-x", "u", "j", flow="train", running=True)]
    return world


def foreign_job() -> World:
    world = World()
    world.step()
    world.jobs = [Job(world.status.attempt.job_name, "u", "another", "", 0, "")]
    return world


def lost_node() -> World:
    world = running_flow()
    world.pods = [replace(world.pods[0], name="denoise-1-x", node="node-1", deleting="2025-12-31T23:00:00Z")]
    return world


def unreachable() -> World:
    world = with_pod(ready=True)
    world.pods = [replace(world.pods[0], running=True, ip="10.1.0.7")]
    world.silent = 60.0
    world.now = NOW + timedelta(seconds=61)
    return world


def queued() -> World:
    world = started()
    world.jobs = [replace(world.jobs[0], name=world.status.attempt.job_name, suspended=True)]
    return world


def suspending() -> World:
    world = running_flow()
    world.edit(spec(suspend=True))
    return world


def out_of_memory() -> World:
    world = started()
    world.end(137, job="Failed")
    world.jobs = [replace(world.jobs[0], reason="BackoffLimitExceeded")]
    (ended,) = world.terminations
    world.terminations = [replace(ended, pod_name="denoise-1-x", reason="OOMKilled", memory="256Mi", report=None)]
    return world


def wiped() -> World:
    error = RunError(
        code=65, reason="VolumeLost", message="the volume has no checkpoint of this flow, though one was saved",
        remedy="Restore the volume from a backup, or start anew with another spec.retryNonce.",
    )  # fmt: skip
    return failed(running_flow(), 65, error=error)


def edited() -> World:
    """A stable revision, and another one whose engine runs."""
    world = edited_flow(spec(), spec(weight=0.2))
    world.say(3, 0, controller="AMBER")
    world.step()
    return world


def rolled_back() -> World:
    world = edited()
    error = RunError(code=76, reason="Diverged", message="the energy grows", remedy="Lower policy.step.")
    world.end(76, job="Failed", error=error)
    world.settle()
    world.say(150, 140, base=100)
    return world


def overdue() -> World:
    world = edited()
    world.now += timedelta(seconds=601)
    return world


def stable_forgotten() -> World:
    world = edited()
    world.maps.pop(f"denoise-{world.status.revision.stable}")
    world.end(76, job="Failed")
    world.settle()
    return world


def fruitless() -> World:
    world = started(retry={"limit": 2})
    for _ in range(3):
        world.end(137, disrupted=True)
        world.settle()
    world.terminations = [replace(one, pod_name="denoise-1-x") for one in world.terminations]
    return world


def hung() -> World:
    error = RunError(
        code=70, reason="Hang", message="no progress in iterating for 600 s",
        remedy="The pod's log has the stacks of all threads.",
    )  # fmt: skip
    return failed(started(), 70, error=error)


SITUATIONS: dict[str, Callable[[], World]] = {
    "Something in `flow` is wrong": invalid,
    "Data are missing, of the wrong shape, NaN": bad_data,
    "An input's ConfigMap or claim is not there": missing_input,
    "The image can't be pulled": lambda: with_pod(blocked="ErrImagePull", message="engine:1 not found"),
    "A container can't start": lambda: with_pod(
        blocked="CreateContainerConfigError", message='configmap "b" not found'
    ),
    "A volume can't be mounted": warned("FailedMount: Multi-Attach error for volume pv-1", pod=True),
    "No node takes the pod": lambda: with_pod(unschedulable="0/2 nodes are available: 2 Insufficient memory."),
    "The Job can make no pod": warned('FailedCreate: pods "x" is forbidden: serviceaccount "nobody" not found'),
    "A quota leaves no room for a pod": warned('FailedCreate: pods "x" is forbidden: exceeded quota: small'),
    "The volume is being resized": resized,
    "The class of the volume can't grow": cannot_grow,
    "The volume is full when a run ends": full,
    "A quota leaves no room for the Job or the claim": refused(
        403, "exceeded quota: small, requested: count/jobs.batch=1"
    ),
    "A limit range or an admission policy refuses an object": refused(
        403, "maximum storage usage per PersistentVolumeClaim is 1Mi", "PersistentVolumeClaim"
    ),
    "An object that the spec asks for is invalid": refused(
        422, "spec.template.spec.tolerations[0].operator: Unsupported value"
    ),
    "`suspend: true` while the engine runs": suspending,
    "A queue holds the Job back": queued,
    "The claim that `volume.claimName` names is not there": named_claim,
    "A claim of the flow's name exists that nobody made for it": foreign_claim,
    "Another pod writes to the claim": second_writer,
    "The claim is being deleted while checkpoints lie on it": claim(deleting=True),
    "The claim is gone, and checkpoints with it": claim(),
    "The volume is empty, though checkpoints were saved": wiped,
    "A Job of another owner has the flow's name": foreign_job,
    "A pod stays Terminating on a lost node": lost_node,
    "A container injected into the pod outlives the engine": lambda: with_pod(engine_ended=True, outlives=("proxy",)),
    "The engine runs, but can't be asked": unreachable,
    "It dies again and again before it saves anything": out_of_memory,
    "A new revision fails, and there is a stable one": rolled_back,
    "A new revision saves no GREEN checkpoint by its deadline": overdue,
    "The stable revision is to run, and its ConfigMap was deleted": stable_forgotten,
    "Pods end again and again before they save anything new": fruitless,
    "The engine hangs, again and again": hung,
    "Iterates become NaN or infinite": lambda: failed(started(), 76),
    "The flow has no solution": unbounded,
}


def rows() -> dict[str, list[str]]:
    """The cells of the table on clusters, by their first one."""
    text = PAGE.read_text(encoding="utf-8").split("## On a cluster")[1].split("\n## ")[0]
    found = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")
    ]
    return {cells[0]: cells for cells in found}


def decided(world: World) -> tuple[str, str, str]:
    """Phase, reason and sentence."""
    plan = world.step()
    status = plan.status or world.status
    kind = {"Stalled": "Stalled", "Running": "Ready"}.get(status.phase, "Reconciling")
    (found,) = [one for one in status.conditions if one.type == kind]
    return status.phase, found.reason, found.message


OF_THE_ENGINE = {
    "Something in `flow` is wrong", "Data are missing, of the wrong shape, NaN", "The flow has no solution",
    "The volume is full when a run ends", "The volume is empty, though checkpoints were saved",
    "The engine hangs, again and again", "An input's ConfigMap or claim is not there",
}  # fmt: skip


@pytest.mark.parametrize("title", sorted(SITUATIONS.keys() - OF_THE_ENGINE))
def test_the_operators_sentence_is_on_the_page_of_messages(title):
    assert messages.covered(decided(SITUATIONS[title]())[2])


@pytest.mark.parametrize("title", SITUATIONS)
def test_the_row_says_what_the_operator_says(title):
    phase, reason, message = decided(SITUATIONS[title]())
    assert rows()[title][1:3] == [f"{phase}/{reason}", message]
