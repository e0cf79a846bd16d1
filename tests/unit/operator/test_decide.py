"""What every pass does: it writes before it acts, says what it sees, and touches nothing of others."""

from dataclasses import replace
from datetime import timedelta

import pytest

from flowoperator.core.observed import Job
from flowoperator.core.plan import Delete
from kit.world import World, running_flow


@pytest.fixture
def running() -> World:
    return running_flow()


def test_the_attempt_is_written_before_its_job_is_made():
    world = World()
    plan = world.step()
    assert (world.status.attempt.number, plan.actions) == (1, ())
    assert world.status.attempt.job_name == f"denoise-{world.status.revision.current}-1"
    assert not world.jobs
    world.step()
    assert world.job.name == world.status.attempt.job_name
    assert world.claim
    assert [one.revision for one in world.maps.values()] == [world.status.revision.current]


def test_a_running_engine_is_ready_and_its_checkpoint_is_shown(running):
    assert running.condition("Ready") == ("True", "Running")
    assert running.condition("Checkpointed") == ("True", "Saved")
    assert running.status.checkpoint.iteration == 100
    assert running.status.phase == "Running"


def test_a_save_that_failed_is_said_and_so_is_the_next_one_that_worked(running):
    running.say(900, 100, write_failed="the volume is full. Make room on the volume.")
    running.step()
    assert running.condition("Checkpointed") == ("False", "WriteFailed")
    assert running.condition("Ready") == ("True", "Running")
    running.say(950, 900)
    running.step()
    assert running.condition("Checkpointed") == ("True", "Saved")


def test_an_image_that_cannot_be_pulled_is_told():
    world = World()
    world.settle()
    world.pods = [replace(world.pods[0], running=False, blocked="ErrImagePull", message="not found")]
    world.step()
    assert world.condition("Stalled") == ("True", "ImagePullFailed")
    world.pods = [replace(world.pods[0], running=True, blocked="")]
    world.step()
    assert world.condition("Stalled")[0] == "False"


def test_a_job_of_another_owner_is_waited_for_and_never_deleted():
    world = World()
    world.step()
    foreign = Job("denoise-of-another", "u", "other", "r", 1, "s")
    world.jobs = [foreign]
    plan = world.step()
    assert world.jobs == [foreign]
    assert not any(isinstance(action, Delete) for action in plan.actions)
    assert world.condition("Reconciling")[0] == "True"


def test_progress_alone_is_not_written_every_time(running):
    running.say(140, 100)
    assert running.step().status is None


def test_the_last_progress_of_an_engine_that_says_nothing_more_is_written_all_the_same(running):
    running.say(140, 100)
    running.now += timedelta(seconds=12)
    assert running.step().requeue_after == 18
    running.now += timedelta(seconds=18)
    running.step()
    assert running.status.progress.iteration == 140
    assert running.step().requeue_after is None
