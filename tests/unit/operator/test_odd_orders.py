"""What a person, an engine or a hand in the status does in an unusual order, or at an unusual moment."""

from dataclasses import replace

import pytest

from flowapi.report import LAST_ATTEMPT, RunError
from flowapi.status import FlowStatus
from flowoperator.core import parse
from flowoperator.core.observed import Claim, Refusal
from flowoperator.core.plan import Create
from flowoperator.core.wanted import InvalidSpec
from kit.world import World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


def message(world: World, kind: str) -> str:
    return next(one.message for one in world.status.conditions if one.type == kind)


def lose_the_claim(world: World) -> None:
    """Its pod was moved away, and its claim deleted by hand."""
    world.end(75, disrupted=True)
    world.claim = None
    world.settle(4)
    assert world.condition("Stalled") == ("True", "VolumeLost")


def broken(**keys: object) -> InvalidSpec:
    """A spec whose flow is wrong, and whose other keys are right."""
    found = parse.spec({"spec": {"flow": {"terms": 1}, **keys}})
    assert isinstance(found, InvalidSpec)
    return found


# a lost volume, and the nonce that gives it up


def test_what_a_dead_pod_had_saved_on_a_lost_volume_does_not_keep_the_flow_from_beginning_anew(running):
    lose_the_claim(running)
    running.edit(spec(retryNonce="1"))
    running.settle()
    assert running.job.attempt > 1
    assert not running.expects_checkpoint
    assert running.claim is not None
    assert running.condition("Checkpointed") == ("", "")


def test_a_nonce_that_comes_with_an_edit_gives_a_lost_volume_up_too(running):
    lose_the_claim(running)
    running.edit(spec(weight=0.2, retryNonce="1"))
    running.settle()
    assert running.job.revision == spec(weight=0.2).hash
    assert not running.expects_checkpoint


def test_losses_on_a_new_volume_are_counted_although_its_epochs_begin_anew(running):
    running.say(120, 100, epoch=7)
    running.step()
    lose_the_claim(running)
    running.edit(spec(retryNonce="1"))
    running.settle()
    running.say(30, 20, epoch=2, lost=10)
    running.step()
    assert running.status.recoveries.lost_iterations == 10


def test_a_nonce_from_before_the_loss_was_told_gives_nothing_up(running):
    running.edit(spec(suspend=True))
    running.settle()
    running.claim = None
    running.edit(spec(retryNonce="1"))
    running.settle()
    assert running.condition("Stalled") == ("True", "VolumeLost")
    assert not running.jobs
    assert running.claim is None


def test_a_claim_that_has_lost_its_volume_has_to_be_deleted_first_and_the_sentence_says_so(running):
    running.end(75, disrupted=True)
    running.claim = replace(running.claim, phase="Lost")
    running.step()
    assert message(running, "Stalled").startswith("Claim denoise has lost its volume. Delete it")


# the history


def test_the_revision_that_has_checkpoints_is_never_forgotten_for_ones_that_have_none():
    def edit(weight: float) -> None:
        world.edit(spec(weight=weight, revisionHistoryLimit=2))
        world.settle()

    world = running_flow(wanted=spec(revisionHistoryLimit=2))
    for weight in (0.2, 0.3, 0.4):
        edit(weight)
    assert spec().hash in world.argument("lineage").split(",")
    assert world.expects_checkpoint
    assert len(world.status.revisions) == 2


def test_another_revision_is_shown_without_the_checkpoint_and_the_progress_of_the_one_before(running):
    running.edit(spec(weight=0.2))
    running.settle()
    assert running.condition("Checkpointed") == ("", "")
    assert running.condition("Certified") == ("", "")
    assert (running.status.progress.iteration, running.status.display.iteration) == (0, "")


# claims of other flows


def test_the_claim_of_another_flow_is_never_given_an_owner():
    world = World(wanted=spec(deletionPolicy="Delete", checkpoint={"volume": {"claimName": "other"}}))
    world.claim = Claim("other", ours=True)
    world.settle()
    assert world.claim.flow_uids == frozenset()


def test_a_named_claim_that_another_flow_owns_is_none_of_a_deleted_flow_of_this_name():
    world = World(wanted=spec(checkpoint={"volume": {"claimName": "other"}}))
    world.claim = Claim("other", ours=True, flow_uids=frozenset({"uid-of-other"}))
    world.settle()
    assert world.jobs, "the store refuses a volume that is another's; the operator doesn't guess"


# an invalid spec


