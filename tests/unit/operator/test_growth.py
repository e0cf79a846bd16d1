"""The size of the checkpoint volume: it follows the spec upwards, and nothing waits for that."""

from dataclasses import replace

import pytest

from flowapi.report import RunError
from flowoperator.core import parse
from flowoperator.core.observed import Refusal
from flowoperator.core.plan import GrowClaim
from flowoperator.core.wanted import InvalidSpec
from kit.world import World, running_flow, spec

CANNOT = (
    'persistentvolumeclaims "denoise" is forbidden: only dynamically provisioned pvc can be resized and the storageclass '
    "that provisions the pvc must support resize"
)


def sized(size, **more):
    return spec(checkpoint={"volume": {"size": size}}, **more)


def message(world: World) -> str:
    return next(one.message for one in world.status.conditions if one.type == "Ready")


def refusal(world: World, **more) -> Refusal:
    values = {"retry_in": 2.0, "generation": world.generation, "changing": True, **more}
    return Refusal("PersistentVolumeClaim", 403, CANNOT, **values)


@pytest.fixture
def world():
    return running_flow(wanted=sized("1Gi"))


def test_a_larger_size_is_asked_of_the_claim_and_nothing_restarts(world):
    job = world.job
    world.edit(sized("2Gi"))
    plan = world.step()
    assert GrowClaim("denoise", world.claim.uid, "2Gi") in plan.actions
    assert plan.requeue_after == 0.0, "our own write is no event"
    assert world.claim.requested == "2Gi"
    assert world.status.observed_generation == world.generation
    world.settle()
    assert world.job == job
    assert world.status.phase == "Running"


@pytest.mark.parametrize("size", ["1Gi", "1024Mi", "512Mi", None])
def test_the_same_size_a_smaller_one_and_none_leave_the_claim_alone(world, size):
    world.edit(sized(size) if size else spec())
    assert not [action for action in world.step().actions if isinstance(action, GrowClaim)]
    assert not message(world).count("Claim")


@pytest.mark.parametrize(
    "state", [{"ours": False}, {"phase": "Pending"}, {"deleting": True}, {"flow_uids": frozenset({"another"})}]
)
def test_a_claim_that_is_another_ones_or_has_no_volume_or_goes_is_not_resized(world, state):
    world.claim = replace(world.claim, **state)
    world.edit(sized("2Gi"))
    assert not [action for action in world.step().actions if isinstance(action, GrowClaim)]


@pytest.mark.parametrize("phase", ["Suspended", "Completed", "Stalled", "InvalidSpec"])
def test_the_claim_grows_in_every_phase(world, phase):
    wanted = sized("2Gi")
    if phase == "Suspended":
        wanted = sized("2Gi", suspend=True)
    elif phase == "Completed":
        world.finish()
    elif phase == "Stalled":
        world.end(76, job="Failed")
    else:
        wanted = InvalidSpec("flow.terms: …", wanted.spec)
    world.step()
    world.edit(wanted)
    world.settle()
    assert world.claim.requested == "2Gi"


def test_a_resize_that_goes_on_is_said_until_the_volume_has_its_size(world):
    world.edit(sized("2Gi"))
    world.step()
    world.claim = replace(world.claim, resizing="FileSystemResizePending: Waiting for user to (re-)start a pod")
    world.step()
    assert message(world).endswith(
        "Claim denoise is being resized from 1Gi to 2Gi (FileSystemResizePending: Waiting for user to (re-)start a pod)."
    )
    world.claim = replace(world.claim, capacity="2Gi", resizing="")
    world.step()
    assert "resized" not in message(world)


def test_a_class_that_cannot_grow_is_said_and_the_flow_goes_on_also_after_an_eviction(world):
    world.edit(sized("2Gi"))
    world.refusal = refusal(world)
    world.step()
    assert world.status.phase == "Running"
    assert message(world).endswith(
        f"spec.checkpoint.volume.size: the apiserver refuses the PersistentVolumeClaim: {CANNOT}. "
        "It is tried again; ask whoever runs the cluster."
    )
    world.step()
    assert world.events.count("ResizeRefused") == 1
    before = world.job
    world.end(75, disrupted=True)
    world.settle()
    assert world.job is not None
    assert world.job != before
    assert world.living


def test_a_refusal_is_said_no_more_once_the_size_is_taken_back(world):
    world.edit(sized("2Gi"))
    world.refusal = refusal(world)
    world.step()
    world.edit(sized("1Gi"))
    world.step()
    assert "refuses" not in message(world)


def full(world: World) -> None:
    error = RunError(code=74, reason="VolumeFull", message="the checkpoint can't be written", path="", remedy="Room.")
    world.end(74, error=error, job="Failed")
    world.step()
    assert world.condition("Stalled") == ("True", "VolumeFull")


def test_a_flow_that_ended_on_a_full_volume_is_tried_again_once_the_volume_grows(world):
    full(world)
    attempt = world.status.attempt.number
    world.edit(sized("2Gi"))
    world.settle()
    assert (world.claim.requested, world.status.attempt.number) == ("2Gi", attempt + 1)
    assert world.living
    assert "Retried" in world.events


@pytest.mark.parametrize("writes", range(4))
def test_the_new_try_comes_wherever_the_operator_dies(world, writes):
    full(world)
    attempt = world.status.attempt.number
    world.edit(sized("2Gi"))
    world.step(writes=writes)
    world.settle()
    assert (world.claim.requested, world.status.attempt.number) == ("2Gi", attempt + 1)
    assert world.living


def test_a_growth_that_is_refused_tries_nothing_again(world):
    full(world)
    attempt = world.status.attempt.number
    world.edit(sized("2Gi"))
    world.refusal = refusal(world, retry_in=0.0)
    world.step()
    assert world.status.attempt.number == attempt
    assert world.condition("Stalled") == ("True", "VolumeFull")


def test_what_kubernetes_says_of_a_claim_is_read():
    body = {
        "metadata": {"name": "denoise", "uid": "u", "labels": {"computableflow.dev/flow": "denoise"}},
        "spec": {"resources": {"requests": {"storage": "2Gi"}}},
        "status": {
            "phase": "Bound", "capacity": {"storage": "1Gi"},
            "conditions": [
                {"type": "Resizing", "status": "True"},
                {"type": "NodeResizeError", "status": "True", "message": "no room on the node."},
            ],
        },
    }  # fmt: skip
    claim = parse.claim(body)
    assert (claim.requested, claim.capacity, claim.resizing) == ("2Gi", "1Gi", "NodeResizeError: no room on the node")
    bare = parse.claim({"metadata": {"name": "denoise", "uid": "u"}})
    assert (bare.requested, bare.capacity, bare.resizing) == ("", "", "")
