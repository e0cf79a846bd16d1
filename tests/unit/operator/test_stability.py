"""Which revision is stable, and when a new one has had its time: the deadline counts engines that run, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kit.world import World, edited_flow, running_flow, spec

A, B, C = spec(), spec(weight=0.2), spec(weight=0.3)


@pytest.fixture
def world():
    """A is stable and has been replaced by B, whose engine runs."""
    return edited_flow(A, B)


def test_a_revision_with_a_green_checkpoint_is_stable_and_its_owner_is_told_once(world):
    assert world.events.count("RevisionStable") == 1


def test_a_checkpoint_that_is_not_green_makes_nothing_stable():
    world = World()
    world.settle()
    world.say(120, 100, controller="AMBER")
    world.step()
    assert world.status.revision.stable == ""


def test_stable_after_asks_for_checkpoints_and_for_time():
    world = World(wanted=spec(rollback={"stableAfter": {"checkpoints": 2, "seconds": 60}}))
    world.settle()
    for seconds, saved, stable in ((0, 100, False), (30, 200, False), (31, 300, True)):
        world.now += timedelta(seconds=seconds)
        world.say(saved + 20, saved)
        world.step()
        assert bool(world.status.revision.stable) == stable


def test_a_revision_without_progress_by_its_deadline_is_given_up(world):
    world.now += timedelta(seconds=601)
    world.say(4, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == A.hash
    assert "deadlineSeconds" in world.status.revision.failed[-1].message


@pytest.mark.parametrize("circumstance", ["silent", "green", "stable", "early"])
def test_missing_evidence_is_no_failure(world, circumstance):
    world.now += timedelta(seconds=10 if circumstance == "early" else 601)
    saved = 50 if circumstance == "stable" else 0
    world.say(60, saved, controller="GREEN" if circumstance in {"green", "stable"} else "AMBER")
    world.silent = 5.0 if circumstance == "silent" else 0.0
    world.settle()
    assert world.job.revision == B.hash


def test_the_deadline_counts_the_time_of_running_engines_alone(world):
    world.now += timedelta(seconds=300)
    world.say(4, 0, controller="AMBER")
    world.step()
    world.edit(spec(weight=0.2, suspend=True))
    world.settle()
    world.now += timedelta(seconds=10_000)
    world.edit(B)
    world.settle()
    world.say(4, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == B.hash
    world.now += timedelta(seconds=301)
    world.say(5, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == A.hash


def test_a_deadline_that_is_over_asks_for_no_pass_at_once(world):
    world.now += timedelta(seconds=700)
    world.say(60, 0)
    pause = world.step().requeue_after
    assert pause is None or pause > 0


def test_a_revision_that_was_green_once_is_not_overdue():
    wanted = {"rollback": {"stableAfter": {"seconds": 3600}}}
    world = running_flow(wanted=spec(**wanted))
    world.status = world.status.model_copy(
        update={"revision": world.status.revision.model_copy(update={"stable": world.wanted.hash})}
    )
    edited = spec(weight=0.2, **wanted)
    world.edit(edited)
    world.settle()
    for saved in (100, 200):
        world.now += timedelta(seconds=290)
        world.say(saved + 20, saved)
        world.step()
    world.now += timedelta(seconds=60)
    world.say(300, 200, controller="AMBER")
    world.settle()
    assert world.job.revision == edited.hash


def test_the_first_report_of_a_new_pod_is_no_evidence(world):
    world.now += timedelta(seconds=590)
    world.say(60, 0)
    world.step()
    world.now += timedelta(seconds=60)
    world.end(137, disrupted=True)
    world.settle()
    world.say(0, 0, controller="RED", energy=None)
    world.settle()
    assert world.job.revision == B.hash


def test_another_try_has_the_whole_deadline(world):
    world.now += timedelta(seconds=601)
    world.say(4, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == A.hash
    world.edit(spec(weight=0.2, retryNonce="1"))
    world.settle()
    world.say(4, 0, controller="AMBER")
    world.step()
    world.now += timedelta(seconds=100)
    world.say(5, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == B.hash


def test_a_longer_deadline_is_another_try(world):
    world.now += timedelta(seconds=601)
    world.say(4, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == A.hash
    world.edit(spec(weight=0.2, rollback={"deadlineSeconds": 6000}))
    world.settle()
    assert world.job.revision == B.hash


@pytest.mark.parametrize("how", ["held back", "dead"])
def test_time_without_an_engine_makes_nothing_stable(how):
    world = running_flow(wanted=spec(rollback={"stableAfter": {"seconds": 3600}}))
    world.now += timedelta(seconds=60)
    world.say(140, 130)
    world.step()
    world.end(137 if how == "dead" else 75, disrupted=how != "dead")
    world.jobs = [replace(world.job, suspended=how != "dead")]
    world.now += timedelta(seconds=3700)
    world.step()
    assert world.status.revision.stable == ""


def test_the_time_of_a_revision_that_is_left_is_its_own(world):
    world.now += timedelta(seconds=50)
    world.say(60, 0)
    world.now += timedelta(seconds=40)
    world.step()
    world.edit(C)
    world.settle()
    ran = {one.hash: one.ran_seconds for one in world.status.revisions}
    assert ran[B.hash] >= 50
    assert ran[C.hash] == 0


def test_a_full_volume_once_does_not_spare_a_revision_its_deadline(world):
    world.end(74)
    world.settle()
    world.say(4, 0, controller="AMBER")
    world.settle()
    world.now += timedelta(seconds=700)
    world.say(5, 0, controller="AMBER")
    world.settle()
    assert world.job.revision == A.hash