def test_retain_holds_although_the_flow_beside_it_is_wrong():
    world = World(wanted=spec(deletionPolicy="Delete"))
    world.settle()
    assert world.claim.flow_uids
    world.edit(broken(deletionPolicy="Retain"))
    world.step()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert world.claim.flow_uids == frozenset()


def test_suspending_works_although_the_flow_beside_it_is_wrong(running):
    running.edit(broken(suspend=True))
    running.settle()
    assert not running.jobs
    assert running.condition("Stalled") == ("True", "InvalidSpec")
    running.edit(spec())
    running.settle()
    assert len(running.jobs) == 1


@pytest.mark.parametrize("shape", ["lists", "maps"])
def test_a_flow_that_is_nested_too_deeply_is_an_invalid_one(shape):
    value: object = 1
    for _ in range(5000):
        value = [value] if shape == "lists" else {"a": value}
    found = parse.spec({"spec": {"flow": {"data": value}}})
    assert isinstance(found, InvalidSpec)
    assert "nested" in found.message


def test_suspended_in_the_same_edit_as_another_revision_a_completed_flow_is_not_called_complete(running):
    running.finish()
    running.step()
    running.edit(spec(weight=0.2, suspend=True))
    running.settle()
    assert running.status.phase == "Suspended"
    running.edit(spec(weight=0.2))
    running.settle()
    assert running.job.revision == spec(weight=0.2).hash


def test_a_refused_configmap_does_not_keep_a_flow_from_being_suspended(running):
    running.maps.clear()
    running.edit(spec(suspend=True))
    running.refusal = Refusal("ConfigMap", 403, "exceeded quota", (), running.generation, 5.0)
    plan = running.step()
    assert not any(isinstance(action, Create) for action in plan.before)
    running.settle()
    assert running.status.phase == "Suspended"


def test_a_pod_that_does_not_stop_for_a_suspension_is_named(running):
    pod = running.pods[0]
    running.edit(spec(suspend=True))
    running.step()
    running.pods = [replace(pod, deleting="2025-12-31T23:00:00Z")]
    running.step()
    assert f"Pod {pod.name} should have been gone" in message(running, "Reconciling")


# what engines say


@pytest.mark.parametrize("reason", ["no such word!", "", "x" * 100])
def test_an_odd_reason_in_a_report_is_no_reason_to_fail(running, reason):
    running.end(65, error=RunError(code=65, reason=reason, message="what is wrong"), job="Failed")
    running.settle(3)
    assert running.condition("Stalled")[0] == "True"
    assert "what is wrong" in message(running, "Stalled")


@pytest.mark.parametrize("number", [LAST_ATTEMPT, 2**53])
def test_an_attempt_beyond_the_last_is_not_counted_on_from(running, number):
    running.end(77, job="Failed", max_attempt=number)
    running.settle(3)
    assert running.condition("Stalled")[0] == "True"
    assert running.status.attempt.number == 1


def test_a_fenced_engine_that_names_no_newer_attempt_is_not_started_for_ever(running):
    running.end(77, job="Failed", max_attempt=0)
    running.settle(3)
    assert running.condition("Stalled")[0] == "True"
    assert running.status.attempt.number == 1


def test_losses_add_up_to_no_more_than_the_status_can_hold(running):
    for epoch in (2, 3):
        running.say(120, 100, epoch=epoch, lost=2**53)
        running.step()
    assert FlowStatus.read(running.status.to_patch()) == running.status


def test_a_silent_engine_is_written_down_once(running):
    running.silent = 100
    running.step()
    running.silent = 131
    assert running.step().status is None


# a status that was changed by hand


def test_odd_times_in_the_status_are_no_times(running):
    for text in ("x", "2026-01-01T00:00:00"):
        progress = running.status.progress.model_copy(update={"updated_at": text})
        attempt = running.status.attempt.model_copy(update={"started_at": text})
        running.status = running.status.model_copy(update={"progress": progress, "attempt": attempt})
        running.say(130, 120)
        running.step()
        running.report = None
        running.step()


def test_a_status_without_its_history_gets_one_again(running):
    running.status = running.status.model_copy(update={"revisions": ()})
    running.settle()
    assert [one.hash for one in running.status.revisions] == [spec().hash]
    assert len(running.jobs) == 1


def test_the_last_attempt_is_followed_by_one_of_the_same_number(running):
    attempt = running.status.attempt.model_copy(update={"number": LAST_ATTEMPT})
    running.status = running.status.model_copy(update={"attempt": attempt})
    running.edit(spec(limit=2000))
    running.settle()
    assert running.job.attempt == LAST_ATTEMPT
