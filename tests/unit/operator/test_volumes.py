"""The volume: whose it is, and what becomes of it."""

import pytest

from flowoperator.core.observed import Claim
from kit.world import REF, World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


def test_a_claim_that_the_user_names_must_exist():
    world = World(wanted=spec(checkpoint={"volume": {"claimName": "mine"}}))
    world.settle(3)
    assert world.condition("Stalled") == ("True", "Unschedulable")
    assert not world.jobs
    world.claim = Claim("mine", ours=False)
    world.settle()
    assert world.jobs


@pytest.mark.parametrize(("policy", "owners"), [("Retain", frozenset()), ("Delete", frozenset({REF.uid}))])
def test_the_claim_follows_the_deletion_policy(running, policy, owners):
    other = "Delete" if policy == "Retain" else "Retain"
    for one in (other, policy):
        running.edit(spec(deletionPolicy=one))
        running.settle()
        running.say(120, 100)
        running.settle()
    assert running.claim.flow_uids == owners


def test_a_users_claim_is_never_given_an_owner(running):
    running.claim = Claim("mine", ours=False)
    running.edit(spec(deletionPolicy="Delete"))
    running.settle()
    assert running.claim.flow_uids == frozenset()


def test_a_volume_of_an_earlier_flow_is_adopted_with_a_higher_attempt(running):
    running.end(65, job="Failed", owner_uid="uid-0", max_attempt=7)
    running.settle()
    assert (running.job.attempt, running.argument("adopt")) == (8, "uid-0")


def test_what_was_given_up_with_a_lost_volume_never_comes_back_from_an_old_report(running):
    running.end(75, disrupted=True)
    running.claim = None
    running.step()
    assert running.condition("Stalled") == ("True", "VolumeLost")
    running.edit(spec(retryNonce="anew"))
    running.settle()
    assert running.status.checkpoint is None
    assert all(one.checkpoint is None for one in running.status.revisions)
    assert not running.expects_checkpoint
    assert running.claim is not None


def test_a_volume_that_is_refused_again_after_its_adoption_is_not_adopted_for_ever(running):
    running.end(65, job="Failed", owner_uid="uid-0", max_attempt=7)
    running.settle()
    running.end(65, job="Failed", owner_uid="uid-9", max_attempt=8)
    running.settle()
    assert (running.status.phase, running.status.attempt.number) == ("Stalled", 8)
